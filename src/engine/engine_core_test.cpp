// The engine step by step, without its thread: order, shares, memory and how answers end by
// themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

using testing::ElementsAre;

TEST(EngineCore, WritesTheScriptThenEnds) {
  Simulation sim(with_script(script_responses({{5, 6, 7}}, 0)));
  sim.submit(make_test_request({1, 2, 3}, 10));
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(5, 6, 7));
  EXPECT_EQ(sim[0].end(), EndReason::kEnd);
  EXPECT_TRUE(sim[0].is_done());
  EXPECT_EQ(sim.counters().steps, 4);
  EXPECT_EQ(sim.counters().prompt_tokens, 3);
  EXPECT_EQ(sim.counters().generated_tokens, 3);
}

TEST(EngineCore, StopsAtMaxTokens) {
  Simulation sim(with_script(script_never_ends(9)));
  sim.submit(make_test_request({1}, 1));
  sim.submit(make_test_request({1}, 4));
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(9));
  EXPECT_EQ(sim[0].end(), EndReason::kMaxTokens);
  EXPECT_THAT(sim[1].tokens(), ElementsAre(9, 9, 9, 9));
  EXPECT_EQ(sim[1].end(), EndReason::kMaxTokens);
}

// Who reads at once would be called twice: for the last token, and for the end behind it.
TEST(EngineCore, TheStepThatEndsARequestCallsItsReaderOnce) {
  const auto calls = [](FakeOptions backend, std::int32_t max_tokens) {
    Simulation sim(std::move(backend));
    int count = 0;
    std::shared_ptr<EventChannel> events;
    events = std::make_shared<EventChannel>(8, [&] {
      ++count;
      while (events->pop()) {
      }
    });
    const EngineRequest request = make_test_request({1}, max_tokens);
    sim.core().add(
        std::make_unique<LiveRequest>(*sim.ledger().accept(request.account), request, events));
    while (sim.step()) {
    }
    return count;
  };
  EXPECT_EQ(calls(with_script(script_never_ends(9)), 1), 1);
  EXPECT_EQ(calls(with_script(script_never_ends(9)), 3), 3);
  EXPECT_EQ(calls(with_script(script_responses({{5, 6}}, 0)), 10), 3);
}

TEST(EngineCore, FillsTheContextToTheLastToken) {
  FakeOptions backend = with_script(script_never_ends(9));
  backend.limits.max_context = 12;
  Simulation sim(std::move(backend));
  sim.submit(make_test_request({1, 2}, 10));
  sim.run();
  EXPECT_EQ(sim[0].tokens().size(), 10U);
}

TEST(EngineCore, EachEndTokenEndsAndNoneIsPublished) {
  Simulation sim(with_script(script_responses({{5, 17, 6}, {17}, {5, 0}}, 0)));
  EngineRequest request = make_test_request({1}, 10);
  request.end_tokens = {17, 0};
  for (int i = 0; i < 3; ++i) sim.submit(request);
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(5));
  EXPECT_THAT(sim[1].tokens(), ElementsAre());
  EXPECT_THAT(sim[2].tokens(), ElementsAre(5));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(sim[i].end(), EndReason::kEnd);
}

TEST(EngineCore, WithoutEndTokensOnlyTheLimitEnds) {
  Simulation sim(with_script(script_responses({{5}}, 0)));
  EngineRequest request = make_test_request({1}, 3);
  request.end_tokens.clear();
  sim.submit(request);
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(5, 0, 0));
}

TEST(EngineCore, CutsPromptsIntoChunks) {
  std::vector<std::size_t> sizes;
  FakeOptions backend = with_script(script_echo(0));
  backend.on_forward = [&](std::int64_t, const model::Batch& batch) {
    sizes.push_back(batch.items[0].tokens.size());
    EXPECT_EQ(batch.items[0].logits == model::LogitsWanted::kNone, sizes.size() <= 2);
  };
  EngineOptions options;
  options.prefill_chunk = 4;
  Simulation sim(std::move(backend), options);
  const std::vector<TokenId> prompt = {9, 8, 7, 6, 5, 4, 3, 2, 1, 10};
  sim.submit(make_test_request(prompt, 20));
  sim.step();
  sim.step();
  sim.read_all();
  EXPECT_FALSE(sim[0].saw_prefill());
  sim.run();
  EXPECT_EQ(sim[0].tokens(), prompt);
  EXPECT_EQ(std::vector<std::size_t>(sizes.begin(), sizes.begin() + 4),
            (std::vector<std::size_t>{4, 4, 2, 1}));
}

