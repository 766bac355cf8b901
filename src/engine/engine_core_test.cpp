// The engine step by step, without its thread: order, fairness, failures, and random schedules of
// all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

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

TEST(EngineCore, WhatACancelledRequestHeldIsCountedAsFreeWithoutAnotherStep) {
  FakeOptions backend = with_script(script_never_ends(9));
  backend.limits.kv_block_tokens = 4;
  Simulation sim(std::move(backend));
  sim.submit(make_test_request({1, 2, 3, 4, 5}, 10));
  sim.step();
  const std::int64_t all = sim.counters().kv_blocks_free + sim.counters().kv_blocks_running;
  EXPECT_EQ(sim.counters().kv_blocks_running, 2);
  sim.cancel(0);
  EXPECT_FALSE(sim.step());
  EXPECT_EQ(sim.counters().kv_blocks_running, 0);
  EXPECT_EQ(sim.counters().kv_blocks_free + sim.counters().kv_blocks_cached, all);
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

// ----- cancel, readers -----

TEST(EngineCore, CancelAtEveryPoint) {
  for (int point = 0; point < 8; ++point) {
    EngineOptions options;
    options.prefill_chunk = 2;
    options.max_running_requests = 1;
    Simulation sim(with_script(script_count(10, 3, 0)), options);
    sim.submit(make_test_request({1, 2, 3, 4, 5}, 10));
    sim.submit(make_test_request({1}, 10));
    for (int i = 0; i < point; ++i) sim.step();
    sim.cancel(0);
    sim.cancel(0);  // twice is once
    sim.read_all();
    EXPECT_TRUE(sim[0].is_over());
    const bool ended_before =
        point >= 6;  // 3 chunks, the first token with the last of them, then 12, 13 and the end
    EXPECT_EQ(sim[0].is_done(), ended_before) << point;
    if (!ended_before) {
      EXPECT_EQ(sim[0].error()->code, ErrorCode::kCancelled);
      EXPECT_EQ(sim.backend().live_sequences(), 0);
    }
    sim.cancel(1);
    sim.run();
    EXPECT_EQ(sim[1].error().has_value(), point < 8);
  }
}

TEST(EngineCore, WhatIsPastItsDeadlineEndsWaitingOrRunning) {
  EngineOptions options;
  options.max_running_requests = 1;
  options.request_timeout_ms = 1000;
  Simulation sim(with_script(script_never_ends(5)), options);
  sim.submit(make_test_request({1}, 100));
  sim.submit(make_test_request({2}, 100));
  sim.clock().advance(std::chrono::milliseconds(500));
  sim.submit(make_test_request({3}, 4));
  for (int i = 0; i < 3; ++i) sim.step();
  sim.clock().advance(std::chrono::milliseconds(499));
  sim.step();
  sim.read_all();
  EXPECT_EQ(sim[0].tokens().size(), 4U);
  EXPECT_FALSE(sim[1].is_over());
  sim.clock().advance(std::chrono::milliseconds(1));
  sim.run();
  for (const std::size_t late : {0U, 1U}) {
    ASSERT_TRUE(sim[late].error());
    EXPECT_EQ(sim[late].error()->code, ErrorCode::kTimedOut);
  }
  EXPECT_EQ(sim[0].tokens().size(), 4U);  // what it had
  EXPECT_FALSE(sim[2].error());           // its own time had not come
  EXPECT_EQ(sim[2].tokens().size(), 4U);
}

TEST(EngineCore, WhatWaitsTooLongIsRefusedAndWhatRunsGoesOn) {
  EngineOptions options;
  options.max_running_requests = 1;
  options.max_wait_ms = 1000;
  Simulation sim(with_script(script_never_ends(5)), options);
  sim.submit(make_test_request({1}, 8));
  sim.submit(make_test_request({2}, 8));
  sim.step();
  sim.clock().advance(std::chrono::milliseconds(999));
  sim.step();
  sim.read_all();
  EXPECT_FALSE(sim[1].is_over());
  sim.clock().advance(std::chrono::milliseconds(1));
  sim.run();
  EXPECT_TRUE(sim[0].is_done());
  ASSERT_TRUE(sim[1].error());
  EXPECT_EQ(sim[1].error()->code, ErrorCode::kResourceExhausted);
}

TEST(EngineCore, AReaderThatStopsStallsItselfAlone) {
  EngineOptions options;
  options.event_channel_capacity = 4;
  options.stall_timeout_ms = 1000;
  Simulation sim(with_script(script_never_ends(5)), options);
  sim.submit(make_test_request({1}, 100));
  sim.submit(make_test_request({2}, 100));
  for (int i = 0; i < 20; ++i) {
    sim.step();
    sim.read(1);
  }
  EXPECT_EQ(sim[1].tokens().size(), 20U);
  sim.clock().advance(std::chrono::milliseconds(999));
  sim.step();
  sim.read(0);
  EXPECT_EQ(sim[0].tokens().size(), 3U);  // PrefillDone and three tokens fill the channel
  EXPECT_FALSE(sim[0].is_over());
  for (int i = 0; i < 10; ++i) {  // it reads again, and goes on
    sim.step();
    sim.read(1);
  }
  sim.clock().advance(std::chrono::milliseconds(999));
  sim.step();
  sim.read(1);
  EXPECT_EQ(sim.backend().live_sequences(), 2);  // its time began anew
  sim.clock().advance(std::chrono::milliseconds(1));
  sim.step();
  sim.read_all();
  EXPECT_EQ(sim[0].tokens().size(), 7U);
  ASSERT_TRUE(sim[0].error());
  EXPECT_EQ(sim[0].error()->code, ErrorCode::kCancelled);
  EXPECT_FALSE(sim[1].is_over());
  EXPECT_EQ(sim.backend().live_sequences(), 1);
}

TEST(EngineCore, ManyChoicesFitThroughASmallChannel) {
  EngineOptions options;
  options.event_channel_capacity = 1;
  Simulation sim(with_script(script_count(10, 5, 0)), options);
  EngineRequest request = make_test_request({1}, 10);
  request.choices = 8;
  sim.submit(request);
  while (sim.step()) {
    std::size_t waiting = 0;
    while (const auto event = sim.entry(0).events->pop()) {
      sim.entry(0).transcript.add(*event);
      ++waiting;
    }
    EXPECT_LE(waiting, 1U + 8U + 8U + 1U);
  }
  EXPECT_TRUE(sim[0].is_done());
}

TEST(EngineCore, AReaderThatGoesAwayCancelsItsRequest) {
  EngineOptions options;
  options.max_running_requests = 1;
  Simulation sim(with_script(script_never_ends(5)), options);
  sim.submit(make_test_request({1}, 100));
  sim.submit(make_test_request({2}, 100));
  sim.submit(make_test_request({3}, 5));
  sim.step();
  sim.entry(1).events.reset();
  sim.step();
  EXPECT_EQ(sim.ledger().waiting(), 1);
  sim.entry(0).events.reset();
  sim.run();
  EXPECT_TRUE(sim[2].is_done());
}

// ----- failures -----

TEST(EngineCore, ANanRowFailsItsRequestAlone) {
  std::vector<TokenId> alone;
  for (const bool with_others : {false, true}) {
    Simulation sim(with_script(poisoned_hash()));
    sim.submit(random_sampled({1, 2, 3}, 40, 7));
    if (with_others) {
      EngineRequest poisoned = random_sampled({66, 2, 3}, 40, 7);
      poisoned.choices = 3;
      sim.submit(poisoned);
      sim.submit(random_sampled({67}, 40, 7));
    }
    sim.run();
    ASSERT_TRUE(sim[0].is_done());
    if (!with_others) {
      alone = sim[0].tokens();
      continue;
    }
    EXPECT_EQ(sim[0].tokens(), alone);
    for (const std::size_t i : {1U, 2U}) {
      ASSERT_TRUE(sim[i].error());
      EXPECT_EQ(sim[i].error()->code, ErrorCode::kNumerical);
    }
    EXPECT_EQ(sim[1].tokens().size(), 3U);
    EXPECT_EQ(sim[2].tokens().size(), 0U);
  }
}

// The first choice's row is NaN, the others' are not: they fail with it, without another token.
TEST(EngineCore, ANanRowOfOneChoiceFailsTheWholeRequest) {
  FakeOptions backend = with_script([](const FakeContext& context, std::span<float> logits) {
    std::fill(logits.begin(), logits.end(), -30.0f);
    logits[5] = logits[6] = 0;
    if (context.generated().size() == 1 && context.history.back() == 5)
      logits[200] = std::numeric_limits<float>::quiet_NaN();
  });
  Simulation sim(std::move(backend));
  bool tried = false;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    EngineRequest request = random_sampled({1}, 30, seed);
    request.choices = 2;
    const std::size_t index = sim.submit(request);
    sim.step();
    sim.read_all();
    const bool poisoned = sim[index].tokens(0)[0] == 5 && sim[index].tokens(1)[0] == 6;
    if (poisoned) {
      sim.run();
      ASSERT_TRUE(sim[index].error());
      EXPECT_EQ(sim[index].error()->code, ErrorCode::kNumerical);
      EXPECT_EQ(sim[index].tokens(0).size(), 1U);
      EXPECT_EQ(sim[index].tokens(1).size(), 1U);
      tried = true;
    }
    sim.cancel(index);
    sim.read_all();
  }
  EXPECT_TRUE(tried);
}

