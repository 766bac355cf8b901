// Every limit on a request's body, in one place; the field tables take theirs from here. Tested at
// n and n + 1. Lengths of text are in characters where nothing else is said.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::api {

struct RequestLimits {
  std::size_t body_bytes = std::size_t{16} << 20;
  // Of a model whose context is so small.
  std::size_t small_body_bytes = std::size_t{8} << 20;
  std::int32_t small_context = 131'072;
  std::size_t json_depth = 64;
  std::size_t json_keys = 10'000;  // of one object
  std::size_t json_values = 1'000'000;
  std::size_t messages = 10'000;
  std::size_t content_parts = 10'000;
  std::size_t tool_calls_per_message = 1'000;
  std::size_t tools = 128;
  std::size_t name_length = 64;  // of tools, schemas and the people in a chat
  std::size_t id_length = 256;   // of tool calls
  std::size_t stop_sequences = 4;
  std::size_t stop_bytes = 256;
  std::size_t logit_bias_entries = 1'024;
  std::size_t metadata_pairs = 16;
  std::size_t metadata_key_length = 64;
  std::size_t metadata_value_length = 512;
  std::size_t safety_identifier_length = 64;
  std::size_t prompts = 128;          // of one POST /v1/completions
  std::size_t completions = 128;      // prompts × n of one POST /v1/completions
  std::int64_t choices = 128;         // n, whatever an operator or a tier allows
  std::int64_t standard_choices = 8;  // n, where neither says anything
  std::int64_t top_logprobs = 20;
  std::int64_t completion_logprobs = 5;
  std::size_t tokenize_bytes = std::size_t{1} << 20;  // of text, POST /tokenize
  std::size_t detokenize_tokens = std::size_t{1} << 18;
};
inline constexpr RequestLimits kRequestLimits;

}  // namespace tessera::api
