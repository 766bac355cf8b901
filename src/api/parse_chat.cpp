#include "api/parse_chat.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace tessera::api {
namespace {

// What a field's reader may look at and fill in.
struct Context {
  const RequestLimits& limits;
  std::int32_t vocabulary;
  const Reading& reading;
  ChatCompletionRequest request;
  std::optional<std::int32_t> max_completion_tokens;
  const json::Value* tool_choice = nullptr;  // needs the tools, which may come later
};

using Read = Parsed<void> (*)(const json::Value& value, std::string_view name, Context& context);

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();

// ---------------------------------------------------------------- sampling

template <auto Member, double kMin, double kMax>
Parsed<void> read_sampling_number(const json::Value& value, std::string_view name,
                                  Context& context) {
  TRY_ASSIGN(const double number, read_number(value, name, kMin, kMax));
  context.request.chat.sampling.*Member = number;
  return {};
}

Parsed<void> read_top_k(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(const std::int64_t top_k,
             read_integer(value, name, -1, kMaxInt64));  // -1: all, as vLLM has it
  context.request.chat.sampling.top_k =
      static_cast<std::int32_t>(std::clamp<std::int64_t>(top_k, 0, context.vocabulary));
  return {};
}

Parsed<void> read_seed(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(const std::int64_t seed,
             read_integer(value, name, std::numeric_limits<std::int64_t>::min(), kMaxInt64));
  context.request.chat.sampling.seed = seed;
  return {};
}

Parsed<void> read_logit_bias(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(const json::Object* entries, read_object(value, name));
  if (entries->size() > context.limits.logit_bias_entries) {
    return refuse(ErrorId::kArrayAboveMaxLength,
                  fmt::format("Invalid '{}': expected at most {} entries, but got {}.", name,
                              context.limits.logit_bias_entries, entries->size()),
                  std::string(name));
  }
  for (const auto& [key, bias] : *entries) {
    TokenId token = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size() || token < 0 ||
        token >= context.vocabulary) {
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}': every key must be a token id from 0 to {}.", name,
                                context.vocabulary - 1),
                    std::string(name));
    }
    TRY_ASSIGN(const double number, read_number(bias, join(name, key), -100, 100));
    context.request.chat.sampling.logit_bias.emplace_back(token, static_cast<float>(number));
  }
  return {};
}

// ---------------------------------------------------------------- length and shape of the answer

Parsed<std::int32_t> read_token_count(const json::Value& value, std::string_view name) {
  TRY_ASSIGN(const std::int64_t count, read_integer(value, name, 1, kMaxInt64));
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(count, std::numeric_limits<std::int32_t>::max()));
}

Parsed<void> read_max_tokens(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(const std::int32_t count, read_token_count(value, name));
  context.request.chat.max_tokens = count;
  return {};
}

Parsed<void> read_max_completion_tokens(const json::Value& value, std::string_view name,
                                        Context& context) {
  TRY_ASSIGN(const std::int32_t count, read_token_count(value, name));
  context.max_completion_tokens = count;
  return {};
}

Parsed<void> read_n(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(const std::int64_t n, read_integer(value, name, 1, context.limits.choices));
  context.request.chat.choices = static_cast<std::int32_t>(n);
  return {};
}

Parsed<void> read_stop(const json::Value& value, std::string_view name, Context& context) {
  const auto add = [&](const json::Value& item, const std::string& path) -> Parsed<void> {
    TRY_ASSIGN(const std::string_view text, read_string(item, path, context.limits.stop_bytes));
    if (text.empty())
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}': a stop sequence must not be empty.", path), path);
    context.request.chat.stop.emplace_back(text);
    return {};
  };
  if (value.if_string() != nullptr) return add(value, std::string(name));
  if (value.if_array() == nullptr)
    return wrong_type("a string or an array of strings", value, name);
  TRY_ASSIGN(const json::Array* items, read_array(value, name, 0, context.limits.stop_sequences));
  for (std::size_t i = 0; i < items->size(); ++i) TRY(add((*items)[i], join(name, i)));
  return {};
}

Parsed<void> read_stream(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(context.request.stream, read_bool(value, name));
  return {};
}

Parsed<void> read_stream_options(const json::Value& value, std::string_view name,
                                 Context& context) {
  TRY_ASSIGN(const json::Object* options, read_object(value, name));
  if (const json::Value* flag = optional_member(*options, "include_usage")) {
    TRY_ASSIGN(context.request.include_usage, read_bool(*flag, join(name, "include_usage")));
  }
  if (const json::Value* flag = optional_member(*options, "include_obfuscation")) {
    TRY(read_bool(*flag, join(name, "include_obfuscation")));
  }
  return {};
}