TEST(EngineCore, ABackendErrorEndsTheBatchAndTheEngineGoesOn) {
  FakeOptions backend = with_script(script_count(10, 5, 0));
  backend.fail_at_step = 2;
  EngineOptions options;
  options.max_running_requests = 2;
  Simulation sim(std::move(backend), options);
  EngineRequest request = make_test_request({1}, 10);
  request.choices = 3;
  sim.submit(request);
  sim.submit(make_test_request({1}, 10));
  sim.submit(make_test_request({1}, 10));  // waits, so it is not in the batch
  sim.run();
  for (const std::size_t i : {0U, 1U}) {
    ASSERT_TRUE(sim[i].error());
    EXPECT_EQ(sim[i].error()->code, ErrorCode::kResourceExhausted);
    EXPECT_EQ(sim[i].tokens().size(), 2U);
  }
  EXPECT_TRUE(sim[2].is_done());
}

TEST(EngineCore, AnExceptionFromTheBackendEndsTheBatchAlone) {
  FakeOptions backend = with_script(script_count(10, 5, 0));
  backend.on_forward = [](std::int64_t step, const model::Batch&) {
    if (step == 1) throw std::bad_alloc();
    if (step == 3) throw std::runtime_error("a library's idea");
  };
  Simulation sim(std::move(backend));
  for (int i = 0; i < 3; ++i) {
    sim.submit(make_test_request({1}, 10));
    sim.run();
  }
  EXPECT_EQ(sim[0].error()->code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(sim[1].error()->code, ErrorCode::kUnavailable);
  EXPECT_TRUE(sim[2].is_done());
}

TEST(EngineCore, AllTokensBannedFailsTheRequest) {
  Simulation sim(with_script(script_never_ends(5)));
  EngineRequest request = make_test_request({1}, 10);
  for (TokenId id = 0; id < 256; ++id) request.sampling.banned.push_back(id);
  sim.submit(request);
  sim.run();
  ASSERT_TRUE(sim[0].error());
  EXPECT_EQ(sim[0].error()->code, ErrorCode::kInvalidArgument);
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
