#include "api/completion_fields.h"

#include <fmt/format.h>

#include "api/limits.h"
#include "api/request_context.h"

namespace tessera::api {
namespace {

using chat::Sampling;

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
  context.best_of = *value.as_int64();
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
    {.path = "model",
     .types = kString,
     .required = true,
     .letters = Letters::kNoNul,
     .more = "model_not_found model_not_allowed",
     .note = "The model's name, exactly as `/v1/models` lists it.",
     .read = read_model},
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
    {.path = "temperature",
     .types = kNumber,
     .number = {0, 2},
     .absent = kModelDefault,
     .note = "0: always the likeliest token, ties by the lowest id.",
     .read = read_sampling_number<&Sampling::temperature>},
    {.path = "top_p",
     .types = kNumber,
     .number = {0, 1},
     .absent = kModelDefault,
     .note = "0: as `temperature` 0.",
     .read = read_sampling_number<&Sampling::top_p>},
    {.path = "top_k",
     .types = kInteger,
     .integer = {.min = -1},
     .absent = kModelDefault,
     .note = "An extension. 0 or -1: all tokens.",
     .read = read_top_k},
    {.path = "min_p",
     .types = kNumber,
     .number = {0, 1},
     .absent = kModelDefault,
     .note = "An extension.",
     .read = read_sampling_number<&Sampling::min_p>},
    {.path = "presence_penalty",
     .types = kNumber,
     .number = {-2, 2},
     .absent = kModelDefault,
     .read = read_sampling_number<&Sampling::presence_penalty>},
    {.path = "frequency_penalty",
     .types = kNumber,
     .number = {-2, 2},
     .absent = kModelDefault,
     .read = read_sampling_number<&Sampling::frequency_penalty>},
    {.path = "repetition_penalty",
     .types = kNumber,
     .number = {0.01, 10},
     .absent = kModelDefault,
     .note = "An extension. 1: none.",
     .read = read_sampling_number<&Sampling::repetition_penalty>},
    {.path = "seed", .types = kInteger, .absent = "random", .read = read_seed},
    {.path = "logit_bias",
     .types = kObject,
     .items = {0, kLimit.logit_bias_entries},
     .more = "invalid_value",
     .absent = "none",
     .note = "Token id → bias.",
     .read = read_logit_bias},
    {.path = "logit_bias.*",
     .types = kInteger,
     .integer = {-100, 100},
     .note = "The key is a token id of the vocabulary."},
    {.path = "n",
     .types = kInteger,
     .integer = {1, kLimit.choices},
     .more = "integer_above_max_value",
     .absent = "1",
     .note = "Choices of each prompt. The tier's limit may be lower.",
     .read = read_n},
    {.path = "best_of",
     .types = kInteger,
     .integer = {1, kLimit.choices},
     .more = "unsupported_value",
     .absent = "`n`",
     .note = "Only the value of `n`.",
     .read = read_best_of},
    {.path = "stop",
     .types = kString | kArray,
     .string = {1, kLimit.stop_bytes},
     .in_bytes = true,
     .items = {0, kLimit.stop_sequences},
     .absent = "none",
     .note = "The answer ends before it.",
     .read = read_stop},
    {.path = "stop[]", .types = kString, .string = {1, kLimit.stop_bytes}, .in_bytes = true},
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
    {.path = "stream", .types = kBoolean, .absent = "`false`", .read = read_stream},
    {.path = "stream_options",
     .types = kObject,
     .more = "invalid_value",
     .note = "Goes with `stream: true` alone. Unknown members are ignored.",
     .read = read_stream_options},
    {.path = "stream_options.include_usage",
     .types = kBoolean,
     .absent = "`false`",
     .note = "One more chunk with `usage` at the end."},
    {.path = "stream_options.include_obfuscation",
     .types = kBoolean,
     .absent = "`false`",
     .note = "Padding that makes chunks about equally long."},
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