Parsed<void> read_response_format(const json::Value& value, std::string_view name, Context&) {
  TRY_ASSIGN(const json::Object* format, read_object(value, name));
  TRY_ASSIGN(const json::Value* type, require(*format, "type", name));
  static constexpr std::array<std::string_view, 3> kTypes = {"text", "json_object", "json_schema"};
  TRY_ASSIGN(const std::string_view text, read_one_of(*type, join(name, "type"), kTypes));
  if (text == "text") return {};
  return refuse(ErrorId::kUnsupportedValue,
                fmt::format("'{}' of type '{}' is not supported by this version: it cannot yet "
                            "guarantee that the answer is valid.",
                            name, text),
                join(name, "type"));
}

Parsed<void> read_logprobs(const json::Value& value, std::string_view name, Context&) {
  TRY_ASSIGN(const bool wanted, read_bool(value, name));
  if (!wanted) return {};
  return refuse(ErrorId::kUnsupportedValue, "'logprobs' is not supported by this version.",
                std::string(name));
}

Parsed<void> read_top_logprobs(const json::Value& value, std::string_view name, Context&) {
  TRY_ASSIGN(const std::int64_t count, read_integer(value, name, 0, 20));
  if (count == 0) return {};
  return refuse(ErrorId::kUnsupportedValue, "'top_logprobs' is not supported by this version.",
                std::string(name));
}

// ---------------------------------------------------------------- prompt

Parsed<void> read_model(const json::Value& value, std::string_view name, Context& context) {
  TRY_ASSIGN(const std::string_view model, read_string(value, name));
  context.request.model = model;
  return {};
}

Parsed<void> read_messages(const json::Value& value, std::string_view, Context& context) {
  TRY_ASSIGN(context.request.chat.prompt.messages,
             parse_messages(value, context.limits, context.reading));
  return {};
}

Parsed<void> read_tools(const json::Value& value, std::string_view, Context& context) {
  TRY_ASSIGN(context.request.chat.prompt.tools,
             parse_tools(value, context.limits, context.reading));
  return {};
}

Parsed<void> read_tool_choice(const json::Value& value, std::string_view, Context& context) {
  context.tool_choice = &value;
  return {};
}

Parsed<void> read_parallel_tool_calls(const json::Value& value, std::string_view name,
                                      Context& context) {
  TRY_ASSIGN(context.request.chat.parallel_tool_calls, read_bool(value, name));
  return {};
}

Parsed<void> read_template_kwargs(const json::Value& value, std::string_view name,
                                  Context& context) {
  TRY_ASSIGN(const json::Object* kwargs, read_object(value, name));
  chat::PromptInput& prompt = context.request.chat.prompt;
  if (const json::Value* flag = optional_member(*kwargs, "enable_thinking")) {
    TRY_ASSIGN(prompt.enable_thinking, read_bool(*flag, join(name, "enable_thinking")));
  }
  if (const json::Value* flag = optional_member(*kwargs, "preserve_thinking")) {
    TRY_ASSIGN(prompt.preserve_thinking, read_bool(*flag, join(name, "preserve_thinking")));
  }
  return {};
}

Parsed<void> read_continue_final(const json::Value& value, std::string_view name,
                                 Context& context) {
  TRY_ASSIGN(context.request.chat.prompt.continue_final_message, read_bool(value, name));
  return {};
}

// ---------------------------------------------------------------- accepted without effect, or
// refused by name

Parsed<void> accept_anything(const json::Value&, std::string_view, Context&) {
  return {};
}

Parsed<void> accept_bool(const json::Value& value, std::string_view name, Context&) {
  TRY(read_bool(value, name));
  return {};
}

Parsed<void> accept_string(const json::Value& value, std::string_view name, Context&) {
  TRY(read_string(value, name));
  return {};
}

Parsed<void> accept_object(const json::Value& value, std::string_view name, Context&) {
  TRY(read_object(value, name));
  return {};
}

Parsed<void> accept_text_modality(const json::Value& value, std::string_view name, Context&) {
  TRY_ASSIGN(const json::Array* modalities, read_array(value, name, 1, 8));
  for (std::size_t i = 0; i < modalities->size(); ++i) {
    TRY_ASSIGN(const std::string_view modality, read_string((*modalities)[i], join(name, i)));
    if (modality != "text") {
      return refuse(ErrorId::kUnsupportedParameter,
                    fmt::format("Unsupported value in '{}': only text is generated here.", name),
                    join(name, i));
    }
  }
  return {};
}

Parsed<void> refuse_parameter(const json::Value&, std::string_view name, Context&) {
  return refuse(ErrorId::kUnsupportedParameter,
                fmt::format("Unsupported parameter: '{}' is not supported by this server.", name),
                std::string(name));
}

using chat::Sampling;

