#include "api/common_headers.h"

#include <algorithm>
#include <cctype>

#include "base/sha256.h"

namespace tessera::api {
namespace {

bool is_alphanumeric(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

void CommonHeaders::add_to(std::vector<http::Header>& headers) const {
  headers.insert(headers.end(), fixed.begin(), fixed.end());
  const std::optional<access::RateState> state =
      rate || gate == nullptr || !caller ? rate : gate->rate(*caller);
  if (!state) return;
  headers.emplace_back("X-RateLimit-Limit-Requests", std::to_string(state->limit));
  headers.emplace_back("X-RateLimit-Remaining-Requests", std::to_string(state->remaining));
  headers.emplace_back("X-RateLimit-Reset-Requests", std::to_string(state->reset_s));
}

std::string request_id(const http::RequestHead& head) {
  const std::string_view given = head.header("X-Request-Id");
  const auto harmless = [](char c) {
    return is_alphanumeric(c) || std::string_view("-_.:").find(c) != std::string_view::npos;
  };
  if (!given.empty() && given.size() <= 128 && std::all_of(given.begin(), given.end(), harmless))
    return std::string(given);
  return "req_" + random_alphanumeric(24);
}

std::string printable_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ", ";
    if (text.size() > 1000) return text += "...";
    for (const char c : name.substr(0, 100))
      text += is_alphanumeric(c) || c == '_' || c == '-' || c == '.' ? c : '?';
    if (name.size() > 100) text += "...";
  }
  return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

}  // namespace tessera::api
