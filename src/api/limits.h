// Every limit on a request's body, in one place. Tested at n and n + 1.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tessera::api {

struct RequestLimits {
  std::size_t body_bytes = std::size_t{16} << 20;
  std::size_t json_depth = 64;
  std::size_t messages = 10'000;
  std::size_t content_parts = 10'000;
  std::size_t tool_calls_per_message = 1'000;
  std::size_t tools = 128;
  std::size_t name_bytes = 64;  // tool and response names
  std::size_t id_bytes = 256;   // tool call ids
  std::size_t stop_sequences = 4;
  std::size_t stop_bytes = 256;
  std::size_t logit_bias_entries = 1'024;
  std::int64_t choices = 8;  // n
};

}  // namespace tessera::api
