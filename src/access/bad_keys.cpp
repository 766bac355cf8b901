#include "access/bad_keys.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace tessera::access {
namespace {

constexpr Clock::Duration kWindow = std::chrono::seconds(60);
constexpr std::size_t kLongestAddress = 64;

template <class Unit>
auto up(Clock::Duration duration) {
  return std::chrono::ceil<Unit>(duration).count();
}

}  // namespace

std::string address_group(std::string_view address) {
  std::string text(address.substr(0, kLongestAddress));
  in6_addr six{};
  if (inet_pton(AF_INET6, text.c_str(), &six) != 1) return text;
  char out[INET6_ADDRSTRLEN] = {};
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    return inet_ntop(AF_INET, &six.s6_addr[12], out, sizeof out) == nullptr ? text : out;
  }
  std::memset(&six.s6_addr[8], 0, 8);
  return inet_ntop(AF_INET6, &six, out, sizeof out) == nullptr ? text : std::string(out) + "/64";
}

BadKeys::Source& BadKeys::source(std::string address) {
  if (const auto found = by_address_.find(address); found != by_address_.end()) {
    sources_.splice(sources_.begin(), sources_, found->second);
  } else {
    if (sources_.size() >= limits_.addresses) {
      by_address_.erase(sources_.back().address);
      sources_.pop_back();
    }
    sources_.push_front({std::move(address), {}});
    by_address_.emplace(sources_.front().address, sources_.begin());
  }
  return sources_.front();
}

Denial BadKeys::refuse(std::string_view address, std::string text) {
  std::string group = address_group(address);
  const std::scoped_lock lock(mutex_);
  const Clock::Instant now = clock_.now();
  std::vector<Clock::Instant>& times = source(std::move(group)).times;
  std::erase_if(times, [now](Clock::Instant time) { return time + kWindow <= now; });

  Denial denial{DenialCode::kInvalidKey, 0, std::move(text), std::nullopt};
  if (times.size() < limits_.per_minute) {
    times.push_back(now);
  } else {
    const Clock::Duration wait = times.front() + kWindow - now;
    denial.code = DenialCode::kTooManyBadKeys;
    denial.retry_after_ms = up<std::chrono::milliseconds>(wait);
    denial.message = fmt::format(
        "Too many requests with incorrect API keys from this address: {} in 60 s. Try again in {} "
        "s; correct keys work meanwhile.",
        limits_.per_minute, up<std::chrono::seconds>(wait));
  }
  denial.rate = state(times, now);
  return denial;
}

RateState BadKeys::rate(std::string_view address) const {
  const std::string group = address_group(address);
  const std::scoped_lock lock(mutex_);
  const Clock::Instant now = clock_.now();
  const auto found = by_address_.find(group);
  if (found == by_address_.end()) return state({}, now);
  std::vector<Clock::Instant> times = found->second->times;
  std::erase_if(times, [now](Clock::Instant time) { return time + kWindow <= now; });
  return state(times, now);
}

// `times`: of the last 60 s.
RateState BadKeys::state(const std::vector<Clock::Instant>& times, Clock::Instant now) const {
  const auto reset = times.empty() ? 0 : up<std::chrono::seconds>(times.back() + kWindow - now);
  return {static_cast<std::int32_t>(limits_.per_minute),
          static_cast<std::int32_t>(limits_.per_minute - times.size()),
          static_cast<std::int32_t>(reset)};
}

std::size_t BadKeys::addresses() const {
  const std::scoped_lock lock(mutex_);
  return sources_.size();
}

}  // namespace tessera::access
