// Constraints in the engine: forced and masked tokens, alone and in company.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <stdexcept>
#include <thread>

#include "engine/test_constraint.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

using testing::ElementsAre;

constexpr TokenId kEnd = 0;  // as make_test_request has it

NextToken allow(std::vector<TokenId> tokens, std::span<std::uint32_t> mask) {
  allow_only(tokens, mask);
  return NextToken::masked();
}

std::vector<std::vector<TokenId>> run_alone(const FakeScript& script,
                                            const EngineRequest& request) {
  Simulation sim(with_script(script));
  sim.submit(request);
  sim.run();
  EXPECT_TRUE(sim[0].is_done());
  return sim[0].all_tokens();
}

TEST(Constraint, FreeAndAMaskOfOnesChangeNothing) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    EngineRequest request = random_sampled({1, 2, 3}, 30, seed);
    request.choices = 3;
    request.sampling.top_k = seed % 2 == 0 ? 0 : 20;
    request.sampling.presence_penalty = 1;
    const auto expected = run_alone(script_hash(1), request);
    request.make_constraint = constrain([](auto, auto) { return NextToken::free(); });
    EXPECT_EQ(run_alone(script_hash(1), request), expected);
    request.make_constraint = constrain([](auto, std::span<std::uint32_t> mask) {
      std::fill(mask.begin(), mask.end(), ~std::uint32_t{0});
      return NextToken::masked();
    });
    EXPECT_EQ(run_alone(script_hash(1), request), expected);
    request.make_constraint = [](std::int32_t) { return nullptr; };
    EXPECT_EQ(run_alone(script_hash(1), request), expected);
  }
}

TEST(Constraint, AMaskIsWhatBanningTheRestWouldBe) {
  FakeOptions backend = with_script(script_hash(2));
  backend.limits.vocabulary = 77;  // the last word of the mask is not full
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<TokenId> allowed = {0, 5, 31, 32, 63, 64, 76};
    EngineRequest banning = random_sampled({1, 2, 3}, 20, seed);
    banning.sampling.logit_bias = {{5, 3.0f}, {6, 100.0f}};
    EngineRequest masking = banning;
    for (TokenId id = 0; id < 77; ++id)
      if (std::find(allowed.begin(), allowed.end(), id) == allowed.end())
        banning.sampling.banned.push_back(id);
    masking.make_constraint =
        constrain([&](auto, std::span<std::uint32_t> mask) { return allow(allowed, mask); });
    Simulation sim(backend);
    sim.submit(banning);
    sim.submit(masking);
    sim.run();
    EXPECT_EQ(sim[1].tokens(), sim[0].tokens());
    EXPECT_EQ(sim[1].end(), sim[0].end());
  }
}

// The model has said what it was made to say: the rest is what follows a prompt of the same tokens.
TEST(Constraint, ForcedTokensArePartOfTheSequence) {
  EngineRequest request = random_sampled({1, 2, 3}, 20, 7);
  request.sampling.banned = {50};  // forcing is stronger
  request.make_constraint =
      constrain([](std::span<const TokenId> generated, auto) -> Result<NextToken> {
        if (generated.size() < 3)
          return NextToken::forced(static_cast<TokenId>(50 + generated.size()));
        return NextToken::free();
      });
  std::vector<TokenId> tokens = run_alone(script_hash(3), request)[0];
  ASSERT_GT(tokens.size(), 3U);
  EXPECT_THAT(std::vector(tokens.begin(), tokens.begin() + 3), ElementsAre(50, 51, 52));
  EngineRequest spelt_out = random_sampled({1, 2, 3, 50, 51, 52}, 17, 7);
  spelt_out.sampling.banned = {50};
  tokens.erase(tokens.begin(), tokens.begin() + 3);
  EXPECT_EQ(run_alone(script_hash(3), spelt_out)[0], tokens);
}

TEST(Constraint, ForcedTokensCountAgainstMaxTokens) {
  EngineRequest request = make_test_request({1}, 3);
  request.make_constraint = constrain([](auto, auto) { return NextToken::forced(42); });
  Simulation sim(with_script(script_responses({{}}, kEnd)));  // the model would end at once
  sim.submit(request);
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(42, 42, 42));
  EXPECT_EQ(sim[0].end(), EndReason::kMaxTokens);
  EXPECT_EQ(sim.counters().generated_tokens, 3);
}

