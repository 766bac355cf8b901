// Which web pages may use this server: CORS (the Fetch standard), off unless origins are listed,
// and the names it answers to, so that a page cannot reach a local server under a name of its own
// (DNS rebinding). Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/error.h"
#include "http/server.h"

namespace tessera::api {

struct OriginOptions {
  std::vector<std::string> cors_origins;  // "https://app.example", exactly; or "*"
  // Names that the Host header may have (without a port), beside localhost, 127.0.0.1 and [::1].
  std::vector<std::string> allowed_hosts;
  bool check_host = false;  // any Host is fine otherwise
};

// kInvalidArgument: an origin that no browser would send.
Result<void> check_origins(const std::vector<std::string>& origins);

class OriginPolicy {
 public:
  explicit OriginPolicy(OriginOptions options) : options_(std::move(options)) {}

  bool takes_host(std::string_view host) const;
  // The headers that an answer to this request carries; none while CORS is off.
  std::vector<http::Header> headers(const http::RequestHead& head) const;
  static bool is_preflight(const http::RequestHead& head);
  // The 204 for an origin that is listed; null for others.
  std::unique_ptr<http::Response> preflight(const http::RequestHead& head) const;

 private:
  // As it is to be sent back: from our list, never from the request. Empty: not allowed.
  std::string_view allowed_origin(const http::RequestHead& head) const;

  const OriginOptions options_;
};

}  // namespace tessera::api
