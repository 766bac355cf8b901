#include "access/request_window.h"

#include <algorithm>
#include <limits>

namespace tessera::access {
namespace {

constexpr Clock::Duration kCoarse = std::chrono::milliseconds(10);

std::int32_t sustained_limit(const Tier& tier) {
  return tier.requests_per_minute.value_or(std::numeric_limits<std::int32_t>::max());
}

std::int32_t burst_limit(const Tier& tier) {
  return tier.burst_requests_per_minute.value_or(std::numeric_limits<std::int32_t>::max());
}

}  // namespace

void RequestWindow::forget(Clock::Instant now) {
  while (!marks_.empty() && marks_.front().time + kWindow <= now) {
    count_ -= marks_.front().requests;
    marks_.pop_front();
  }
  while (!bursts_.empty() && bursts_.front().begin + kHour <= now) bursts_.pop_front();
}

void RequestWindow::add(Clock::Instant time, std::int32_t requests) {
  // A tier whose limit was lowered may have left a mark that is rounded up.
  if (!marks_.empty() && marks_.back().time >= time) {
    marks_.back().requests += requests;
  } else {
    marks_.push_back({time, requests});
  }
  count_ += requests;
}

Clock::Instant RequestWindow::when_below(std::int32_t limit, Clock::Instant now) const {
  Clock::Instant when = now;
  std::int32_t left = count_;
  for (const Mark& mark : marks_) {
    if (left < limit) break;
    left -= mark.requests;
    when = mark.time + kWindow;
  }
  return when;
}

bool RequestWindow::in_burst(Clock::Instant at) const {
  return !bursts_.empty() && at < bursts_.back().begin + kWindow;
}

Clock::Duration RequestWindow::wait(Clock::Instant now, const Tier& tier) {
  forget(now);
  Clock::Instant passes = when_below(sustained_limit(tier), now);
  if (passes == now) return {};
  const Clock::Instant room = when_below(burst_limit(tier), now);
  if (in_burst(room)) {
    passes = std::min(passes, room);
  } else if (tier.burst_minutes_per_hour > 0) {
    const auto allowed = static_cast<std::size_t>(tier.burst_minutes_per_hour);
    const Clock::Instant may_begin =
        bursts_.size() < allowed ? now : bursts_[bursts_.size() - allowed].begin + kHour;
    passes = std::min(passes, std::max(room, may_begin));
  }
  return passes - now;
}

CountedRequest RequestWindow::take(Clock::Instant now, const Tier& tier) {
  forget(now);
  const std::int32_t sustained = sustained_limit(tier);
  std::optional<Clock::Instant> burst;
  if (count_ >= sustained) {
    if (!in_burst(now)) bursts_.push_back({now, 0});
    ++bursts_.back().requests;
    burst = bursts_.back().begin;
  }
  const bool exact = sustained <= kExactLimit && burst_limit(tier) <= kExactLimit;
  const Clock::Duration past = now.time_since_epoch() % kCoarse;
  add(exact || past == Clock::Duration{} ? now : now - past + kCoarse, 1);
  return {marks_.back().time, burst};
}

void RequestWindow::give_back(const CountedRequest& counted) {
  const auto mark = std::find_if(marks_.rbegin(), marks_.rend(),
                                 [&](const Mark& each) { return each.time <= counted.time; });
  if (mark == marks_.rend() || mark->time != counted.time) return;  // too old to count anyway
  --count_;
  if (--mark->requests == 0) marks_.erase(std::next(mark).base());
  const auto burst = std::find_if(bursts_.begin(), bursts_.end(),
                                  [&](const Burst& each) { return each.begin == counted.burst; });
  if (burst != bursts_.end() && --burst->requests == 0) bursts_.erase(burst);
}

void RequestWindow::seed(Clock::Instant now, std::int32_t requests) {
  forget(now);
  if (requests > 0) add(now, requests);
}

RateState RequestWindow::state(Clock::Instant now, const Tier& tier) {
  forget(now);
  RateState state;
  state.limit = sustained_limit(tier);
  state.remaining = std::max(0, state.limit - count_);
  if (!marks_.empty()) {
    state.reset_s = static_cast<std::int32_t>(
        std::chrono::ceil<std::chrono::seconds>(marks_.back().time + kWindow - now).count());
  }
  return state;
}

std::int32_t RequestWindow::count(Clock::Instant now) {
  forget(now);
  return count_;
}

bool RequestWindow::idle(Clock::Instant now) {
  forget(now);
  return marks_.empty() && bursts_.empty();
}

}  // namespace tessera::access
