// The requests of one account in the last minute: which pass under a tier's rate, and when the next
// one will. Exact: it keeps when each admitted request came.
//
//   * Sustained: fewer than `requests_per_minute` were admitted in the last 60 s.
//   * Burst: over that, fewer than `burst_requests_per_minute`, and inside a burst minute. The
//   first
//     request over the sustained rate begins one, 60 s long; at most `burst_minutes_per_hour` begin
//     in any 60 minutes.
//
// Limits over kExactLimit keep counts of 10 ms instead of single times, each leaving the window up
// to 10 ms late: never more than the limit in any 60 s, and at most 6,001 entries. Not thread-safe;
// `now` never goes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "access/gate.h"
#include "access/tier.h"
#include "base/clock.h"

namespace tessera::access {

class RequestWindow {
 public:
  static constexpr std::int32_t kExactLimit = 8192;
  static constexpr Clock::Duration kWindow = std::chrono::seconds(60);
  static constexpr Clock::Duration kHour = std::chrono::hours(1);

  // How long until a request would pass, if no other one comes; zero: now. The tier has a rate.
  Clock::Duration wait(Clock::Instant now, const Tier& tier);
  // Counts one request, for which wait() is zero.
  CountedRequest take(Clock::Instant now, const Tier& tier);
  // Counts it no more, nor a burst minute that no other one needed.
  void give_back(const CountedRequest& counted);
  // Counts `requests` of before the start, as of now.
  void seed(Clock::Instant now, std::int32_t requests);

  RateState state(Clock::Instant now, const Tier& tier);
  std::int32_t count(Clock::Instant now);
  // Whether a new window would answer the same.
  bool idle(Clock::Instant now);

 private:
  struct Mark {
    Clock::Instant time;
    std::int32_t requests;
  };
  struct Burst {
    Clock::Instant begin;
    std::int32_t requests;  // over the sustained rate
  };
  void forget(Clock::Instant now);
  void add(Clock::Instant time, std::int32_t requests);
  // When fewer than `limit` are left; `now`, if that is so already.
  Clock::Instant when_below(std::int32_t limit, Clock::Instant now) const;
  bool in_burst(Clock::Instant at) const;

  std::deque<Mark> marks_;    // oldest first, no two of one time
  std::int32_t count_ = 0;    // of all marks
  std::deque<Burst> bursts_;  // the last hour's burst minutes, oldest first
};

}  // namespace tessera::access
