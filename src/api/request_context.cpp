#include "api/request_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace tessera::api {
namespace {

ApiError from_parse_error(const json::ParseError& error) {
  const auto id = [&] {
    switch (error.code) {
      case json::ParseErrorCode::kInvalidJson:
        return ErrorId::kInvalidJson;
      case json::ParseErrorCode::kInvalidUnicode:
        return ErrorId::kInvalidUnicode;
      case json::ParseErrorCode::kDuplicateKey:
        return ErrorId::kDuplicateKey;
      case json::ParseErrorCode::kTooDeep:
        return ErrorId::kJsonTooDeep;
      case json::ParseErrorCode::kTooManyKeys:
      case json::ParseErrorCode::kTooManyValues:
        return ErrorId::kArrayAboveMaxLength;
    }
    return ErrorId::kInvalidJson;
  }();
  return ApiError{
      id, fmt::format("We could not parse the JSON body of your request: {}.", error.message)};
}

Parsed<void> read_known(const Field& field, const json::Value& value, Context& context) {
  TRY(check_field(field, value, field.path));
  return field.read == nullptr ? Parsed<void>{} : field.read(value, field, context);
}

// A token id as a key of logit_bias.
std::optional<TokenId> to_token(std::string_view key, std::int32_t vocabulary) {
  TokenId token = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
  const bool whole = error == std::errc() && end == key.data() + key.size();
  const bool plain = key == "0" || !key.starts_with('0');  // one way to write an id
  if (!whole || !plain || token < 0 || token >= vocabulary) return std::nullopt;
  return token;
}

}  // namespace

Parsed<void> read_unknown(const std::string& name, bool strict, std::vector<std::string>& ignored) {
  if (!strict) {
    ignored.push_back(name);
    return {};
  }
  if (name.size() > kRequestLimits.id_length)
    return refuse(ErrorId::kUnknownParameter, "Unknown parameter: a very long name.", "");
  return refuse(ErrorId::kUnknownParameter, fmt::format("Unknown parameter: '{}'.", name), name);
}

Parsed<void> settle(Parsed<void> outcome, Context& context) {
  if (outcome || context.problems == nullptr) return outcome;
  if (context.problems->size() < kMaxProblems)
    context.problems->push_back(std::move(outcome.error()));
  return {};
}

Parsed<json::Value> parse_body(std::string_view body) {
  auto parsed = json::parse(body, {.max_depth = kRequestLimits.json_depth,
                                   .max_keys = kRequestLimits.json_keys,
                                   .max_values = kRequestLimits.json_values});
  if (!parsed) return Unexpected{from_parse_error(parsed.error())};
  if (parsed->if_object() == nullptr) {
    return refuse(ErrorId::kInvalidJson,
                  fmt::format("The body must be a JSON object, but it is {}.",
                              json::type_name(parsed->type())),
                  "");
  }
  return std::move(*parsed);
}

Parsed<void> read_fields(const json::Object& body, Context& context) {
  for (const auto& [name, value] : body) {
    const Field* field = find_top_field(context.table, name);
    if (field == nullptr) {
      TRY(settle(read_unknown(name, context.options.strict, context.common.ignored), context));
    } else if (!value.is_null()) {
      TRY(settle(read_known(*field, value, context), context));
    }
  }
  for (const Field& field : context.table) {
    if (field.required && is_top_level(field.path) && optional_member(body, field.path) == nullptr)
      TRY(settle(missing(std::string(field.path)), context));
  }
  return {};
}

Parsed<void> read_model(const json::Value& value, const Field&, Context& context) {
  context.common.model = *value.if_string();
  return {};
}

Parsed<void> read_top_k(const json::Value& value, const Field&, Context& context) {
  context.sampling.top_k = static_cast<std::int32_t>(
      std::clamp<std::int64_t>(*value.as_int64(), 0, context.options.vocabulary));
  return {};
}

Parsed<void> read_seed(const json::Value& value, const Field&, Context& context) {
  context.sampling.seed = value.as_int64();
  return {};
}

Parsed<void> read_logit_bias(const json::Value& value, const Field& field, Context& context) {
  const Field& entry = context.row("logit_bias.*");
  for (const auto& [key, bias] : *value.if_object()) {
    const std::optional<TokenId> token = to_token(key, context.options.vocabulary);
    if (!token) {
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}': every key must be a token id from 0 to {}.",
                                field.path, context.options.vocabulary - 1),
                    std::string(field.path));
    }
    TRY(check_field(entry, bias, join(field.path, key)));
    context.sampling.logit_bias.emplace_back(*token, static_cast<float>(*bias.as_int64()));
  }
  return {};
}

std::int32_t to_token_count(const json::Value& value) {
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(*value.as_int64(), std::numeric_limits<std::int32_t>::max()));
}

Parsed<void> read_max_tokens(const json::Value& value, const Field&, Context& context) {
  context.max_tokens = to_token_count(value);
  return {};
}

Parsed<void> read_n(const json::Value& value, const Field& field, Context& context) {
  const std::int64_t n = *value.as_int64();
  if (n > context.options.max_choices) {
    return refuse(ErrorId::kIntegerAboveMaxValue,
                  fmt::format("Invalid '{}': expected a value <= {}, the limit of your tier, but "
                              "got {} instead.",
                              field.path, context.options.max_choices, n),
                  std::string(field.path));
  }
  context.choices = static_cast<std::int32_t>(n);
  return {};
}

Parsed<void> read_stop(const json::Value& value, const Field& field, Context& context) {
  if (const std::string* text = value.if_string()) {
    context.stop.push_back(*text);
    return {};
  }
  const Field& element = context.row("stop[]");
  const json::Array& items = *value.if_array();
  for (std::size_t i = 0; i < items.size(); ++i) {
    TRY(check_field(element, items[i], join(field.path, i)));
    context.stop.push_back(*items[i].if_string());
  }
  return {};
}

Parsed<void> read_stream(const json::Value& value, const Field&, Context& context) {
  context.common.stream = *value.if_bool();
  return {};
}

Parsed<void> read_stream_options(const json::Value& value, const Field& field, Context& context) {
  const auto flag = [&](std::string_view path, bool& target) -> Parsed<void> {
    TRY_ASSIGN(const json::Value* member,
               read_member(*value.if_object(), field.path, context.row(path)));
    if (member != nullptr) target = *member->if_bool();
    return {};
  };
  TRY(flag("stream_options.include_usage", context.common.include_usage));
  return flag("stream_options.include_obfuscation", context.common.include_obfuscation);
}

Parsed<void> check_stream_options(const json::Object& body, const Context& context) {
  if (optional_member(body, "stream_options") == nullptr || context.common.stream) return {};
  return refuse(ErrorId::kInvalidValue,
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                "stream_options");
}

}  // namespace tessera::api
