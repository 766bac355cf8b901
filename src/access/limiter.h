// How much each account may do now: requests a minute, requests under way, reasoning tokens of the
// last day. Kept in memory by account, whatever key was used; an account that is idle costs
// nothing. Any thread; each answer is one short lock.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "access/gate.h"
#include "access/request_window.h"
#include "access/tier.h"
#include "base/clock.h"
#include "base/ids.h"

namespace tessera::access {

// The reasoning tokens of one account. Spent tokens are kept by the hour and count for 24 to 25
// hours: never more than the quota in any 24. Not thread-safe.
class ThinkingMeter {
 public:
  // How long until `tokens` more fit into `quota` by spent ones growing old; absent: they never do,
  // for what is held or because `tokens` is over the whole quota. Zero: they fit now.
  std::optional<Clock::Duration> wait(Clock::Instant now, std::int64_t tokens, std::int64_t quota);
  void hold(std::int64_t tokens) { held_ += tokens; }
  void release(std::int64_t tokens) { held_ -= tokens; }
  void spend(Clock::Instant when, std::int64_t tokens);
  std::int64_t spent(Clock::Instant now);
  std::int64_t held() const { return held_; }

 private:
  struct Hour {
    std::int64_t number;  // of the clock
    std::int64_t tokens;
  };
  std::deque<Hour> hours_;  // oldest first
  std::int64_t spent_ = 0;  // of all hours
  std::int64_t held_ = 0;   // at most, by requests under way
};

class Limiter {
 public:
  explicit Limiter(const Clock& clock) : clock_(clock) {}

  // Nothing: the tier has no rate.
  std::optional<RateState> rate(AccountId account, const Tier& tier);
  // Whether take_request() would refuse now.
  std::optional<Denial> peek_request(AccountId account, const Tier& tier);
  // Counts a request, or says why not: a refused one does not count. Nothing: the tier has no rate.
  Result<std::optional<CountedRequest>, Denial> take_request(AccountId account, const Tier& tier);

  // A place among the requests under way, and at most `reasoning` tokens of the quota; or neither,
  // and then `counted` does not count any more.
  std::optional<Denial> enter(AccountId account, const Tier& tier, std::int64_t reasoning,
                              const std::optional<CountedRequest>& counted = {});
  // Gives back what enter() gave; of the tokens, `spent` were.
  void leave(AccountId account, std::int64_t reasoning, std::int64_t spent);

  // What was before the start; reasoning tokens oldest first.
  void seed_requests(AccountId account, std::int32_t requests);
  void seed_thinking(AccountId account, Clock::Duration ago, std::int64_t tokens);

  // Drops the accounts that a new entry would say the same of. Call now and then.
  void forget_idle();
  // For tests: entries; and, over all accounts, places and tokens held.
  std::size_t accounts() const;
  std::int64_t held() const;

 private:
  struct Account {
    RequestWindow requests;
    ThinkingMeter thinking;
    std::int32_t running = 0;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<AccountId, Account> accounts;
  };
  Shard& shard(AccountId account) { return shards_[account.value % shards_.size()]; }
  std::optional<Denial> try_enter(Account& account, const Tier& tier, std::int64_t reasoning);

  const Clock& clock_;
  std::array<Shard, 64> shards_;
};

}  // namespace tessera::access
