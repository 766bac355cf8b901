// Random schedules of everything that can happen to the engine at once, on a fake clock: requests
// of several accounts that share beginnings, cancels, readers that are slow or leave, memory that
// runs out, steps that fail or throw, numbers that are not finite. The engine's core, its queue,
// ledger, cache, memory and channels are the real ones, and so is the limiter before them.
//
// After each step the books are checked: every block and state of the backend belongs to somebody
// (check_integrity), the limiter holds a place for each request whose end its reader has not seen
// and for no other, and while anybody can go on something is computed. In the end every request
// has had exactly one terminal event, nothing is held, and what each one got is what it gets alone
// in an engine without a cache, as far as it came.
//
//   engine_sim [--seeds N] [--first K]   N schedules from seed K on
//   engine_sim --seed K                  one of them again
#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <optional>
#include <stdexcept>

#include "access/limiter.h"
#include "engine/test_constraint.h"
#include "engine/test_random.h"
#include "engine/test_simulation.h"
#include "seeds.h"

namespace tessera::engine {
namespace {

Seeds seeds;

using Text = std::vector<TokenId>;

// In a schedule forced tokens go through the model in runs, in a lone run one by one.
bool one_by_one = false;

// Forces and masks here and there, as a function of the choice's past alone.
ConstraintFactory random_constraint(std::int32_t salt) {
  const auto rule = [salt](std::span<const TokenId> generated,
                           std::span<std::uint32_t> mask) -> Result<NextToken> {
    const auto count = static_cast<std::int32_t>(generated.size()) + salt;
    if (count % 17 == 0) return fail(ErrorCode::kDeadEnd, "no way on");
    if (count % 5 < 2) return NextToken::forced(24 + count % 200);
    if (count % 3 == 1) return NextToken::free();
    for (std::size_t word = 0; word < mask.size(); ++word)
      mask[word] = static_cast<std::uint32_t>(count) * 0x9E3779B1U >> word;
    return NextToken::masked();
  };
  return [rule](std::int32_t) { return std::make_unique<TestConstraint>(rule, !one_by_one); };
}

// Messages that prompts are made of: few, so that prompts share beginnings.
class Messages {
 public:
  explicit Messages(TestRandom& random) {
    for (Text& message : messages_) {
      message.resize(static_cast<std::size_t>(random.integer(1, 60)));
      for (TokenId& token : message) token = random.integer(0, 59);
    }
    if (random.chance(4))
      messages_[0][0] = random.chance(2) ? 66 : 67;  // poisons what has it first
  }

  EngineRequest make_request(TestRandom& random) const {
    Text prompt;
    std::vector<std::int32_t> boundaries;
    for (int left = random.integer(1, 6); left > 0; --left) {
      const Text& message = messages_[static_cast<std::size_t>(random.integer(0, 4))];
      prompt.insert(prompt.end(), message.begin(), message.end());
      boundaries.push_back(static_cast<std::int32_t>(prompt.size()));
    }
    if (random.chance(2)) prompt.insert(prompt.end(), 3, 61);  // the think block
    EngineRequest request =
        random_sampled(std::move(prompt), random.integer(1, 40), random.integer(0, 3));
    const bool is_long = random.chance(4);  // and has no end but its last token
    if (is_long) request.max_tokens = random.integer(40, 250);
    request.boundaries = std::move(boundaries);
    request.choices = random.chance(5) ? random.integer(2, 3) : 1;
    request.account = AccountId{static_cast<std::uint64_t>(random.integer(1, 3))};
    request.weight = static_cast<double>(request.account.value);
    request.keep_answer = random.chance(2);
    if (random.chance(3)) request.shared_tokens = request.boundaries.front();
    request.end_tokens.clear();
    for (TokenId id = 0; id < 8 && !is_long; ++id) request.end_tokens.push_back(id);
    if (random.chance(4)) request.make_constraint = random_constraint(random.integer(0, 100));
    if (random.chance(8)) request.top_logprobs = 2;
    return request;
  }

