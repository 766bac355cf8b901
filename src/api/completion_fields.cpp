#include "api/completion_fields.h"

#include <fmt/format.h>

#include "api/limits.h"
#include "api/request_context.h"
#include "api/shared_rows.h"

namespace tessera::api {
namespace {

constexpr RequestLimits kLimit;
constexpr std::string_view kModelDefault = "the model's default for direct mode";

using Tokens = std::vector<TokenId>;

Parsed<Tokens> read_token_ids(const json::Array& ids, const std::string& path,
                              const Context& context) {
  const Field& row = context.row("prompt[][]");
  Tokens tokens;
  tokens.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string at = join(path, i);
    TRY(check_field(row, ids[i], at));
    const std::int64_t id = *ids[i].as_int64();
    if (id >= context.options.vocabulary) {
      return refuse(ErrorId::kIntegerAboveMaxValue,
                    fmt::format("Invalid '{}': expected a token id from 0 to {}.", at,
                                context.options.vocabulary - 1),
                    at);
    }
    tokens.push_back(static_cast<TokenId>(id));
  }
  return tokens;
}

// A string, an array of strings, the token ids of one prompt, or an array of those.
Parsed<void> read_prompt(const json::Value& value, const Field& field, Context& context) {
  auto& prompts = context.completion->prompts;
  if (const std::string* text = value.if_string()) {
    prompts.emplace_back(*text);
    return {};
  }
  const json::Array& array = *value.if_array();
  if (array[0].if_number() != nullptr) {
    TRY_ASSIGN(Tokens tokens, read_token_ids(array, std::string(field.path), context));
    prompts.emplace_back(std::move(tokens));
    return {};
  }
  if (array.size() > kLimit.prompts) {
    return refuse(ErrorId::kArrayAboveMaxLength,
                  fmt::format("Invalid '{}': expected at most {} prompts, but got {}.", field.path,
                              kLimit.prompts, array.size()),
                  std::string(field.path));
  }
  const bool texts = array[0].if_string() != nullptr;
  Field row = context.row("prompt[]");  // the others must be as the first is
  if (texts) row.types = kString;
  if (array[0].if_array() != nullptr) row.types = kArray;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string path = join(field.path, i);
    TRY(check_field(row, array[i], path));
    if (texts) {
      prompts.emplace_back(*array[i].if_string());
    } else {
      TRY_ASSIGN(Tokens tokens, read_token_ids(*array[i].if_array(), path, context));
      prompts.emplace_back(std::move(tokens));
    }
  }
  return {};
}

Parsed<void> read_logprobs(const json::Value& value, const Field&, Context& context) {
  context.completion->text.top_logprobs = static_cast<std::int32_t>(*value.as_int64());
  return {};
}

Parsed<void> read_echo(const json::Value& value, const Field&, Context& context) {
  context.completion->echo = *value.if_bool();
  return {};
}

Parsed<void> read_best_of(const json::Value& value, const Field&, Context& context) {
  context.best_of = value.as_int64();
  return {};
}

Parsed<void> read_suffix(const json::Value& value, const Field& field, Context&) {
  if (value.if_string()->empty()) return {};
  return refuse(
      ErrorId::kUnsupportedParameter,
      fmt::format("Unsupported parameter: '{}' is not supported by this server.", field.path),
      std::string(field.path));
}

constexpr Field kTable[] = {
    kModelRow,
    {.path = "prompt",
     .types = kString | kArray,
     .required = true,
     .items = {1, LengthRange{}.max},
     .more = "context_length_exceeded array_above_max_length",
     .note = "Text, the token ids of one prompt, or an array of either for several prompts (at "
             "most 128; prompts × `n` at most 128). Control tokens that are spelt out stay plain "
             "text. An empty text is the end-of-text token, behind which texts begin.",
     .read = read_prompt},
    {.path = "prompt[]",
     .types = kString | kArray | kInteger,
     .integer = {.min = 0},
     .items = {1, LengthRange{}.max},
     .more = "integer_above_max_value",
     .note = "All of one type."},
    {.path = "prompt[][]",
     .types = kInteger,
     .integer = {.min = 0},
     .more = "integer_above_max_value",
     .note = "A token id of the vocabulary."},
    {.path = "max_tokens",
     .types = kInteger,
     .integer = {.min = 1},
     .absent = "16",
     .note = "What is more than the context has left is cut to it.",
     .read = read_max_tokens},
    temperature_row(kModelDefault),
    top_p_row(kModelDefault),
    top_k_row(kModelDefault),
    min_p_row(kModelDefault),
    presence_penalty_row(kModelDefault),
    frequency_penalty_row(kModelDefault),
    repetition_penalty_row(kModelDefault),
    seed_row({}),
    kLogitBiasRow,
    kLogitBiasEntryRow,
    choices_row("Choices of each prompt. The tier's limit may be lower."),
    {.path = "best_of",
     .types = kInteger,
     .integer = {1, kLimit.choices},
     .more = "unsupported_value",
     .absent = "`n`",
     .note = "Only the value of `n`.",
     .read = read_best_of},
    stop_row("The answer ends before it."),
    kStopElementRow,
    {.path = "logprobs",
     .types = kInteger,
     .integer = {0, kLimit.completion_logprobs},
     .absent = "none",
     .note = "The likeliest tokens beside each token of the answer.",
     .read = read_logprobs},
    {.path = "echo",
     .types = kBoolean,
     .more = "unsupported_value",
     .absent = "`false`",
     .note = "The prompt's text stands before the answer. Not together with `logprobs`: those of a "
             "prompt are not computed.",
     .read = read_echo},
    kStreamRow,
    kStreamOptionsRow,
    kIncludeUsageRow,
    kIncludeObfuscationRow,
    {.path = "user", .types = kString, .effect = Effect::kNoEffect},
    {.path = "suffix",
     .types = kString,
     .effect = Effect::kNoEffect,
     .more = "unsupported_parameter",
     .note = "Refused unless it is empty.",
     .read = read_suffix},
};

}  // namespace

std::span<const Field> completion_fields() {
  return kTable;
}

}  // namespace tessera::api
