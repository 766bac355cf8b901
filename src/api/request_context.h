// What the readers of the field tables look at and fill in, and the walk over a body's fields that
// calls them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/parse_chat.h"
#include "api/parse_completion.h"

namespace tessera::api {

struct Context {
  const ParseOptions& options;
  std::span<const Field> table;
  // Where the fields go that both kinds of request have.
  CommonRequest& common;
  chat::Sampling& sampling;
  std::vector<std::string>& stop;
  std::optional<std::int32_t>& max_tokens;
  std::int32_t& choices;
  // The request; one of the two.
  ChatCompletionRequest* chat = nullptr;
  CompletionRequest* completion = nullptr;
  // Set: faults are collected here, and reading goes on behind them.
  std::vector<ApiError>* problems = nullptr;
  // What is looked at again when all fields have been read.
  std::optional<std::int32_t> max_completion_tokens = {};
  std::optional<bool> logprobs = {};
  std::optional<std::int32_t> top_logprobs = {};
  std::optional<std::int64_t> best_of = {};
  const json::Value* tool_choice = nullptr;
  const json::Value* function_call = nullptr;
  std::vector<json::Value> functions = {};  // as tools

  const Field& row(std::string_view path) const { return find_field(table, path); }
};

// Passes a fault on, or collects it.
Parsed<void> settle(Parsed<void> outcome, Context& context);

// A top-level field that no row knows: kept in `ignored`, or refused.
Parsed<void> read_unknown(const std::string& name, bool strict, std::vector<std::string>& ignored);

// Reads every field of the body with its row.
Parsed<json::Value> parse_body(std::string_view body);
Parsed<void> read_fields(const json::Object& body, Context& context);

// Readers that both tables use.
Parsed<void> read_model(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_top_k(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_seed(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_logit_bias(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_max_tokens(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_n(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_stop(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_stream(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_stream_options(const json::Value& value, const Field& field, Context& context);
// stream_options goes with stream alone.
Parsed<void> check_stream_options(const json::Object& body, const Context& context);

template <auto Member>
Parsed<void> read_sampling_number(const json::Value& value, const Field&, Context& context) {
  context.sampling.*Member = value.as_double();
  return {};
}

std::int32_t to_token_count(const json::Value& value);

}  // namespace tessera::api
