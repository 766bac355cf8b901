#include "access/limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "access/bad_keys.h"

namespace tessera::access {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr AccountId kAccount{7};

Tier tier_of(std::int32_t sustained, std::int32_t burst, std::int32_t burst_minutes = 5) {
  Tier tier;
  tier.name = "test";
  tier.requests_per_minute = sustained;
  tier.burst_requests_per_minute = burst;
  tier.burst_minutes_per_hour = burst_minutes;
  return tier;
}

std::optional<Denial> take_of(Limiter& limiter, const Tier& tier) {
  const auto taken = limiter.take_request(kAccount, tier);
  return taken ? std::nullopt : std::optional(taken.error());
}

class LimiterTest : public testing::Test {
 protected:
  bool take(const Tier& tier) { return !take_of(limiter_, tier); }
  int take_all(const Tier& tier, int tries = 1000) {
    int taken = 0;
    for (int i = 0; i < tries; ++i) taken += take(tier) ? 1 : 0;
    return taken;
  }
  FakeClock clock_;
  Limiter limiter_{clock_};
};

TEST_F(LimiterTest, AdmitsTheLimitAndNotOneMore) {
  const Tier tier = tier_of(3, 3);
  EXPECT_EQ(take_all(tier), 3);
  clock_.advance(seconds(60) - std::chrono::nanoseconds(1));
  EXPECT_FALSE(take(tier));
  clock_.advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(take_all(tier), 3);
}

TEST_F(LimiterTest, TheWindowRolls) {
  const Tier tier = tier_of(2, 2);
  EXPECT_TRUE(take(tier));
  clock_.advance(seconds(40));
  EXPECT_TRUE(take(tier));
  clock_.advance(seconds(19));
  EXPECT_FALSE(take(tier));
  clock_.advance(seconds(1));
  EXPECT_TRUE(take(tier));  // the first has left; the second has not
  EXPECT_FALSE(take(tier));
}

TEST_F(LimiterTest, ARefusedRequestDoesNotCount) {
  const Tier tier = tier_of(1, 1);
  EXPECT_TRUE(take(tier));
  for (int i = 0; i < 59; ++i) {
    clock_.advance(seconds(1));
    EXPECT_FALSE(take(tier));
    EXPECT_TRUE(limiter_.peek_request(kAccount, tier));
  }
  clock_.advance(seconds(1));
  EXPECT_FALSE(limiter_.peek_request(kAccount, tier));
  EXPECT_FALSE(limiter_.peek_request(kAccount, tier));
  EXPECT_TRUE(take(tier));
}

TEST_F(LimiterTest, FiveBurstMinutesInAnHour) {
  const Tier tier = tier_of(50, 100);
  for (int minute = 0; minute < 5; ++minute) {
    EXPECT_EQ(take_all(tier), 100) << minute;
    clock_.advance(seconds(60));
  }
  EXPECT_EQ(take_all(tier), 50);  // the sixth begins no burst
  const auto refused = take_of(limiter_, tier);
  ASSERT_TRUE(refused);
  EXPECT_THAT(refused->message, HasSubstr("the hour's 5 burst minutes are used up"));
  clock_.advance(std::chrono::minutes(55) - std::chrono::nanoseconds(1));  // 1 h after the first
  EXPECT_EQ(take_all(tier), 50);
  clock_.advance(std::chrono::nanoseconds(1));
  EXPECT_EQ(take_all(tier), 50);  // the first burst minute has left the hour
  EXPECT_EQ(take_all(tier), 0);
}

TEST_F(LimiterTest, ABurstMinuteEnds) {
  const Tier tier = tier_of(10, 100, 1);
  EXPECT_EQ(take_all(tier, 11), 11);  // the 11th begins it
  clock_.advance(seconds(59));
  EXPECT_EQ(take_all(tier, 10), 10);
  clock_.advance(seconds(1));  // the first 11 have left; 10 of this minute, and no burst any more
  EXPECT_EQ(take_all(tier, 10), 0);
  EXPECT_EQ(take_all(tier_of(10, 100, 0)), 0);
}

TEST_F(LimiterTest, SaysWhichLimitAndHowLong) {
  const Tier tier = tier_of(50, 100);
  take_all(tier, 1);
  clock_.advance(milliseconds(47'001));
  take_all(tier);
  const auto refused = take_of(limiter_, tier);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, DenialCode::kRateLimited);
  EXPECT_EQ(refused->retry_after_ms, 12'999);
  EXPECT_EQ(refused->message,
            "Rate limit reached: 50 requests per minute on tier test (burst of 100 used up); try "
            "again in 13 s.");
  EXPECT_EQ(refused->rate->limit, 50);
  EXPECT_EQ(refused->rate->remaining, 0);
  EXPECT_EQ(refused->rate->reset_s, 60);
}

TEST_F(LimiterTest, TheRateCountsDownAndComesBack) {
  const Tier tier = tier_of(3, 5);
  EXPECT_EQ(limiter_.rate(kAccount, tier)->remaining, 3);
  EXPECT_EQ(limiter_.rate(kAccount, tier)->reset_s, 0);
  for (const int remaining : {2, 1, 0, 0, 0}) {
    clock_.advance(milliseconds(500));
    EXPECT_TRUE(take(tier));
    EXPECT_EQ(limiter_.rate(kAccount, tier)->remaining, remaining);
    EXPECT_EQ(limiter_.rate(kAccount, tier)->reset_s, 60);
  }
  clock_.advance(milliseconds(1));
  EXPECT_EQ(limiter_.rate(kAccount, tier)->reset_s, 60);  // rounded up
  clock_.advance(milliseconds(999));
  EXPECT_EQ(limiter_.rate(kAccount, tier)->reset_s, 59);
  clock_.advance(seconds(59));
  EXPECT_EQ(limiter_.rate(kAccount, tier)->remaining, 3);
  EXPECT_EQ(limiter_.rate(kAccount, tier)->reset_s, 0);
}

TEST_F(LimiterTest, AChangedTierCountsOnWithWhatWasTaken) {
  EXPECT_EQ(take_all(tier_of(5, 5)), 5);
  EXPECT_EQ(take_all(tier_of(8, 8)), 3);
  EXPECT_EQ(take_all(tier_of(4, 4)), 0);
  const auto refused = take_of(limiter_, tier_of(4, 4));
  EXPECT_EQ(refused->retry_after_ms, 60'000);
  clock_.advance(seconds(60));
  EXPECT_EQ(take_all(tier_of(4, 4)), 4);
}

TEST_F(LimiterTest, NoLimitKeepsNothing) {
  Tier tier;
  EXPECT_EQ(take_all(tier), 1000);
  EXPECT_EQ(limiter_.rate(kAccount, tier), std::nullopt);
  EXPECT_EQ(limiter_.accounts(), 0u);
}

// Everything is remembered, and looked through from the start each time.
class Oracle {
 public:
  explicit Oracle(Tier tier) : tier_(std::move(tier)) {}
  bool passes(Clock::Instant at) const {
    const int taken = within(times_, at, seconds(60));
    if (taken < *tier_.requests_per_minute) return true;
    if (taken >= *tier_.burst_requests_per_minute) return false;
    return within(bursts_, at, seconds(60)) > 0 ||
           within(bursts_, at, std::chrono::hours(1)) < tier_.burst_minutes_per_hour;
  }
  void take(Clock::Instant at) {
    if (within(times_, at, seconds(60)) >= *tier_.requests_per_minute &&
        within(bursts_, at, seconds(60)) == 0)
      bursts_.push_back(at);
    times_.push_back(at);
  }
  // Something can only change when a time grows old.
  Clock::Instant next_pass(Clock::Instant now) const {
    std::vector<Clock::Instant> events = {now};
    for (const auto& time : times_) events.push_back(time + seconds(60));
    for (const auto& time : bursts_) events.push_back(time + std::chrono::hours(1));
    std::sort(events.begin(), events.end());
    for (const auto& event : events)
      if (event >= now && passes(event)) return event;
    return now;
  }

 private:
  static int within(const std::vector<Clock::Instant>& times, Clock::Instant at,
                    Clock::Duration back) {
    return static_cast<int>(std::count_if(times.begin(), times.end(), [&](Clock::Instant time) {
      return time <= at && at < time + back;
    }));
  }
  Tier tier_;
  std::vector<Clock::Instant> times_, bursts_;
};

TEST(LimiterSimulation, AgreesWithTheObviousOracle) {
  std::mt19937 random(20261122);
  int refusals = 0;
  for (int round = 0; round < 30; ++round) {
    const auto sustained = static_cast<std::int32_t>(1 + random() % 8);
    const Tier tier = tier_of(sustained, sustained + static_cast<std::int32_t>(random() % 8),
                              static_cast<std::int32_t>(random() % 6));
    FakeClock clock;
    Limiter limiter(clock);
    Oracle oracle(tier);
    for (int step = 0; step < 500; ++step) {
      clock.advance(milliseconds(random() % 4 == 0 ? random() % 90'000 : random() % 4'000));
      const auto refused = take_of(limiter, tier);
      ASSERT_EQ(!refused, oracle.passes(clock.now())) << "round " << round << " step " << step;
      if (!refused) {
        oracle.take(clock.now());
        continue;
      }
      ++refusals;
      // Exactly so long, and not a millisecond less.
      ASSERT_EQ(clock.now() + milliseconds(refused->retry_after_ms), oracle.next_pass(clock.now()));
    }
  }
  EXPECT_GT(refusals, 1000);
}

TEST(LimiterSimulation, AnObedientClientIsNotRefusedTwice) {
  FakeClock clock;
  Limiter limiter(clock);
  const Tier tier = tier_of(5, 9, 2);
  std::mt19937_64 random(3);
  for (int step = 0; step < 5'000; ++step) {
    clock.advance(std::chrono::nanoseconds(random() % 3'000'000'000));
    const auto refused = take_of(limiter, tier);
    if (!refused) continue;
    clock.advance(milliseconds(refused->retry_after_ms));
    ASSERT_FALSE(take_of(limiter, tier)) << step;
  }
}

TEST(LimiterSimulation, HugeLimitsAreNeverExceededAndBounded) {
  FakeClock clock;
  RequestWindow window;
  const Tier tier = tier_of(20'000, 20'000);
  std::mt19937_64 random(5);
  std::deque<Clock::Instant> times;
  for (int step = 0; step < 200'000; ++step) {
    clock.advance(std::chrono::nanoseconds(random() % 4'000'000));
    while (!times.empty() && times.front() + seconds(60) <= clock.now()) times.pop_front();
    const Clock::Duration wait = window.wait(clock.now(), tier);
    if (wait == Clock::Duration{}) {
      window.take(clock.now(), tier);
      times.push_back(clock.now());
      ASSERT_LE(times.size(), 20'000u);
    } else {  // at most 10 ms too strict
      ASSERT_LE(wait, times.front() + seconds(60) + milliseconds(10) - clock.now());
    }
  }
}

TEST(LimiterThreads, OfAThousandAtOnceExactlyTheLimitPass) {
  for (const std::int32_t limit : {1, 100, 999}) {
    Limiter limiter(Clock::real());
    const Tier tier = tier_of(limit, limit);
    std::atomic<bool> go{false};
    std::atomic<int> passed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 1000; ++i) {
      threads.emplace_back([&] {
        while (!go) std::this_thread::yield();
        if (!take_of(limiter, tier)) ++passed;
      });
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(passed, limit);
  }
}

TEST_F(LimiterTest, WhoFindsNoPlaceIsNotCounted) {
  Tier tier = tier_of(2, 3, 1);
  tier.concurrent_requests = 1;
  const auto count = [&] { return limiter_.rate(kAccount, tier)->remaining; };
  const auto first = limiter_.take_request(kAccount, tier);
  ASSERT_TRUE(first);
  EXPECT_FALSE(limiter_.enter(kAccount, tier, 0, *first));
  EXPECT_EQ(count(), 1);
  clock_.advance(seconds(10));
  for (int i = 0; i < 10; ++i) {
    const auto next = limiter_.take_request(kAccount, tier);
    ASSERT_TRUE(next);
    EXPECT_TRUE(limiter_.enter(kAccount, tier, 0, *next));
    EXPECT_EQ(count(), 1);
  }
  // Nor does the burst minute, which the third would begin.
  ASSERT_TRUE(take(tier));
  const auto over = limiter_.take_request(kAccount, tier);
  ASSERT_TRUE(over);
  EXPECT_TRUE((*over)->burst);
  EXPECT_TRUE(limiter_.enter(kAccount, tier, 0, *over));
  clock_.advance(seconds(55));  // the first has left
  EXPECT_EQ(take_all(tier), 2);
  clock_.advance(seconds(120));
  EXPECT_EQ(take_all(tier), 2);  // the hour's burst minute was the one before
}

TEST_F(LimiterTest, WhatIsGivenBackLateChangesNothing) {
  const Tier tier = tier_of(3, 3);
  const auto old = limiter_.take_request(kAccount, tier);
  ASSERT_TRUE(old);
  clock_.advance(seconds(60));
  EXPECT_TRUE(take(tier));
  Tier full = tier;
  full.concurrent_requests = 0;
  EXPECT_TRUE(limiter_.enter(kAccount, full, 0, *old));
  EXPECT_EQ(limiter_.rate(kAccount, tier)->remaining, 2);
}

TEST_F(LimiterTest, PlacesAreTakenAndGivenBack) {
  Tier tier;
  tier.name = "test";
  tier.concurrent_requests = 2;
  EXPECT_FALSE(limiter_.enter(kAccount, tier, 0));
  EXPECT_FALSE(limiter_.enter(kAccount, tier, 0));
  const auto refused = limiter_.enter(kAccount, tier, 0);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, DenialCode::kConcurrency);
  EXPECT_GT(refused->retry_after_ms, 0);
  EXPECT_THAT(refused->message, HasSubstr("tier test has 2 places"));
  EXPECT_FALSE(limiter_.enter(AccountId{8}, tier, 0));
  limiter_.leave(kAccount, 0, 0);
  EXPECT_FALSE(limiter_.enter(kAccount, tier, 0));
}

class Thinking : public LimiterTest {
 protected:
  Thinking() {
    tier_.name = "test";
    tier_.thinking_tokens_per_day = 1000;
  }
  std::optional<Denial> enter(std::int64_t tokens) {
    return limiter_.enter(kAccount, tier_, tokens);
  }
  Tier tier_;
};

TEST_F(Thinking, ReservesAndGivesBackWhatWasNotUsed) {
  EXPECT_FALSE(enter(600));
  EXPECT_FALSE(enter(400));
  EXPECT_TRUE(enter(1));
  EXPECT_FALSE(enter(0));  // direct mode goes on
  limiter_.leave(kAccount, 600, 100);
  EXPECT_TRUE(enter(501));
  EXPECT_FALSE(enter(500));
  EXPECT_TRUE(enter(1));
}

TEST_F(Thinking, SpentTokensComeBackAfterADay) {
  clock_.advance(std::chrono::minutes(90));
  EXPECT_FALSE(enter(1000));
  limiter_.leave(kAccount, 1000, 1000);
  const auto refused = enter(10);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, DenialCode::kThinkingQuota);
  EXPECT_EQ(refused->retry_after_ms, milliseconds(std::chrono::minutes(24 * 60 + 30)).count());
  EXPECT_THAT(refused->message,
              HasSubstr("tier test has 1000 reasoning tokens for 24 hours; 1000 are used, and this "
                        "request may take 10."));
  clock_.advance(milliseconds(refused->retry_after_ms) - milliseconds(1));
  EXPECT_TRUE(enter(10));
  clock_.advance(milliseconds(1));
  EXPECT_FALSE(enter(10));
}

TEST_F(Thinking, MoreThanADayIsSaidPlainly) {
  const auto refused = enter(1001);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, DenialCode::kThinkingQuota);
  EXPECT_EQ(refused->retry_after_ms, 0);
  EXPECT_THAT(refused->message, HasSubstr("1001 reasoning tokens, more than the 1000"));
  EXPECT_FALSE(enter(1000));
  const auto held = enter(1);
  EXPECT_THAT(held->message, HasSubstr("1000 are held by requests under way"));
  EXPECT_EQ(limiter_.held(), 1001);  // a place and its tokens: refusals took none
}

TEST_F(Thinking, NeverMoreThanTheQuotaInAnyDay) {
  std::mt19937_64 random(11);
  std::vector<std::pair<Clock::Instant, std::int64_t>> spent;
  int refusals = 0;
  for (int step = 0; step < 3'000; ++step) {
    clock_.advance(seconds(random() % 7200));
    const auto wants = static_cast<std::int64_t>(random() % 200);
    if (enter(wants)) {
      ++refusals;
      continue;
    }
    const std::int64_t used = wants == 0 ? 0 : static_cast<std::int64_t>(random()) % wants;
    limiter_.leave(kAccount, wants, std::max<std::int64_t>(0, used));
    spent.emplace_back(clock_.now(), std::max<std::int64_t>(0, used));
    std::int64_t day = 0;
    for (const auto& [when, tokens] : spent)
      if (clock_.now() - when < std::chrono::hours(24)) day += tokens;
    ASSERT_LE(day, 1000);
  }
  EXPECT_GT(refusals, 0);
}

TEST_F(Thinking, WhatWasBeforeTheStartCounts) {
  limiter_.seed_thinking(kAccount, std::chrono::hours(23), 400);
  limiter_.seed_thinking(kAccount, std::chrono::hours(1), 500);
  EXPECT_TRUE(enter(101));
  EXPECT_FALSE(enter(100));
  limiter_.leave(kAccount, 100, 0);
  clock_.advance(std::chrono::hours(2));
  EXPECT_FALSE(enter(500));
  limiter_.seed_requests(kAccount, 3);
  EXPECT_EQ(take_all(tier_of(5, 5)), 2);
}

TEST_F(LimiterTest, IdleAccountsAreDropped) {
  Tier tier = tier_of(1, 2);
  tier.thinking_tokens_per_day = 10;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_TRUE(limiter_.take_request(AccountId{i}, tier));
    if (i % 2 == 0) {
      EXPECT_FALSE(limiter_.enter(AccountId{i}, tier, 5));
    }
  }
  limiter_.forget_idle();
  EXPECT_EQ(limiter_.accounts(), 1000u);
  clock_.advance(seconds(60));
  limiter_.forget_idle();
  EXPECT_EQ(limiter_.accounts(), 500u);
  for (std::uint64_t i = 0; i < 1000; i += 2) limiter_.leave(AccountId{i}, 5, i == 0 ? 1 : 0);
  limiter_.forget_idle();
  EXPECT_EQ(limiter_.accounts(), 1u);  // it spent something
  clock_.advance(std::chrono::hours(25));
  limiter_.forget_idle();
  EXPECT_EQ(limiter_.accounts(), 0u);
}

TEST(BadKeysTest, CountsByAddressAndClears) {
  FakeClock clock;
  BadKeys bad(clock, {3, 100});
  for (const int remaining : {2, 1, 0}) {
    const Denial denial = bad.refuse("1.2.3.4", "no");
    EXPECT_EQ(denial.code, DenialCode::kInvalidKey);
    EXPECT_EQ(denial.message, "no");
    EXPECT_EQ(denial.rate->limit, 3);
    EXPECT_EQ(denial.rate->remaining, remaining);
    EXPECT_EQ(denial.rate->reset_s, 60);
    clock.advance(milliseconds(100));
  }
  const Denial many = bad.refuse("1.2.3.4", "no");
  EXPECT_EQ(many.code, DenialCode::kTooManyBadKeys);
  EXPECT_EQ(many.retry_after_ms, 59'700);
  EXPECT_EQ(many.rate->remaining, 0);
  EXPECT_EQ(bad.refuse("1.2.3.5", "no").code, DenialCode::kInvalidKey);
  clock.advance(milliseconds(many.retry_after_ms));
  EXPECT_EQ(bad.refuse("1.2.3.4", "no").code, DenialCode::kInvalidKey);
  EXPECT_EQ(bad.refuse("1.2.3.4", "no").code, DenialCode::kTooManyBadKeys);
}

TEST(BadKeysTest, TheTableIsBounded) {
  FakeClock clock;
  BadKeys bad(clock, {1, 10});
  for (int i = 0; i < 1000; ++i) {
    bad.refuse(std::to_string(i), "no");
    bad.refuse("kept", "no");  // used all the time: never the one that goes
  }
  EXPECT_EQ(bad.addresses(), 10u);
  EXPECT_EQ(bad.refuse("kept", "no").code, DenialCode::kTooManyBadKeys);
  EXPECT_EQ(bad.refuse("0", "no").code, DenialCode::kInvalidKey);
  bad.refuse(std::string(100'000, 'x'), "no");
}

TEST(BadKeysTest, OneCustomerOfIpv6IsOneAddress) {
  EXPECT_EQ(address_group("2001:db8::1"), address_group("2001:db8::ffff:1:2:3"));
  EXPECT_NE(address_group("2001:db8::1"), address_group("2001:db8:0:1::1"));
  EXPECT_EQ(address_group("::ffff:1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(address_group("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(address_group("unknown"), "unknown");
}

}  // namespace
}  // namespace tessera::access
