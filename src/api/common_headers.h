// What every answer to one request carries, whatever the answer is: X-Request-Id, the CORS headers,
// and for an identified caller X-RateLimit-*. Plain data; copied into what outlives the request's
// head. Any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "access/gate.h"
#include "http/server.h"

namespace tessera::api {

struct CommonHeaders {
  std::vector<http::Header> fixed;
  const access::Gate* gate = nullptr;          // outlives this
  std::optional<access::Caller> caller = {};   // known from here on
  std::optional<access::RateState> rate = {};  // of a refusal; otherwise the caller's, as of now

  void add_to(std::vector<http::Header>& headers) const;
};

// The caller's X-Request-Id, if it is at most 128 harmless characters, or a new one: nothing from a
// request gets into a header as it is.
std::string request_id(const http::RequestHead& head);

// Names from a request as a header's value: what is no letter, digit, '_', '-' or '.' becomes '?'.
// "..." stands for the rest of a name over 100 bytes, and for the names behind some 1,000 bytes.
std::string printable_names(const std::vector<std::string>& names);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace tessera::api