TEST(EngineCore, ChoicesShareThePromptAndGoTheirOwnWays) {
  std::size_t widest = 0;
  FakeOptions backend = with_script(script_hash(1));
  backend.on_forward = [&](std::int64_t, const model::Batch& batch) {
    widest = std::max(widest, batch.items.size());
  };
  Simulation sim(std::move(backend));
  EngineRequest request = random_sampled({1, 2, 3}, 12, 5);
  request.choices = 4;
  sim.submit(request);
  sim.run();
  EXPECT_EQ(sim.counters().prompt_tokens, 3);
  EXPECT_EQ(widest, 4U);
  EXPECT_TRUE(sim[0].is_done());
  EXPECT_NE(sim[0].tokens(0), sim[0].tokens(1));
  EXPECT_NE(sim[0].tokens(1), sim[0].tokens(2));

  request.choices = 1;
  sim.submit(request);
  sim.run();
  EXPECT_EQ(sim[1].tokens(), sim[0].tokens(0));
}

// One choice may end with its first token while others go on, the one that computed the prompt too.
TEST(EngineCore, ChoicesEndOneByOne) {
  FakeOptions backend = with_script([](const FakeContext& context, std::span<float> logits) {
    std::fill(logits.begin(), logits.end(), -30.0f);
    logits[0] = logits[1] = logits[2] = 0;
    if (context.generated().size() > 6) logits[0] = 20;
  });
  Simulation sim(std::move(backend));
  bool first_ended_at_once = false;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    EngineRequest request = random_sampled({1}, 30, seed);
    request.choices = 3;
    const std::size_t index = sim.submit(request);
    sim.run();
    ASSERT_TRUE(sim[index].is_done());
    for (std::size_t choice = 0; choice < 3; ++choice)
      EXPECT_EQ(sim[index].end(choice), EndReason::kEnd);
    first_ended_at_once |= sim[index].tokens(0).empty() && !sim[index].tokens(1).empty();
  }
  EXPECT_TRUE(first_ended_at_once);
}

