// Random schedules of everything that can happen to the engine at once.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/test_constraint.h"
#include "engine/test_random.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

// Forces and masks here and there, as a function of the choice's past alone.
ConstraintFactory random_constraint(std::int32_t salt, bool tells) {
  return constrain(
      [salt](std::span<const TokenId> generated,
             std::span<std::uint32_t> mask) -> Result<NextToken> {
        const auto count = static_cast<std::int32_t>(generated.size()) + salt;
        if (count % 7 == 0) return fail(ErrorCode::kDeadEnd, "no way on");
        if (count % 5 < 2) return NextToken::forced(count % 256);
        if (count % 3 == 1) return NextToken::free();
        for (std::size_t word = 0; word < mask.size(); ++word)
          mask[word] = static_cast<std::uint32_t>(count) * 0x9E3779B1U >> word;
        return NextToken::masked();
      },
      tells);
}

EngineRequest random_request(TestRandom& random, bool tells) {
  std::vector<TokenId> prompt(random.integer(1, 40));
  for (TokenId& token : prompt) token = random.integer(0, 63);
  if (prompt[0] >= 60) prompt[0] += 6;  // 66 and 67 poison it
  EngineRequest request =
      random_sampled(std::move(prompt), random.integer(1, 30), random.integer(0, 1000));
  request.choices = random.chance(3) ? random.integer(1, 4) : 1;
  for (TokenId id = 0; id < 24; ++id) request.end_tokens.push_back(id);
  request.sampling.presence_penalty = random.chance(2) ? 1.0f : 0.0f;
  if (random.chance(3)) request.make_constraint = random_constraint(random.integer(0, 100), tells);
  return request;
}

FakeOptions random_backend(TestRandom& random) {
  FakeOptions backend = with_script(poisoned_hash());
  backend.limits.max_sequences = random.integer(4, 9);
  backend.limits.max_batch_tokens = random.integer(1, 64);
  backend.max_reserved_tokens = random.integer(280, 600);
  return backend;
}

EngineOptions random_options(TestRandom& random) {
  EngineOptions options;
  options.max_running_requests = random.integer(0, 6);
  options.prefill_chunk = random.integer(1, 32);
  options.event_channel_capacity = random.integer(1, 12);
  options.stall_timeout_ms = 1000;
  options.constraint_threads = random.chance(10) ? random.integer(1, 3) : 0;
  return options;
}

struct Alone {
  std::vector<std::vector<TokenId>> tokens;
  bool poisoned = false;
};
Alone run_alone(const EngineRequest& request) {
  EngineOptions options;
  options.constraint_threads = 0;
  Simulation sim(with_script(poisoned_hash()), options);
  sim.submit(request);
  sim.run();
  return {sim[0].all_tokens(), sim[0].error() && sim[0].error()->code == ErrorCode::kNumerical};
}

bool is_prefix(const std::vector<TokenId>& part, const std::vector<TokenId>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// Requests come, are cancelled, lose their readers or read slowly, steps fail, all at random. In
// the end everybody has had exactly one terminal event, and what each one got is what it gets
// alone, as far as it came.
void run_random_schedule(std::uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  TestRandom random(seed);
  FakeOptions backend = random_backend(random);
  if (random.chance(4)) backend.fail_at_step = random.integer(0, 40);
  Simulation sim(std::move(backend), random_options(random));
  std::vector<EngineRequest> requests;
  for (int i = 0; i < 120; ++i) {
    if (requests.size() < 8 && random.chance(8)) {
      // Forced tokens go through the model in runs here, and one by one in run_alone().
      TestRandom again = random;
      sim.submit(random_request(again, true));
      requests.push_back(random_request(random, false));
    }
    if (!requests.empty()) {
      const auto index = static_cast<std::size_t>(
          random.integer(0, static_cast<std::int32_t>(requests.size()) - 1));
      if (random.chance(60)) sim.cancel(index);
      if (random.chance(80)) sim.entry(index).events.reset();
      if (random.chance(2)) sim.read(index);
    }
    if (random.chance(4)) sim.read_all();
    if (random.chance(100)) sim.clock().advance(std::chrono::milliseconds(1001));
    sim.step();
  }
  sim.read_all();
  sim.run();
  EXPECT_TRUE(sim.core().is_idle());
  EXPECT_EQ(sim.backend().live_sequences(), 0);
  EXPECT_EQ(sim.ledger().running() + sim.ledger().waiting(), 0);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (sim.entry(i).events == nullptr) continue;
    EXPECT_TRUE(sim[i].is_over());
    const Alone alone = run_alone(requests[i]);
    for (std::size_t choice = 0; choice < alone.tokens.size(); ++choice) {
      const std::vector<TokenId>& tokens = sim[i].tokens(choice);
      const std::vector<TokenId>& expected = alone.tokens[choice];
      // Of forced tokens that went through the model together only the last one's row is looked at.
      if (alone.poisoned && is_prefix(expected, tokens)) continue;
      if (sim[i].is_done()) {
        EXPECT_EQ(tokens, expected);
      } else {
        EXPECT_TRUE(is_prefix(tokens, expected) || sim[i].error()->code == ErrorCode::kNumerical ||
                    sim[i].error()->code == ErrorCode::kDeadEnd);
      }
    }
  }
}

TEST(EngineSchedules, RandomSchedulesEndEveryRequestOnceWithItsOwnTokens) {
  for (std::uint64_t seed = 0; seed < 3000 && !testing::Test::HasFailure(); ++seed)
    run_random_schedule(seed);
}

}  // namespace
}  // namespace tessera::engine
