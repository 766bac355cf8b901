#include "api/origin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "api/common_headers.h"

namespace tessera::api {
namespace {

constexpr std::array<std::string_view, 5> kRequestHeaders = {
    "authorization", "content-type", "idempotency-key", "last-event-id", "x-request-id"};
constexpr std::string_view kSdkPrefix = "x-stainless-";  // what OpenAI's SDKs send, a dozen of them
constexpr std::string_view kExposed =
    "X-Request-Id, X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, "
    "X-RateLimit-Reset-Requests, Retry-After, retry-after-ms, x-should-retry, "
    "X-Tessera-Ignored-Params, X-Tessera-Output-Digest";
constexpr std::size_t kMaxSdkHeaders = 32;
constexpr std::size_t kMaxHeaderName = 64;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "localhost:8080" → "localhost", "[::1]:8080" → "[::1]".
std::string_view without_port(std::string_view host) {
  const std::size_t from = host.starts_with('[') ? host.find(']') : 0;
  if (from == std::string_view::npos) return host;
  return host.substr(0, host.find(':', from));
}

bool is_header_name(std::string_view name) {
  return name.size() <= kMaxHeaderName && std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-';
         });
}

// Ours always, and those of the SDKs that this preflight asks for by name.
std::string allowed_headers(std::string_view asked) {
  std::string list = fmt::format("{}", fmt::join(kRequestHeaders, ", "));
  std::size_t added = 0;
  while (!asked.empty() && added < kMaxSdkHeaders) {
    const std::size_t comma = asked.find(',');
    std::string name = lower(asked.substr(0, comma));
    std::erase_if(name, [](char c) { return c == ' ' || c == '\t'; });
    if (name.starts_with(kSdkPrefix) && is_header_name(name)) {
      list += ", " + name;
      ++added;
    }
    asked = comma == std::string_view::npos ? std::string_view() : asked.substr(comma + 1);
  }
  return list;
}

}  // namespace

Result<void> check_origins(const std::vector<std::string>& origins) {
  for (const std::string& origin : origins) {
    if (origin == "*") continue;
    const std::size_t host = origin.find("://");
    const bool printable = std::all_of(origin.begin(), origin.end(),
                                       [](char c) { return c > 0x20 && c < 0x7f && c != '*'; });
    if (!printable || host == std::string::npos || host == 0 || host + 3 == origin.size() ||
        origin.find('/', host + 3) != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is no origin: write it as the browser sends it, scheme, host "
                              "and port without a path (https://app.example), or * for all",
                              origin));
    }
  }
  return {};
}

bool OriginPolicy::takes_host(std::string_view host) const {
  if (!options_.check_host || host.empty()) return true;  // browsers always name one
  const std::string_view name = without_port(host);
  for (const std::string_view own : {"localhost", "127.0.0.1", "[::1]"})
    if (equal_ignoring_case(name, own)) return true;
  return std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(),
                     [name](const std::string& own) { return equal_ignoring_case(name, own); });
}

std::string_view OriginPolicy::allowed_origin(const http::RequestHead& head) const {
  const std::string_view origin = head.header("Origin");
  if (origin.empty()) return {};
  for (const std::string& allowed : options_.cors_origins)
    if (allowed == "*" || allowed == origin) return allowed;
  return {};
}

std::vector<http::Header> OriginPolicy::headers(const http::RequestHead& head) const {
  std::vector<http::Header> headers;
  if (options_.cors_origins.empty()) return headers;
  headers.emplace_back("Vary", "Origin");
  if (const std::string_view origin = allowed_origin(head); !origin.empty()) {
    headers.emplace_back("Access-Control-Allow-Origin", origin);
    headers.emplace_back("Access-Control-Expose-Headers", kExposed);
  }
  return headers;
}

bool OriginPolicy::is_preflight(const http::RequestHead& head) {
  return head.method == "OPTIONS" && head.header_count("Origin") != 0 &&
         head.header_count("Access-Control-Request-Method") != 0;
}

std::unique_ptr<http::Response> OriginPolicy::preflight(const http::RequestHead& head) const {
  if (allowed_origin(head).empty()) return nullptr;
  auto response = std::make_unique<http::Response>();
  response->status = 204;
  response->headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
  response->headers.emplace_back("Access-Control-Allow-Headers",
                                 allowed_headers(head.header("Access-Control-Request-Headers")));
  response->headers.emplace_back("Access-Control-Max-Age", "600");
  return response;
}

}  // namespace tessera::api