TEST(EngineCore, RequestsStartInOrder) {
  std::vector<TokenId> first_tokens;
  FakeOptions backend = with_script(script_count(10, 3, 0));
  backend.on_forward = [&](std::int64_t, const model::Batch& batch) {
    for (const model::BatchItem& item : batch.items)
      if (item.position == 0) first_tokens.push_back(item.tokens[0]);
  };
  EngineOptions options;
  options.max_running_requests = 1;
  Simulation sim(std::move(backend), options);
  for (const TokenId token : {1, 2, 3}) sim.submit(make_test_request({token}, 8));
  sim.step();
  EXPECT_EQ(sim.ledger().running(), 1);
  EXPECT_EQ(sim.ledger().waiting(), 2);
  sim.run();
  EXPECT_THAT(first_tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(sim.ledger().running(), 0);
  EXPECT_EQ(sim.ledger().waiting(), 0);
}

TEST(EngineCore, RunsAsManyAsItMay) {
  Simulation all(with_script(script_never_ends(5)));
  EngineOptions options;
  options.max_running_requests = 3;
  Simulation three(with_script(script_never_ends(5)), options);
  FakeOptions small = with_script(script_never_ends(5));
  small.limits.max_sequences = 2;
  Simulation two(std::move(small), options);
  for (int i = 0; i < 10; ++i) {
    for (Simulation* sim : {&all, &three, &two}) sim->submit(make_test_request({1}, 50));
  }
  for (Simulation* sim : {&all, &three, &two}) sim->step();
  EXPECT_EQ(all.ledger().running(), 8);  // the backend's sequences
  EXPECT_EQ(three.ledger().running(), 3);
  EXPECT_EQ(two.ledger().running(), 2);
}

// A ledger with eight places and three quarters for one account alone.
TEST(RequestLedger, OneAccountLeavesPlacesForOthers) {
  RequestLedger ledger(8, 0.75);
  std::vector<RequestId> first;
  for (int i = 0; i < 6; ++i) first.push_back(*ledger.accept(AccountId{1}));
  EXPECT_EQ(ledger.accept(AccountId{1}).error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(ledger.accept(AccountId{2}));
  EXPECT_EQ(ledger.accept(AccountId{2}).error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(ledger.accept(AccountId{3}));
  EXPECT_EQ(ledger.accept(AccountId{4}).error().code, ErrorCode::kResourceExhausted);  // full
  for (const RequestId id : first) {
    ledger.finished(id);
    ledger.delivered();
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ledger.accept(AccountId{1})) << i;
}

// The big one at the head waits for memory; the small one behind it would fit and waits too.
TEST(EngineCore, NobodyOvertakesAHeadThatWaitsForMemory) {
  FakeOptions backend = with_script(script_count(10, 3, 0));
  backend.max_reserved_tokens = 100;
  Simulation sim(std::move(backend));
  sim.submit(make_test_request({1}, 59));
  sim.submit(make_test_request({1}, 69));
  sim.submit(make_test_request({1}, 9));
  sim.step();
  EXPECT_EQ(sim.ledger().running(), 1);
  sim.run();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(sim[i].is_done());
}

// Answers that end early share memory for the most that one of them could have needed; those that
// do not end early wait for each other, and all get to their end.
TEST(EngineCore, AnswersGrowIntoTheMemoryAndNoneIsLost) {
  FakeOptions backend = with_script(script_never_ends(5));
  backend.max_reserved_tokens = 150;
  EngineOptions options;
  options.reserve_tokens = 10;
  Simulation sim(std::move(backend), options);
  for (int i = 0; i < 4; ++i) sim.submit(make_test_request({1, 2}, 98));
  sim.step();
  EXPECT_EQ(sim.ledger().running(), 4);
  sim.run();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(sim[i].is_done());
    EXPECT_EQ(sim[i].tokens().size(), 98U);
  }
  EXPECT_GT(sim.counters().memory_waits, 0);
}

TEST(EngineCore, WhatCouldNotGetToItsEndAloneIsRefused) {
  FakeOptions backend = with_script(script_never_ends(5));
  backend.max_reserved_tokens = 150;
  EngineOptions options;
  options.reserve_tokens = 10;
  Simulation sim(std::move(backend), options);
  sim.submit(make_test_request({1, 2}, 148));
  sim.submit(make_test_request({1, 2}, 149));
  sim.run();
  EXPECT_TRUE(sim[0].is_done());
  ASSERT_TRUE(sim[1].error());
  EXPECT_EQ(sim[1].error()->code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(sim[1].saw_prefill());
}

TEST(EngineCore, WhatCanNeverFitFailsAndTheNextOneGoesOn) {
  FakeOptions backend = with_script(script_count(10, 3, 0));
  backend.max_reserved_tokens = 100;
  Simulation sim(std::move(backend));
  EngineRequest request = make_test_request({1}, 59);
  request.choices = 2;  // both are reserved before anything is computed
  sim.submit(request);
  sim.submit(make_test_request({1}, 59));
  sim.run();
  ASSERT_TRUE(sim[0].error());
  EXPECT_EQ(sim[0].error()->code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(sim[0].saw_prefill());
  EXPECT_TRUE(sim[1].is_done());
}

TEST(EngineCore, AStepWithinTheBatchLimitServesAllInTurn) {
  FakeOptions backend = with_script(script_never_ends(5));
  backend.limits.max_batch_tokens = 3;
  Simulation sim(std::move(backend));
  EngineRequest request = make_test_request({1, 2, 3, 4, 5}, 1000);
  request.choices = 4;
  sim.submit(request);
  for (int i = 0; i < 50; ++i) {
    sim.step();
    sim.read_all();
  }
  const auto [least, most] = std::minmax({sim[0].tokens(0).size(), sim[0].tokens(1).size(),
                                          sim[0].tokens(2).size(), sim[0].tokens(3).size()});
  EXPECT_GT(least, 30U);
  EXPECT_LE(most - least, 1U);
}

TEST(EngineCore, APromptAdvancesBesideDecodesThatFillTheStep) {
  for (const std::int32_t batch_tokens : {1, 2, 4}) {
    FakeOptions backend = with_script(script_never_ends(5));
    backend.limits.max_batch_tokens = batch_tokens;
    Simulation sim(std::move(backend));
    EngineRequest request = make_test_request({1}, 1000);
    request.choices = 4;
    sim.submit(request);
    sim.step();
    sim.submit(make_test_request(std::vector<TokenId>(20, 1), 1000));
    for (int i = 0; i < 60; ++i) {
      sim.step();
      sim.read_all();
    }
    EXPECT_FALSE(sim[1].tokens().empty()) << batch_tokens;
    EXPECT_FALSE(sim[0].tokens(3).empty()) << batch_tokens;
  }
}

TEST(EngineCore, EachChoiceRemembersWhatItSaid) {
  FakeOptions backend = with_script([](const FakeContext&, std::span<float> logits) {
    std::fill(logits.begin(), logits.end(), -30.0f);
    logits[5] = 3;
    logits[6] = 2;
  });
  Simulation sim(std::move(backend));
  EngineRequest request = make_test_request({5, 5, 6}, 4);
  request.sampling.presence_penalty = 2;
  sim.submit(request);
  sim.run();
  EXPECT_THAT(sim[0].tokens(), ElementsAre(5, 6, 5, 5));
}

// The copies after the prompt cannot fail for want of memory: what they need was reserved, and is
// given back first.
TEST(EngineCore, CopiesFitIntoWhatWasReserved) {
  FakeOptions backend = with_script(script_count(10, 5, 0));
  backend.max_reserved_tokens = 3 * 11;
  backend.limits.max_sequences = 3;
  Simulation sim(std::move(backend));
  EngineRequest request = make_test_request({1}, 10);
  request.choices = 3;
  sim.submit(request);
  sim.run();
  EXPECT_TRUE(sim[0].is_done());
}

}  // namespace
}  // namespace tessera::engine
