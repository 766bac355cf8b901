#include "access/limiter.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera::access {
namespace {

// A place comes free when a request ends, which nobody knows beforehand.
constexpr std::int64_t kPlaceRetryMs = 1000;
// Hours after its own that a spent token still counts for.
constexpr std::int64_t kQuotaHours = 24;

constexpr std::int64_t hour_of(Clock::Instant when) {
  return std::chrono::floor<std::chrono::hours>(when.time_since_epoch()).count();
}

std::int64_t ms_up(Clock::Duration duration) {
  return std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

Denial rate_denial(RequestWindow& window, Clock::Instant now, const Tier& tier,
                   Clock::Duration wait) {
  const std::int32_t sustained = tier.requests_per_minute.value_or(0);
  const std::int32_t most = tier.burst_requests_per_minute.value_or(sustained);
  std::string burst;
  if (most > sustained) {
    burst = window.count(now) >= most ? fmt::format(" (burst of {} used up)", most)
                                      : fmt::format(" (the hour's {} burst minutes are used up)",
                                                    tier.burst_minutes_per_hour);
  }
  const std::int64_t ms = ms_up(wait);
  return {DenialCode::kRateLimited, ms,
          fmt::format("Rate limit reached: {} requests per minute on tier {}{}; try again in {} s.",
                      sustained, tier.name, burst, (ms + 999) / 1000),
          window.state(now, tier)};
}

Denial thinking_denial(ThinkingMeter& meter, Clock::Instant now, const Tier& tier,
                       std::int64_t tokens, std::optional<Clock::Duration> wait) {
  const std::int64_t quota = tier.thinking_tokens_per_day.value_or(0);
  if (tokens > quota) {
    return {DenialCode::kThinkingQuota, 0,
            fmt::format("This request may take {} reasoning tokens, more than the {} that tier {} "
                        "has for a whole day. Lower thinking_budget or n, or use direct mode.",
                        tokens, quota, tier.name),
            std::nullopt};
  }
  std::string text = fmt::format(
      "Thinking quota reached: tier {} has {} reasoning tokens for 24 hours; {} are used",
      tier.name, quota, meter.spent(now));
  if (meter.held() > 0) text += fmt::format(", {} are held by requests under way", meter.held());
  text += fmt::format(", and this request may take {}. ", tokens);
  if (wait) {
    text += fmt::format("Try again in {} min, lower thinking_budget or n, or use direct mode.",
                        std::chrono::ceil<std::chrono::minutes>(*wait).count());
  } else {
    text += "Try again when they have ended, lower thinking_budget or n, or use direct mode.";
  }
  return {DenialCode::kThinkingQuota, wait ? ms_up(*wait) : kPlaceRetryMs, std::move(text),
          std::nullopt};
}

}  // namespace

// ---------------------------------------------------------------- reasoning tokens

std::int64_t ThinkingMeter::spent(Clock::Instant now) {
  while (!hours_.empty() && hours_.front().number + kQuotaHours < hour_of(now)) {
    spent_ -= hours_.front().tokens;
    hours_.pop_front();
  }
  return spent_;
}

void ThinkingMeter::spend(Clock::Instant when, std::int64_t tokens) {
  if (tokens <= 0) return;
  const std::int64_t hour = hour_of(when);
  if (hours_.empty() || hours_.back().number < hour) hours_.push_back({hour, 0});
  hours_.back().tokens += tokens;
  spent_ += tokens;
}

std::optional<Clock::Duration> ThinkingMeter::wait(Clock::Instant now, std::int64_t tokens,
                                                   std::int64_t quota) {
  std::int64_t used = spent(now) + held_;
  if (tokens <= quota - used) return Clock::Duration{};
  for (const Hour& hour : hours_) {
    used -= hour.tokens;
    if (tokens <= quota - used) {
      const std::chrono::hours ends(hour.number + kQuotaHours + 1);
      return Clock::Instant(ends) - now;
    }
  }
  return std::nullopt;
}

// ---------------------------------------------------------------- accounts

std::optional<RateState> Limiter::rate(AccountId id, const Tier& tier) {
  if (!tier.requests_per_minute) return std::nullopt;
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  const auto found = own.accounts.find(id);
  if (found == own.accounts.end())
    return RateState{*tier.requests_per_minute, *tier.requests_per_minute, 0};
  return found->second.requests.state(clock_.now(), tier);
}

std::optional<Denial> Limiter::peek_request(AccountId id, const Tier& tier) {
  if (!tier.requests_per_minute) return std::nullopt;
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  const auto found = own.accounts.find(id);
  if (found == own.accounts.end()) return std::nullopt;
  const Clock::Instant now = clock_.now();
  RequestWindow& window = found->second.requests;
  const Clock::Duration wait = window.wait(now, tier);
  if (wait == Clock::Duration{}) return std::nullopt;
  return rate_denial(window, now, tier, wait);
}

Result<std::optional<CountedRequest>, Denial> Limiter::take_request(AccountId id,
                                                                    const Tier& tier) {
  if (!tier.requests_per_minute) return std::optional<CountedRequest>();
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  const Clock::Instant now = clock_.now();  // under the lock: never goes back
  RequestWindow& window = own.accounts[id].requests;
  const Clock::Duration wait = window.wait(now, tier);
  if (wait != Clock::Duration{}) return Unexpected{rate_denial(window, now, tier, wait)};
  return std::optional(window.take(now, tier));
}

std::optional<Denial> Limiter::enter(AccountId id, const Tier& tier, std::int64_t reasoning,
                                     const std::optional<CountedRequest>& counted) {
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  Account& account = own.accounts[id];
  auto denial = try_enter(account, tier, reasoning);
  if (denial && counted) account.requests.give_back(*counted);
  return denial;
}

std::optional<Denial> Limiter::try_enter(Account& account, const Tier& tier,
                                         std::int64_t reasoning) {
  if (tier.concurrent_requests && account.running >= *tier.concurrent_requests) {
    return Denial{DenialCode::kConcurrency, kPlaceRetryMs,
                  fmt::format("Too many requests under way: tier {} has {} places, and {} are "
                              "taken. Try again when one has ended.",
                              tier.name, *tier.concurrent_requests, account.running),
                  std::nullopt};
  }
  if (reasoning > 0 && tier.thinking_tokens_per_day) {
    const Clock::Instant now = clock_.now();
    const auto wait = account.thinking.wait(now, reasoning, *tier.thinking_tokens_per_day);
    if (wait != Clock::Duration{})
      return thinking_denial(account.thinking, now, tier, reasoning, wait);
  }
  ++account.running;
  account.thinking.hold(reasoning);
  return std::nullopt;
}

void Limiter::leave(AccountId id, std::int64_t reasoning, std::int64_t spent) {
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  const auto found = own.accounts.find(id);
  CHECK(found != own.accounts.end() && found->second.running > 0);
  Account& account = found->second;
  --account.running;
  account.thinking.release(reasoning);
  account.thinking.spend(clock_.now(), spent);
}

void Limiter::seed_requests(AccountId id, std::int32_t requests) {
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  own.accounts[id].requests.seed(clock_.now(), requests);
}

void Limiter::seed_thinking(AccountId id, Clock::Duration ago, std::int64_t tokens) {
  Shard& own = shard(id);
  const std::scoped_lock lock(own.mutex);
  own.accounts[id].thinking.spend(clock_.now() - ago, tokens);
}

void Limiter::forget_idle() {
  for (Shard& each : shards_) {
    const std::scoped_lock lock(each.mutex);
    const Clock::Instant now = clock_.now();
    for (auto at = each.accounts.begin(); at != each.accounts.end();) {
      Account& account = at->second;
      const bool idle = account.running == 0 && account.thinking.held() == 0 &&
                        account.thinking.spent(now) == 0 && account.requests.idle(now);
      at = idle ? each.accounts.erase(at) : std::next(at);
    }
  }
}

std::size_t Limiter::accounts() const {
  std::size_t total = 0;
  for (const Shard& each : shards_) {
    const std::scoped_lock lock(each.mutex);
    total += each.accounts.size();
  }
  return total;
}

std::int64_t Limiter::held() const {
  std::int64_t total = 0;
  for (const Shard& each : shards_) {
    const std::scoped_lock lock(each.mutex);
    for (const auto& [id, account] : each.accounts)
      total += account.running + account.thinking.held();
  }
  return total;
}

}  // namespace tessera::access