 private:
  Text messages_[5];
};

FakeOptions random_backend(TestRandom& random) {
  FakeOptions backend = with_script(poisoned_hash());
  backend.limits.max_sequences = random.integer(3, 9);
  backend.limits.max_batch_tokens = random.integer(1, 96);
  backend.limits.kv_block_tokens = random.chance(2) ? 16 : random.integer(1, 64);
  backend.limits.state_bytes_per_sequence = random.chance(2) ? 0 : random.integer(1, 100);
  backend.max_reserved_tokens = random.integer(400, random.chance(2) ? 900 : 4000);
  if (random.chance(5)) backend.fail_at_step = random.integer(0, 100);
  if (random.chance(5)) backend.nan_at_step = random.integer(0, 100);
  return backend;
}

access::Tier random_tier(TestRandom& random) {
  access::Tier tier;
  tier.name = "some";
  if (random.chance(2)) {
    tier.requests_per_minute = random.integer(1, 10);
    if (random.chance(2))
      tier.burst_requests_per_minute = *tier.requests_per_minute + random.integer(0, 8);
    tier.burst_minutes_per_hour = random.integer(1, 3);
  }
  if (random.chance(2)) tier.concurrent_requests = random.integer(1, 6);
  if (random.chance(2)) tier.thinking_tokens_per_day = random.integer(20, 400);
  return tier;
}

EngineOptions random_options(TestRandom& random) {
  EngineOptions options;
  options.max_queue = random.chance(4) ? random.integer(1, 8) : 64;
  options.max_running_requests = random.integer(0, 6);
  options.max_batch_tokens = random.integer(0, 64);
  options.prefill_chunk = random.integer(1, 64);
  options.event_channel_capacity = random.integer(1, 12);
  options.stall_timeout_ms = 1000;
  options.request_timeout_ms = random.chance(4) ? 3000 : 0;
  options.max_wait_ms = random.chance(4) ? 1500 : 0;
  options.account_share = random.chance(2) ? 0.75 : 1;
  options.prefix_cache_bytes = random.chance(4) ? random.integer(0, 1000) : 1 << 30;
  options.reserve_tokens = random.chance(2) ? 1024 : random.integer(1, 20);
  options.constraint_threads = 0;
  return options;
}

struct Alone {
  std::vector<Text> tokens;
  bool poisoned = false;
};

Alone run_alone(const EngineRequest& request) {
  EngineOptions options;
  options.prefix_cache_bytes = 0;
  options.constraint_threads = 0;
  Simulation sim(with_script(poisoned_hash()), options);
  sim.submit(request);
  one_by_one = true;
  sim.run();
  one_by_one = false;
  return {sim[0].all_tokens(), sim[0].error() && sim[0].error()->code == ErrorCode::kNumerical};
}

bool is_prefix(const Text& part, const Text& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed)
      : random_(seed),
        messages_(random_),
        throws_at_(random_.chance(5) ? random_.integer(0, 100) : -1),
        sim_(with_clock(random_backend(random_)), random_options(random_)),
        limiter_(sim_.clock()) {
    clock_ = &sim_.clock();
    for (access::Tier& tier : tiers_) tier = random_tier(random_);
  }

  void run() {
    for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) {
      if (requests_.size() < 24 && random_.chance(5)) submit();
      if (!requests_.empty()) disturb();
      if (random_.chance(200)) sim_.clock().advance(std::chrono::milliseconds(1001));
      if (random_.chance(400)) sim_.clock().advance(std::chrono::seconds(61));
      sim_.step();
      leave();
    }
    finish();
    check();
  }

 private:
  // A step takes as long as its tokens.
  FakeOptions with_clock(FakeOptions backend) {
    backend.on_forward = [this](std::int64_t step, const model::Batch& batch) {
      std::size_t tokens = 10;
      for (const model::BatchItem& item : batch.items) tokens += item.tokens.size();
      clock_->advance(std::chrono::microseconds(100 * tokens));
      if (step == throws_at_) {
        if (step % 3 == 0) throw std::bad_alloc();
        if (step % 3 == 1) throw step;  // nothing that anybody knows
        throw std::runtime_error("as ordered");
      }
    };
    return backend;
  }

  // As the server does: rate, then a place, then the engine's queue.
  void submit() {
    const EngineRequest request = messages_.make_request(random_);
    const AccountId account = request.account;
    const access::Tier& tier = tiers_[account.value - 1];
    std::optional<Clock::Instant>& promised = promised_[account.value - 1];
    const auto counted = limiter_.take_request(account, tier);
    if (!counted) {
      const std::int64_t retry_after_ms = counted.error().retry_after_ms;
      ASSERT_GT(retry_after_ms, 0);
      EXPECT_TRUE(!promised || clock_->now() < *promised) << "refused when it was told to come";
      promised = clock_->now() + std::chrono::milliseconds(retry_after_ms);
      return;
    }
    promised.reset();
    const std::int64_t reasoning = random_.chance(2) ? random_.integer(0, 60) : 0;
    if (limiter_.enter(account, tier, reasoning, *counted)) return;
    if (!sim_.try_submit(request)) return limiter_.leave(account, reasoning, 0);
    requests_.push_back(request);
    places_.push_back(Place{account, reasoning});
  }