TEST(Constraint, TheAnswerEndsOnlyWhereAnEndTokenIsAllowed) {
  EngineRequest request = make_test_request({1}, 20);
  request.make_constraint = constrain(
      [](std::span<const TokenId> generated, std::span<std::uint32_t> mask) -> Result<NextToken> {
        if (generated.size() < 4) return allow({7, 8}, mask);
        return allow({9, kEnd}, mask);
      });
  Simulation sim(with_script(script_responses({{}}, kEnd)));
  sim.submit(request);
  request.make_constraint = constrain([](std::span<const TokenId> generated, auto) {
    return generated.size() < 2 ? NextToken::forced(5) : NextToken::forced(kEnd);
  });
  sim.submit(request);
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(7, 7, 7, 7));
  EXPECT_EQ(sim[0].end(), EndReason::kEnd);
  EXPECT_THAT(sim[1].tokens(), ElementsAre(5, 5));
  EXPECT_EQ(sim[1].end(), EndReason::kEnd);
}

TEST(Constraint, EveryChoiceHasItsOwn) {
  EngineRequest request = make_test_request({1}, 3);
  request.choices = 3;
  request.make_constraint = [](std::int32_t choice) -> std::unique_ptr<Constraint> {
    if (choice == 1) return nullptr;
    return std::make_unique<TestConstraint>(
        [choice](std::span<const TokenId> generated, auto) -> Result<NextToken> {
          return NextToken::forced(static_cast<TokenId>(10 * (choice + 1) + generated.size()));
        });
  };
  const auto tokens = run_alone(script_never_ends(9), request);
  EXPECT_THAT(tokens,
              ElementsAre(ElementsAre(10, 11, 12), ElementsAre(9, 9, 9), ElementsAre(30, 31, 32)));
}

TEST(Constraint, ADeadEndEndsItsRequestAlone) {
  const auto dead_at = [](std::size_t tokens) {
    return constrain([tokens](std::span<const TokenId> generated, auto) -> Result<NextToken> {
      if (generated.size() == tokens) return fail(ErrorCode::kDeadEnd, "no way on");
      return NextToken::free();
    });
  };
  for (const std::size_t tokens : {0, 3}) {
    Simulation sim(with_script(script_count(20, 6, kEnd)));
    EngineRequest request = make_test_request({1}, 10);
    sim.submit(request);
    request.choices = 2;
    request.make_constraint = dead_at(tokens);
    sim.submit(request);
    request.make_constraint = nullptr;
    sim.submit(request);
    sim.run();
    ASSERT_TRUE(sim[1].error());
    EXPECT_EQ(sim[1].error()->code, ErrorCode::kDeadEnd);
    EXPECT_LE(sim[1].tokens().size(), tokens);
    for (const std::size_t other : {0, 2}) {
      EXPECT_TRUE(sim[other].is_done());
      EXPECT_THAT(sim[other].tokens(), ElementsAre(20, 21, 22, 23, 24, 25));
    }
  }
}

TEST(Constraint, AMaskOfBannedTokensAloneIsTheRequestsFault) {
  EngineRequest request = make_test_request({1}, 10);
  request.sampling.banned = {7, 8};
  request.make_constraint =
      constrain([](auto, std::span<std::uint32_t> mask) { return allow({7, 8}, mask); });
  Simulation sim(with_script(script_never_ends(9)));
  sim.submit(request);
  sim.run();
  ASSERT_TRUE(sim[0].error());
  EXPECT_EQ(sim[0].error()->code, ErrorCode::kInvalidArgument);
  EXPECT_NE(sim[0].error()->message.find("output's form"), std::string::npos);
}

