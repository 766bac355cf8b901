// The rows that both field tables have: functions where something of them is the table's own.
#pragma once

#include <string_view>

#include "api/limits.h"
#include "api/request_context.h"

namespace tessera::api {

constexpr Field kModelRow = {.path = "model",
                             .types = kString,
                             .required = true,
                             .letters = Letters::kNoNul,
                             .more = "model_not_found model_not_allowed",
                             .note = "The model's name, exactly as `/v1/models` lists it.",
                             .read = read_model};

// A number that the sampler takes; `absent` is what happens without it.
template <auto Member>
constexpr Field sampling_row(std::string_view path, NumberRange range, std::string_view absent,
                             std::string_view note = {}) {
  return {.path = path,
          .types = kNumber,
          .number = range,
          .absent = absent,
          .note = note,
          .read = read_sampling_number<Member>};
}
constexpr Field temperature_row(std::string_view absent) {
  return sampling_row<&chat::Sampling::temperature>(
      "temperature", {0, 2}, absent, "0: always the likeliest token, ties by the lowest id.");
}
constexpr Field top_p_row(std::string_view absent) {
  return sampling_row<&chat::Sampling::top_p>("top_p", {0, 1}, absent, "0: as `temperature` 0.");
}
constexpr Field top_k_row(std::string_view absent) {
  return {.path = "top_k",
          .types = kInteger,
          .integer = {.min = -1},
          .absent = absent,
          .note = "An extension. 0 or -1: all tokens.",
          .read = read_top_k};
}
constexpr Field min_p_row(std::string_view absent) {
  return sampling_row<&chat::Sampling::min_p>("min_p", {0, 1}, absent, "An extension.");
}
constexpr Field presence_penalty_row(std::string_view absent) {
  return sampling_row<&chat::Sampling::presence_penalty>("presence_penalty", {-2, 2}, absent);
}
constexpr Field frequency_penalty_row(std::string_view absent) {
  return sampling_row<&chat::Sampling::frequency_penalty>("frequency_penalty", {-2, 2}, absent);
}
constexpr Field repetition_penalty_row(std::string_view absent) {
  return sampling_row<&chat::Sampling::repetition_penalty>("repetition_penalty", {0.01, 10}, absent,
                                                           "An extension. 1: none.");
}
constexpr Field seed_row(std::string_view note) {
  return {.path = "seed", .types = kInteger, .absent = "random", .note = note, .read = read_seed};
}

constexpr Field kLogitBiasRow = {.path = "logit_bias",
                                 .types = kObject,
                                 .items = {0, RequestLimits{}.logit_bias_entries},
                                 .more = "invalid_value",
                                 .absent = "none",
                                 .note = "Token id → bias.",
                                 .read = read_logit_bias};
constexpr Field kLogitBiasEntryRow = {.path = "logit_bias.*",
                                      .types = kInteger,
                                      .integer = {-100, 100},
                                      .note = "The key is a token id of the vocabulary."};

constexpr Field choices_row(std::string_view note) {
  return {.path = "n",
          .types = kInteger,
          .integer = {1, RequestLimits{}.choices},
          .more = "integer_above_max_value",
          .absent = "1",
          .note = note,
          .read = read_n};
}
constexpr Field stop_row(std::string_view note) {
  return {.path = "stop",
          .types = kString | kArray,
          .string = {1, RequestLimits{}.stop_bytes},
          .in_bytes = true,
          .items = {0, RequestLimits{}.stop_sequences},
          .absent = "none",
          .note = note,
          .read = read_stop};
}
constexpr Field kStopElementRow = {.path = "stop[]",
                                   .types = kString,
                                   .string = {1, RequestLimits{}.stop_bytes},
                                   .in_bytes = true};

constexpr Field kStreamRow = {
    .path = "stream", .types = kBoolean, .absent = "`false`", .read = read_stream};
constexpr Field kStreamOptionsRow = {
    .path = "stream_options",
    .types = kObject,
    .more = "invalid_value",
    .note = "Goes with `stream: true` alone. Unknown members are ignored.",
    .read = read_stream_options};
constexpr Field kIncludeUsageRow = {.path = "stream_options.include_usage",
                                    .types = kBoolean,
                                    .absent = "`false`",
                                    .note = "One more chunk with `usage` at the end."};
constexpr Field kIncludeObfuscationRow = {.path = "stream_options.include_obfuscation",
                                          .types = kBoolean,
                                          .absent = "`false`",
                                          .note = "Padding that makes chunks about equally long."};

}  // namespace tessera::api