  // A request's place is free once its reader has seen the end, or has gone.
  void leave() {
    std::int64_t held = 0;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      std::optional<Place>& place = places_[i];
      if (place && (sim_.entry(i).events == nullptr || sim_[i].is_over())) {
        const auto generated = static_cast<std::int64_t>(sim_[i].tokens().size());
        limiter_.leave(place->account, place->reasoning, std::min(place->reasoning, generated));
        place.reset();
      }
      if (place) held += 1 + place->reasoning;
    }
    ASSERT_EQ(limiter_.held(), held);
    ASSERT_LE(sim_.ledger().running() + sim_.ledger().waiting(), std::ssize(requests_));
  }

  void disturb() {
    const auto index = static_cast<std::size_t>(
        random_.integer(0, static_cast<std::int32_t>(requests_.size()) - 1));
    if (random_.chance(60)) sim_.cancel(index);
    if (random_.chance(80)) sim_.entry(index).events.reset();
    if (random_.chance(2)) sim_.read(index);
    if (random_.chance(3)) sim_.read_all();
  }

  // Nobody is disturbed any more: it has to end, and in no more steps than there are tokens.
  void finish() {
    std::int64_t steps = 200;
    for (const EngineRequest& request : requests_)
      steps += 4 * (static_cast<std::int64_t>(request.prompt.size()) +
                    std::int64_t{request.max_tokens} * request.choices);
    sim_.read_all();
    for (; steps > 0 && !sim_.core().is_idle() && !testing::Test::HasFailure(); --steps) {
      const bool computed = sim_.step();
      sim_.read_all();
      ASSERT_TRUE(computed || sim_.core().is_idle()) << "somebody waits, and nothing is computed";
      leave();
    }
    ASSERT_TRUE(sim_.core().is_idle()) << "no end";
  }

  void check() {
    EXPECT_EQ(sim_.backend().live_sequences(), 0);
    EXPECT_EQ(sim_.backend().memory().kv_blocks_running, 0);
    EXPECT_EQ(sim_.ledger().running() + sim_.ledger().waiting(), 0);
    EXPECT_EQ(sim_.counters().backlog_tokens, 0);
    leave();
    EXPECT_EQ(limiter_.held(), 0);
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (sim_.entry(i).events == nullptr) continue;
      SCOPED_TRACE(testing::Message() << "request " << i);
      EXPECT_TRUE(sim_[i].is_over());
      const Alone alone = run_alone(requests_[i]);
      for (std::size_t choice = 0; choice < alone.tokens.size(); ++choice) {
        const Text& expected = alone.tokens[choice];
        // Of a run only the last token's row is looked at.
        if (alone.poisoned && is_prefix(expected, sim_[i].tokens(choice))) continue;
        if (sim_[i].is_done()) {
          EXPECT_EQ(sim_[i].tokens(choice), expected);
        } else {
          EXPECT_TRUE(is_prefix(sim_[i].tokens(choice), expected) ||
                      sim_[i].error()->code == ErrorCode::kNumerical ||
                      sim_[i].error()->code == ErrorCode::kDeadEnd);
        }
      }
    }
  }

  struct Place {
    AccountId account;
    std::int64_t reasoning;
  };

  TestRandom random_;
  const Messages messages_;
  const std::int64_t throws_at_;
  FakeClock* clock_ = nullptr;
  Simulation sim_;
  access::Limiter limiter_;
  access::Tier tiers_[3];
  std::optional<Clock::Instant> promised_[3];  // by account: when a refused one may come again
  std::vector<EngineRequest> requests_;
  std::vector<std::optional<Place>> places_;  // of each, while the limiter holds it
};

TEST(EngineSim, RandomSchedules) {
  for_each_seed(seeds, "engine_sim", [](std::uint64_t seed) { Schedule(seed).run(); });
}

}  // namespace
}  // namespace tessera::engine

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  tessera::engine::seeds = tessera::engine::seeds_of(argc, argv, {.first = 0, .count = 400});
  return RUN_ALL_TESTS();
}