TEST(Constraint, ABrokenRowFailsAlsoWhereTheTokenIsForced) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    EngineRequest request = make_test_request({1}, 10);
    request.make_constraint = constrain([](auto, auto) { return NextToken::forced(42); });
    Simulation sim(with_script([bad](const FakeContext& context, std::span<float> logits) {
      write_one_hot(9, logits);
      if (context.generated().size() == 2) std::fill(logits.begin(), logits.end(), bad);
    }));
    sim.submit(request);
    sim.run();
    ASSERT_TRUE(sim[0].error());
    EXPECT_EQ(sim[0].error()->code, ErrorCode::kNumerical);
    EXPECT_THAT(sim[0].tokens(), ElementsAre(42, 42));
  }
}

// Forced here and there, between tokens that the model chooses.
Result<NextToken> force_in_runs(std::span<const TokenId> generated, std::span<std::uint32_t>) {
  const auto count = static_cast<TokenId>(generated.size());
  if (count % 7 < 4) return NextToken::forced(40 + count % 11);
  return NextToken::free();
}

EngineRequest in_runs(std::int32_t max_tokens, bool tells) {
  EngineRequest request = random_sampled({1, 2, 3}, max_tokens, 5);
  request.end_tokens = {};
  request.sampling.presence_penalty = 1;
  request.make_constraint = constrain(force_in_runs, tells);
  return request;
}

TEST(ForcedRun, GoesThroughTheModelInOneStepAndIsTheSame) {
  for (std::int32_t max_tokens = 1; max_tokens < 40; ++max_tokens) {
    Simulation one_by_one(with_script(script_hash(1)));
    one_by_one.submit(in_runs(max_tokens, false));
    one_by_one.run();
    EXPECT_EQ(one_by_one.counters().steps, max_tokens);
    Simulation at_once(with_script(script_hash(1)));
    at_once.submit(in_runs(max_tokens, true));
    at_once.run();
    EXPECT_EQ(at_once[0].all_tokens(), one_by_one[0].all_tokens());
    EXPECT_EQ(at_once[0].end(), EndReason::kMaxTokens);
    EXPECT_EQ(at_once.counters().generated_tokens, max_tokens);
    // The prompt's row gives four tokens; of each seven behind them three have a row of their own.
    if (max_tokens == 35 || max_tokens == 39) EXPECT_EQ(at_once.counters().steps, 1 + 3 * 5);
  }
}

TEST(ForcedRun, IsCutWhereTheStepIsFull) {
  for (const std::int32_t batch_tokens : {1, 2, 3, 5}) {
    FakeOptions backend = with_script(script_hash(1));
    backend.limits.max_batch_tokens = batch_tokens;
    Simulation sim(backend);
    EngineRequest request = in_runs(30, true);
    request.choices = 2;
    sim.submit(request);
    sim.submit(in_runs(20, true));
    sim.run();
    request.make_constraint = constrain(force_in_runs);
    EXPECT_EQ(sim[0].all_tokens(), run_alone(script_hash(1), request));
    EXPECT_EQ(sim[1].all_tokens(), run_alone(script_hash(1), in_runs(20, false)));
  }
}

TEST(ForcedRun, WaitsForARowEachWhereLogProbabilitiesAreWanted) {
  EngineRequest request = in_runs(20, true);
  request.top_logprobs = 1;
  Simulation sim(with_script(script_hash(1)));
  sim.submit(request);
  while (sim.step()) {
  }
  EXPECT_EQ(sim.counters().steps, 20);
  std::vector<TokenId> tokens;
  while (const std::optional<EngineEvent> event = sim.entry(0).events->pop()) {
    const auto* token = std::get_if<TokenEvent>(&*event);
    if (token == nullptr) continue;
    EXPECT_EQ(token->logprobs.size(), 2U);
    EXPECT_EQ(token->logprobs[0].token, token->token);
    tokens.push_back(token->token);
  }
  EXPECT_EQ(tokens, run_alone(script_hash(1), in_runs(20, false))[0]);
}

TEST(ForcedRun, HasAnEndThoughEverythingIsForced) {
  EngineRequest request = make_test_request({1}, 500);
  request.make_constraint = constrain([](auto, auto) { return NextToken::forced(42); }, true);
  EngineOptions options;
  options.event_channel_capacity = 4;  // less than a run
  Simulation sim(with_script(script_never_ends(9)), options);
  sim.submit(request);
  int steps = 0;
  while (sim.step()) {
    ++steps;
    EXPECT_FALSE(sim.step());  // the reader is behind
    sim.read_all();
  }
  sim.read_all();
  EXPECT_EQ(sim[0].tokens(), std::vector<TokenId>(500, 42));
  EXPECT_EQ(steps, 500 / 32 + 1);
}