struct Field {
  std::string_view name;
  Read read;
};

// Null counts as absent for every field.
constexpr Field kFields[] = {
    {"model", read_model},
    {"messages", read_messages},
    {"temperature", read_sampling_number<&Sampling::temperature, 0.0, 2.0>},
    {"top_p", read_sampling_number<&Sampling::top_p, 0.0, 1.0>},
    {"min_p", read_sampling_number<&Sampling::min_p, 0.0, 1.0>},
    {"presence_penalty", read_sampling_number<&Sampling::presence_penalty, -2.0, 2.0>},
    {"frequency_penalty", read_sampling_number<&Sampling::frequency_penalty, -2.0, 2.0>},
    {"repetition_penalty", read_sampling_number<&Sampling::repetition_penalty, 0.01, 10.0>},
    {"top_k", read_top_k},
    {"seed", read_seed},
    {"logit_bias", read_logit_bias},
    {"max_tokens", read_max_tokens},
    {"max_completion_tokens", read_max_completion_tokens},
    {"n", read_n},
    {"stop", read_stop},
    {"stream", read_stream},
    {"stream_options", read_stream_options},
    {"response_format", read_response_format},
    {"logprobs", read_logprobs},
    {"top_logprobs", read_top_logprobs},
    {"tools", read_tools},
    {"tool_choice", read_tool_choice},
    {"parallel_tool_calls", read_parallel_tool_calls},
    {"chat_template_kwargs", read_template_kwargs},
    {"continue_final_message", read_continue_final},
    // Of OpenAI's hosted service: checked for type, no effect here. reasoning_effort is not
    // translated, whatever it says.
    {"reasoning_effort", accept_anything},
    {"verbosity", accept_string},
    {"store", accept_bool},
    {"metadata", accept_object},
    {"service_tier", accept_string},
    {"user", accept_string},
    {"safety_identifier", accept_string},
    {"prompt_cache_key", accept_string},
    {"prompt_cache_retention", accept_string},
    {"prompt_cache_options", accept_object},
    {"prediction", accept_object},
    {"modalities", accept_text_modality},
    // Would change the answer, and we cannot do it: never ignored.
    {"audio", refuse_parameter},
    {"web_search_options", refuse_parameter},
    {"moderation", refuse_parameter},
    {"functions", refuse_parameter},
    {"function_call", refuse_parameter},
    {"chat_template", refuse_parameter},
};

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
    }
    return ErrorId::kInvalidJson;
  }();
  return ApiError{
      id, fmt::format("We could not parse the JSON body of your request: {}.", error.message)};
}

// What concerns more than one field.
Parsed<void> finish(const json::Object& body, Context& context) {
  ChatCompletionRequest& request = context.request;
  for (const std::string_view name : {"model", "messages"}) TRY(require(body, name, ""));
  if (context.max_completion_tokens) request.chat.max_tokens = context.max_completion_tokens;
  if (optional_member(body, "stream_options") != nullptr && !request.stream) {
    return refuse(ErrorId::kInvalidValue,
                  "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                  "stream_options");
  }
  if (context.tool_choice != nullptr) {
    TRY_ASSIGN(request.chat.tool_choice,
               parse_tool_choice(*context.tool_choice, !request.chat.prompt.tools.empty()));
  }
  const chat::PromptInput& prompt = request.chat.prompt;
  if (prompt.continue_final_message && (prompt.messages.back().role != chat::Role::kAssistant ||
                                        !prompt.messages.back().tool_calls.empty())) {
    return refuse(
        ErrorId::kInvalidValue,
        "'continue_final_message' needs an assistant message without tool calls at the end.",
        "continue_final_message");
  }
  return {};
}

}  // namespace

Parsed<ChatCompletionRequest> parse_chat(std::string_view body, const RequestLimits& limits,
                                         std::int32_t vocabulary, const Reading& reading) {
  auto parsed = json::parse(body, {.max_depth = limits.json_depth});
  if (!parsed) return Unexpected{from_parse_error(parsed.error())};
  const json::Object* object = parsed->if_object();
  if (object == nullptr) {
    return refuse(ErrorId::kInvalidType,
                  fmt::format("The body must be a JSON object, but it is {}.",
                              json::type_name(parsed->type())),
                  "");
  }
  Context context{limits, vocabulary, reading, {}, {}, nullptr};
  for (const auto& [name, value] : *object) {
    const Field* field = std::find_if(std::begin(kFields), std::end(kFields),
                                      [&](const Field& f) { return f.name == name; });
    if (field == std::end(kFields)) {
      context.request.ignored.push_back(name);
    } else if (!value.is_null()) {
      TRY(field->read(value, name, context));
    }
  }
  TRY(finish(*object, context));
  return std::move(context.request);
}

}  // namespace tessera::api
