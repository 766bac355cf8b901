// A long prompt beside short requests, on the fake clock: what each costs the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

#include "engine/test_simulation.h"
#include "engine/test_step_times.h"

namespace tessera::engine {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

class LongPrompt {
 public:
  LongPrompt() : sim_(with_clock(), {}) { clock_ = &sim_.clock(); }

  struct Small {
    std::vector<double> first_ms, gaps_ms;
  };

  // Small requests of 100 tokens and answers of 8, one after the other, at random moments. Alone
  // they take a tenth of the time. `count` of them, or with 0 as long as the long prompt is read.
  Small small_ones(std::size_t count, std::size_t long_one) {
    Small seen;
    while (count > 0 ? seen.first_ms.size() < count : !sim_[long_one].is_over()) {
      const double wait = std::uniform_real_distribution<>(0, 2 * 9 * (kFirstMs + 7 * 25))(random_);
      run_until(
          sim_.clock().now() + std::chrono::duration_cast<Clock::Duration>(Milliseconds(wait)),
          long_one);
      if (count == 0 && sim_[long_one].is_over()) break;
      small_one(seen);
    }
    return seen;
  }
  std::size_t submit(std::int32_t prompt, std::int32_t answer) {
    std::vector<TokenId> tokens(static_cast<std::size_t>(prompt));
    for (TokenId& token : tokens) token = static_cast<TokenId>(random_() % 60);
    return sim_.submit(make_test_request(std::move(tokens), answer));
  }
  double now_ms() { return Milliseconds(sim_.clock().now().time_since_epoch()).count(); }
  void finish(std::size_t index) {
    while (!sim_[index].is_over()) step();
  }

  static constexpr double kFirstMs = 220;  // about what 100 tokens take

 private:
  FakeOptions with_clock() {
    FakeOptions backend = with_script(script_never_ends(5));
    backend.limits.max_context = 100'000;
    backend.limits.state_bytes_per_sequence = 3145;  // of tokens, as the true shape has it
    backend.on_forward = [this](std::int64_t, const model::Batch& batch) {
      std::size_t tokens = 0;
      for (const model::BatchItem& item : batch.items) tokens += item.tokens.size();
      clock_->advance(std::chrono::duration_cast<Clock::Duration>(Milliseconds(step_ms(tokens))));
    };
    return backend;
  }
  void step() {
    sim_.step();
    sim_.read_all();
  }
  void run_until(Clock::Instant time, std::size_t long_one) {
    const bool reads = long_one < sim_.size();
    while (sim_.clock().now() < time && reads && !sim_[long_one].is_over()) step();
    if (sim_.clock().now() < time && !(reads && sim_[long_one].is_over()))
      sim_.clock().advance(time - sim_.clock().now());
    arrived_ms_ = std::min(now_ms(), Milliseconds(time.time_since_epoch()).count());
  }
  // It arrived within the step that has just ended, if there was one.
  void small_one(Small& seen) {
    const std::size_t index = submit(100, 8);
    double last = arrived_ms_;
    for (std::size_t tokens = 0; tokens < 8;) {
      step();
      const std::size_t now = sim_[index].tokens().size();
      if (now == tokens) continue;
      (tokens == 0 ? seen.first_ms : seen.gaps_ms).push_back(now_ms() - last);
      last = now_ms();
      tokens = now;
    }
    finish(index);
  }

  FakeClock* clock_ = nullptr;
  std::minstd_rand random_{3};
  double arrived_ms_ = 0;
  Simulation sim_;
};

TEST(LongPromptTest, ShortRequestsAndTheLongOneBearEachOther) {
  constexpr std::int32_t kLong = 60'000;
  LongPrompt idle;
  const LongPrompt::Small alone = idle.small_ones(100, 1'000'000);

  LongPrompt quiet;
  const std::size_t lone = quiet.submit(kLong, 1);
  double start = quiet.now_ms();
  quiet.finish(lone);
  const double lone_ms = quiet.now_ms() - start;

  LongPrompt together;
  const std::size_t read = together.submit(kLong, 1);
  start = together.now_ms();
  const LongPrompt::Small beside = together.small_ones(0, read);
  const double beside_ms = together.now_ms() - start;

  ASSERT_GE(beside.first_ms.size(), 20U);
  EXPECT_LE(quantile(beside.first_ms, 0.99), 3 * quantile(alone.first_ms, 0.99));
  EXPECT_LE(quantile(beside.gaps_ms, 0.99), 2 * quantile(alone.gaps_ms, 0.99));
  EXPECT_LE(1 - lone_ms / beside_ms, 0.15);
}

}  // namespace
}  // namespace tessera::engine
