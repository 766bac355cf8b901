// What ends a request before its answer is whole, step by step, without the engine's thread:
// cancels, deadlines, readers that stop or go, rows and backends that fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

// ----- cancel, readers -----

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

}  // namespace
}  // namespace tessera::engine
