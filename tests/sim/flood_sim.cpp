// One account floods, and another asks now and then: what that does to the time to its first token,
// on a fake clock with the step times of eight layers of the true shape and of a small model.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "engine/test_simulation.h"
#include "engine/test_step_times.h"

namespace tessera::engine {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

struct Shape {
  int clients = 0;  // of the flood, each with one request in; 0: there is none
  int longest = 1;  // tokens of their prompts, at most; every second one: an eighth
  int longest_answer = 1;
};

class Flood {
 public:
  Flood(Shape shape, std::function<double(std::size_t)> step_ms)
      : shape_(shape), step_ms_(std::move(step_ms)), sim_(with_clock(), options()) {
    clock_ = &sim_.clock();
  }

  void become(Shape shape) { shape_ = shape; }
  // Of so many requests of the other account, one after the other at random moments.
  std::vector<double> first_token_ms(int requests, std::int32_t prompt) {
    std::vector<double> times;
    for (int i = 0; i < requests; ++i) {
      const auto due =
          clock_->now() +
          std::chrono::duration_cast<Clock::Duration>(Milliseconds(std::uniform_real_distribution<>(
              0, 8 * step_ms_(static_cast<std::size_t>(prompt)))(random_)));
      while (clock_->now() < due && (shape_.clients > 0 || !sim_.core().is_idle())) step();
      if (clock_->now() < due) clock_->advance(due - clock_->now());
      // It came while the step that has just ended was computed.
      const std::size_t index = submit(2, prompt, 8);
      while (!sim_[index].saw_prefill()) step();
      times.push_back(Milliseconds(clock_->now() - due).count());
      while (!sim_[index].is_over()) step();
      sim_.entry(index).events.reset();
    }
    std::sort(times.begin(), times.end());
    return times;
  }
  // What is computed from then on for so long.
  double tokens_in(Clock::Duration time) {
    const auto computed = [this] {
      return static_cast<double>(sim_.counters().generated_tokens + sim_.counters().prompt_tokens);
    };
    const double before = computed();
    for (const auto end = clock_->now() + time; clock_->now() < end;) step();
    return computed() - before;
  }

 private:
  static EngineOptions options() {
    EngineOptions options;
    options.max_queue = 1000;
    options.account_share = 0.75;
    options.prefix_cache_bytes = 0;
    return options;
  }
  FakeOptions with_clock() {
    FakeOptions backend = with_script(script_never_ends(5));
    backend.limits.max_context = 100'000;
    backend.limits.max_sequences = 128;
    backend.limits.max_batch_tokens = 512;
    backend.on_forward = [this](std::int64_t, const model::Batch& batch) {
      std::size_t tokens = 0;
      for (const model::BatchItem& item : batch.items) tokens += item.tokens.size();
      clock_->advance(std::chrono::duration_cast<Clock::Duration>(Milliseconds(step_ms_(tokens))));
    };
    return backend;
  }
  std::size_t submit(std::uint64_t account, std::int32_t prompt, std::int32_t answer) {
    EngineRequest request =
        make_test_request(std::vector<TokenId>(static_cast<std::size_t>(prompt), 1), answer);
    request.account = AccountId{account};
    live_.push_back(sim_.submit(request));
    return live_.back();
  }
  void step() {
    const auto up_to = [this](int most) {
      return 1 + static_cast<std::int32_t>(random_() % static_cast<unsigned>(std::max(1, most)));
    };
    while (std::cmp_less(live_.size(), shape_.clients)) {
      const int part = random_() % 2 == 0 ? 1 : 8;
      submit(1, up_to(shape_.longest / part), up_to(shape_.longest_answer / part));
    }
    sim_.step();
    std::erase_if(live_, [this](std::size_t index) {
      sim_.read(index);
      return sim_[index].is_over();
    });
  }

  Shape shape_;
  const std::function<double(std::size_t)> step_ms_;
  FakeClock* clock_ = nullptr;
  std::minstd_rand random_{5};
  std::vector<std::size_t> live_;
  Simulation sim_;
};

double quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// Long prompts and answers, many answers at a time, short ones in bursts, prompts without end.
constexpr Shape kFloods[] = {{96, 1024, 256}, {96, 100, 1000}, {250, 40, 40}, {200, 8000, 20}};

// In the middle less than twice as late; at worst by a step that has just begun, which with the
// least that a crowd has of a step takes twice as long as eight tokens.
void expect_little_later(const std::function<double(std::size_t)>& step_ms) {
  for (const std::int32_t prompt : {8, 32, 100, 250, 1000}) {
    const std::vector<double> idle = Flood({}, step_ms).first_token_ms(50, prompt);
    for (const Shape& shape : kFloods) {
      SCOPED_TRACE(testing::Message() << "prompt of " << prompt << " beside " << shape.clients
                                      << " of " << shape.longest << " / " << shape.longest_answer);
      const std::vector<double> times = Flood(shape, step_ms).first_token_ms(100, prompt);
      EXPECT_LE(quantile(times, 0.5), 2 * quantile(idle, 0.5));
      EXPECT_LE(quantile(times, 0.99), (prompt < 32 ? 3.5 : 2.5) * quantile(idle, 0.99));
    }
  }
}

TEST(FloodSim, AFloodDoesNotDoubleAnothersTimeToFirstTokenOnTheTrueShape) {
  expect_little_later(step_ms);
}

// As a small model does, whose weights stay in the caches: all tokens cost the same.
TEST(FloodSim, NorWhereTokensShareNothing) {
  expect_little_later([](std::size_t tokens) { return 0.5 + 0.03 * static_cast<double>(tokens); });
}

// The first who comes when the flood has begun has been there shortly before.
TEST(FloodSim, TheFirstBesideAFloodWaitsNoLonger) {
  for (const Shape& shape : kFloods) {
    for (const int seconds : {1, 2, 4, 8}) {
      Flood flood({}, step_ms);
      const std::vector<double> idle = flood.first_token_ms(20, 32);
      flood.become(shape);
      (void)flood.tokens_in(std::chrono::seconds(seconds));
      EXPECT_LE(flood.first_token_ms(1, 32)[0], 2.5 * quantile(idle, 0.5)) << shape.longest;
    }
  }
}

// Prompts that wait are read in large chunks, whatever is answered beside them: many at once are
// to be served faster, not at the pace of a few answers.
TEST(FloodSim, ABacklogOfPromptsIsReadFast) {
  const double most = 256 / step_ms(256) * 1000;  // tokens a second
  const auto share = [&](Shape shape) {
    Flood flood(shape, step_ms);
    (void)flood.tokens_in(std::chrono::seconds(100));
    return flood.tokens_in(std::chrono::seconds(200)) / 200 / most;
  };
  EXPECT_GE(share({16, 1024, 256}), 0.4);
  EXPECT_GE(share({96, 1024, 256}), 0.7);
}

TEST(FloodSim, WhileNobodyElseIsThereTheFloodHasTheMachine) {
  for (const Shape& shape : kFloods) {
    Flood alone(shape, step_ms);
    Flood watched(shape, step_ms);
    (void)watched.first_token_ms(10, 32);
    // The minute of being watched, and until as many run again.
    for (Flood* flood : {&alone, &watched}) (void)flood->tokens_in(std::chrono::seconds(500));
    EXPECT_GE(watched.tokens_in(std::chrono::seconds(200)),
              0.8 * alone.tokens_in(std::chrono::seconds(200)));
  }
}

}  // namespace
}  // namespace tessera::engine