TEST(Constraint, WhatAConstraintThrowsEndsItsRequestAlone) {
  enum class Where { kForced, kNext, kAccept };
  struct Throwing final : Constraint {
    explicit Throwing(Where where) : where(where) {}
    void maybe(Where here) {
      if (here == where && tokens == 2) throw std::runtime_error("as ordered");
    }
    std::optional<TokenId> forced() override {
      maybe(Where::kForced);
      return std::nullopt;
    }
    Result<NextToken> next(std::span<std::uint32_t>) override {
      maybe(Where::kNext);
      return NextToken::free();
    }
    TokenId accept(TokenId token) override {
      maybe(Where::kAccept);
      ++tokens;
      return token;
    }
    const Where where;
    int tokens = 0;
  };
  for (const Where where : {Where::kForced, Where::kNext, Where::kAccept}) {
    Simulation sim(with_script(script_count(20, 6, kEnd)));
    EngineRequest request = make_test_request({1}, 10);
    sim.submit(request);
    request.make_constraint = [&](std::int32_t) { return std::make_unique<Throwing>(where); };
    sim.submit(request);
    sim.run();
    ASSERT_TRUE(sim[1].error());
    EXPECT_EQ(sim[1].error()->code, ErrorCode::kUnavailable);
    EXPECT_EQ(sim[1].error()->message.find("ordered"), std::string::npos);
    EXPECT_THAT(sim[0].tokens(), ElementsAre(20, 21, 22, 23, 24, 25));
  }
}

// Each 7 becomes an 8, each 9 the end.
struct Replacing final : Constraint {
  explicit Replacing(bool complete) : complete(complete) {}
  Result<NextToken> next(std::span<std::uint32_t>) override { return NextToken::free(); }
  TokenId accept(TokenId token) override { return token == 7 ? 8 : token == 9 ? kEnd : token; }
  bool is_complete() const override { return complete; }
  const bool complete;
};

TEST(Constraint, PutsAnotherTokenInTheSampledOnesPlace) {
  EngineRequest request = make_test_request({1}, 10);
  request.make_constraint = [](std::int32_t) { return std::make_unique<Replacing>(false); };
  request.top_logprobs = 0;
  Simulation sim(with_script(script_count(5, 9, kEnd)));
  sim.submit(request);
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(5, 6, 8, 8));
  EXPECT_EQ(sim[0].end(), EndReason::kEnd);
}

TEST(Constraint, SaysWhetherTheLastTokenCutTheOutput) {
  for (const bool complete : {false, true}) {
    EngineRequest request = make_test_request({1}, 4);
    request.make_constraint = [=](std::int32_t) { return std::make_unique<Replacing>(complete); };
    Simulation sim(with_script(script_never_ends(20)));
    sim.submit(request);
    sim.run();
    EXPECT_EQ(sim[0].tokens().size(), 4U);
    EXPECT_EQ(sim[0].end(), complete ? EndReason::kEnd : EndReason::kMaxTokens);
  }
}

TEST(Constraint, IsAskedWhileTheModelComputes) {
  std::atomic<int> asked{0};
  std::atomic<bool> computing{false};
  FakeOptions backend = with_script(script_hash(1));
  backend.on_forward = [&](std::int64_t step, const model::Batch&) {
    if (step == 0) return;  // the prompts', of which the last is alone with its row
    computing = true;
    while (asked < 4) std::this_thread::yield();  // for ever, if it were asked afterwards
    asked = 0;
    computing = false;
  };
  Simulation sim(backend);
  EngineRequest request = random_sampled({1}, 6, 1);
  request.end_tokens = {};
  request.choices = 4;
  request.make_constraint = constrain([&](std::span<const TokenId> generated, auto) {
    if (!generated.empty()) ++asked;
    return NextToken::free();
  });
  sim.submit(request);
  sim.run();
  EXPECT_TRUE(sim[0].is_done());
}

}  // namespace
}  // namespace tessera::engine
