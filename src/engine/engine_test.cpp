// The engine with its thread: what other threads see of it. What a step does is tested in
// engine_core_test.cpp.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <random>
#include <thread>

#include "engine/fake_backend.h"
#include "engine/test_transcript.h"

namespace tessera::engine {
namespace {

using testing::ElementsAre;

// A reader as an I/O thread is one: woken by on_ready, reads all there is.
class Reader {
 public:
  // Fails the test when the request is refused.
  Reader(Engine& engine, const EngineRequest& request) : transcript_(request.choices) {
    Result<Engine::Submitted> submitted =
        engine.submit(request, [signal = signal_] { signal->notify(); });
    EXPECT_TRUE(submitted) << (submitted ? "" : submitted.error().message);
    if (submitted) {
      id_ = submitted->id;
      events_ = submitted->events;
    }
  }

  RequestId id() const { return id_; }
  EventChannel& events() { return *events_; }
  void drop() { events_.reset(); }
  void read_available() { transcript_.read(*events_); }
  // Reads on until `enough` says so or the request is over. A missing wake-up is a hang, which the
  // test's time limit ends.
  template <class Predicate>
  const TestTranscript& read_until(Predicate enough) {
    for (;;) {
      transcript_.read(*events_);
      if (transcript_.is_over() || enough(transcript_)) return transcript_;
      signal_->wait();
    }
  }
  const TestTranscript& finish() {
    return read_until([](const TestTranscript&) { return false; });
  }
  const TestTranscript& transcript() const { return transcript_; }

 private:
  struct Signal {
    std::mutex mutex;
    std::condition_variable changed;
    bool ready = false;
    void notify() {
      {
        std::lock_guard lock(mutex);
        ready = true;
      }
      changed.notify_one();
    }
    void wait() {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return ready; });
      ready = false;
    }
  };

  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  TestTranscript transcript_;
  RequestId id_;
  std::shared_ptr<EventChannel> events_;
};

struct Running {
  explicit Running(FakeOptions options, EngineOptions engine_options = {},
                   const Clock& clock = Clock::real()) {
    auto owned = std::make_unique<FakeBackend>(std::move(options));
    backend = owned.get();
    engine = Engine::create(std::move(owned), engine_options, clock);
  }
  void expect_empty() const {
    EXPECT_EQ(engine->stats().running, 0);
    EXPECT_EQ(engine->stats().waiting, 0);
    EXPECT_EQ(backend->live_sequences(), 0);
  }
  FakeBackend* backend = nullptr;
  std::unique_ptr<Engine> engine;
};

FakeOptions with_script(FakeScript script) {
  FakeOptions options;
  options.script = std::move(script);
  return options;
}

FakeOptions endless() {
  FakeOptions options = with_script(script_never_ends(5));
  options.step_delay = std::chrono::microseconds(50);
  options.limits.max_context = 10'000'000;
  return options;
}

constexpr std::int32_t kForEver = 9'000'000;

TEST(Engine, AnswersAndIsEmptyAgain) {
  Running running(with_script(script_responses({{5, 6, 7}, {8}}, 0)));
  Reader first(*running.engine, make_test_request({1, 2, 3}, 10));
  EXPECT_THAT(first.finish().tokens(), ElementsAre(5, 6, 7));
  EXPECT_TRUE(first.transcript().is_done());
  running.expect_empty();
  Reader second(*running.engine, make_test_request({1, 2}, 10));
  EXPECT_THAT(second.finish().tokens(), ElementsAre(8));
  running.expect_empty();
  EXPECT_EQ(running.engine->stats().prompt_tokens, 5);
  EXPECT_EQ(running.engine->stats().generated_tokens, 4);
  EXPECT_EQ(running.engine->stats().steps, 6);
  EXPECT_NE(first.id(), second.id());
}

TEST(Engine, TellsWhatTheBackendIs) {
  Running running(endless());
  EXPECT_EQ(running.engine->config().name, "fake");
  EXPECT_EQ(running.engine->limits().max_context, 10'000'000);
}

TEST(Engine, ThePromptAndItsAnswerFitTheContextExactly) {
  FakeOptions options = with_script(script_never_ends(5));
  options.limits.max_context = 10;
  Running running(std::move(options));
  Reader fits(*running.engine, make_test_request({1, 2, 3}, 7));
  EXPECT_EQ(fits.finish().tokens().size(), 7U);
  const auto over = running.engine->submit(make_test_request({1, 2, 3}, 8), nullptr);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::kOutOfRange);
  EXPECT_THAT(over.error().message, testing::HasSubstr("11"));
  EXPECT_THAT(over.error().message, testing::HasSubstr("10"));
  const auto far_over = running.engine->submit(make_test_request({1, 2, 3}, 0x7fffffff), nullptr);
  EXPECT_EQ(far_over.error().code, ErrorCode::kOutOfRange);
}

TEST(Engine, MoreChoicesThanSequencesAreRefused) {
  FakeOptions options = endless();
  options.limits.max_sequences = 3;
  Running running(std::move(options));
  EngineRequest request = make_test_request({1}, 2);
  request.choices = 3;
  Reader fits(*running.engine, request);
  EXPECT_TRUE(fits.finish().is_done());
  request.choices = 4;
  EXPECT_EQ(running.engine->submit(request, nullptr).error().code, ErrorCode::kOutOfRange);
}

TEST(Engine, AFullQueueRefusesAtOnceAndTakesAgainLater) {
  EngineOptions options;
  options.max_queue = 2;
  options.max_running_requests = 1;
  Running running(endless(), options);
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 3; ++i)
    readers.push_back(std::make_unique<Reader>(*running.engine, make_test_request({1}, kForEver)));
  const auto refused = running.engine->submit(make_test_request({1}, 1), nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  running.engine->cancel(readers[1]->id());
  EXPECT_EQ(readers[1]->finish().error()->code, ErrorCode::kCancelled);
  Reader taken(*running.engine, make_test_request({1}, 2));
  running.engine->cancel(readers[0]->id());
  running.engine->cancel(readers[2]->id());
  EXPECT_TRUE(taken.finish().is_done());
}

TEST(Engine, CancelEndsWithinAStepAndOnlyOnce) {
  Running running(endless());
  Reader victim(*running.engine, make_test_request({1}, kForEver));
  Reader other(*running.engine, make_test_request({1}, kForEver));
  (void)victim.read_until([](const TestTranscript& t) { return t.tokens().size() >= 5; });
  running.engine->cancel(victim.id());
  running.engine->cancel(victim.id());
  EXPECT_EQ(victim.finish().error()->code, ErrorCode::kCancelled);
  running.engine->cancel(victim.id());
  running.engine->cancel(RequestId{12345});
  const std::size_t so_far = other.transcript().tokens().size();
  (void)other.read_until([&](const TestTranscript& t) { return t.tokens().size() > so_far + 5; });
  EXPECT_FALSE(other.transcript().is_over());
  running.engine->cancel(other.id());
  EXPECT_EQ(other.finish().error()->code, ErrorCode::kCancelled);
  running.expect_empty();
}

TEST(Engine, OnReadyMaySubmitAndCancel) {
  Running running(endless());
  std::atomic<int> calls{0};
  std::mutex mutex;
  std::shared_ptr<EventChannel> inner;
  Reader outer(*running.engine, make_test_request({1}, kForEver));
  auto submitted = running.engine->submit(make_test_request({1}, kForEver), [&] {
    if (calls++ != 0) return;
    running.engine->cancel(outer.id());
    std::lock_guard lock(mutex);
    inner = running.engine->submit(make_test_request({1}, 1), nullptr)->events;
  });
  EXPECT_EQ(outer.finish().error()->code, ErrorCode::kCancelled);
  running.engine->cancel(submitted->id);
  running.engine->drain(std::chrono::seconds(60));
  std::lock_guard lock(mutex);
  ASSERT_NE(inner, nullptr);
  TestTranscript transcript(1);
  transcript.read(*inner);
  EXPECT_TRUE(transcript.is_done());
}

TEST(Engine, AnIdleEngineTakesNoSteps) {
  Running running(with_script(script_count(10, 3, 0)));
  Reader reader(*running.engine, make_test_request({1}, 10));
  (void)reader.finish();
  const std::int64_t steps = running.engine->stats().steps;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(running.engine->stats().steps, steps);
}

TEST(Engine, AStalledReaderIsWokenForByItsPopAndLosesAfterTheTimeOut) {
  FakeClock clock;
  EngineOptions options;
  options.event_channel_capacity = 4;
  options.stall_timeout_ms = 5000;
  Running running(endless(), options, clock);
  Reader slow(*running.engine, make_test_request({1}, kForEver));
  Reader fast(*running.engine, make_test_request({1}, kForEver));
  (void)slow.read_until([](const TestTranscript& t) { return t.tokens().size() >= 50; });
  // Neither reads now: the engine stops at full channels.
  for (std::int64_t before = -1, now = 0; before != now;) {
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    now = running.engine->stats().generated_tokens;
  }
  EXPECT_EQ(running.engine->stats().running, 2);
  (void)fast.read_until([](const TestTranscript& t) { return t.tokens().size() >= 100; });
  running.engine->cancel(fast.id());
  (void)fast.finish();
  clock.advance(std::chrono::seconds(5));
  while (running.engine->stats().running != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(slow.finish().error()->code, ErrorCode::kCancelled);
  running.expect_empty();
}

TEST(Engine, AReaderThatDropsItsChannelFreesItsSequences) {
  EngineOptions options;
  options.event_channel_capacity = 4;
  Running running(endless(), options);
  for (int i = 0; i < 20; ++i) {
    Reader reader(*running.engine, make_test_request({1}, kForEver));
    if (i % 2 == 0)
      (void)reader.read_until([](const TestTranscript& t) { return !t.tokens().empty(); });
    reader.drop();
  }
  while (running.engine->stats().running + running.engine->stats().waiting != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.expect_empty();
}

TEST(Engine, DrainLetsEverybodyFinish) {
  FakeOptions backend = with_script(script_count(10, 20, 0));
  backend.step_delay = std::chrono::microseconds(200);
  EngineOptions options;
  options.max_running_requests = 1;
  Running running(std::move(backend), options);
  Reader first(*running.engine, make_test_request({1}, 50));
  Reader second(*running.engine, make_test_request({1}, 50));
  running.engine->drain(Clock::Duration::max());  // does not overflow
  first.read_available();
  second.read_available();
  EXPECT_TRUE(first.transcript().is_done());
  EXPECT_TRUE(second.transcript().is_done());
  const auto late = running.engine->submit(make_test_request({1}, 1), nullptr);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
  running.engine->drain(std::chrono::seconds(1));  // again: nothing to wait for
}

TEST(Engine, DrainEndsTheRestAtItsDeadline) {
  FakeClock clock;
  EngineOptions options;
  options.max_running_requests = 1;
  options.event_channel_capacity = 4;
  Running running(endless(), options, clock);
  Reader runs(*running.engine, make_test_request({1}, kForEver));
  Reader waits(*running.engine, make_test_request({1}, kForEver));
  std::thread drainer([&] { running.engine->drain(std::chrono::seconds(10)); });
  (void)runs.read_until([](const TestTranscript& t) { return t.tokens().size() >= 100; });
  EXPECT_FALSE(runs.transcript().is_over());
  while (running.engine->submit(make_test_request({1}, 1), nullptr)) std::this_thread::yield();
  while (running.engine->stats().running + running.engine->stats().waiting != 2)
    std::this_thread::yield();
  // The clock may be read before or after this for the deadline, so it goes on until it is reached.
  std::atomic<bool> drained{false};
  std::thread time([&] {
    while (!drained) {
      clock.advance(std::chrono::seconds(1));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  drainer.join();
  drained = true;
  time.join();
  runs.read_available();
  waits.read_available();
  EXPECT_EQ(runs.transcript().error()->code, ErrorCode::kUnavailable);
  EXPECT_EQ(waits.transcript().error()->code, ErrorCode::kUnavailable);
  running.expect_empty();
}

TEST(Engine, AnEarlierDrainDeadlineHolds) {
  Running running(endless());
  Reader reader(*running.engine, make_test_request({1}, kForEver));
  std::thread patient([&] { running.engine->drain(std::chrono::hours(1)); });
  running.engine->drain(std::chrono::seconds(0));
  patient.join();
  EXPECT_EQ(reader.finish().error()->code, ErrorCode::kUnavailable);
}

TEST(Engine, DestructionCancelsWhatIsAliveAndOutlivesNoReader) {
  auto running = std::make_unique<Running>(endless());
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 12; ++i)
    readers.push_back(std::make_unique<Reader>(*running->engine, make_test_request({1}, kForEver)));
  (void)readers[0]->read_until([](const TestTranscript& t) { return !t.tokens().empty(); });
  running.reset();  // the backend CHECKs that no sequence is left
  for (const auto& reader : readers)
    EXPECT_EQ(reader->finish().error()->code, ErrorCode::kCancelled);
}

TEST(EngineDeathTest, WhatTheEdgeMustHaveCheckedIsABug) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Running running(endless());
  const auto submit_with = [&](const auto& change) {
    EngineRequest request = make_test_request({1}, 1);
    change(request);
    (void)running.engine->submit(std::move(request), nullptr);
  };
  using R = EngineRequest;
  EXPECT_DEATH(submit_with([](R& r) { r.prompt.clear(); }), "prompt.empty");
  EXPECT_DEATH(submit_with([](R& r) { r.prompt[0] = 256; }), "vocabulary");
  EXPECT_DEATH(submit_with([](R& r) { r.max_tokens = 0; }), "max_tokens");
  EXPECT_DEATH(submit_with([](R& r) { r.choices = 0; }), "choices");
  EXPECT_DEATH(submit_with([](R& r) { r.sampling.temperature = -1; }), "temperature");
  EXPECT_DEATH(
      submit_with([](R& r) { r.sampling.top_p = std::numeric_limits<float>::quiet_NaN(); }),
      "top_p");
  EXPECT_DEATH(submit_with([](R& r) { r.sampling.min_p = 1.5f; }), "min_p");
  EXPECT_DEATH(submit_with([](R& r) { r.sampling.repetition_penalty = 0; }), "repetition");
  EXPECT_DEATH(submit_with([](R& r) { r.sampling.logit_bias = {{256, 1.0f}}; }), "is_token");
  EXPECT_DEATH(submit_with([](R& r) { r.sampling.banned = {-1}; }), "is_token");
}

// Several threads submit, read, cancel and go away at random; what comes whole is what one request
// gets alone.
// A step that does not come back: who is in is told, who comes is told at once, and when it does
// come back after all nobody is told twice.
TEST(Engine, AStepThatHangsEndsWhatIsIn) {
  std::atomic<bool> hanging{true};
  std::atomic<int> calls{0};
  FakeOptions backend = with_script(script_never_ends(5));
  backend.on_forward = [&](std::int64_t step, const model::Batch&) {
    while (step == 2 && hanging) std::this_thread::yield();
  };
  EngineOptions options;
  options.step_timeout_ms = 20;
  options.on_hang = [&] { ++calls; };
  const auto engine = Engine::create(std::make_unique<FakeBackend>(std::move(backend)), options);
  EXPECT_TRUE(engine->healthy());
  const auto read_to_the_end = [&](const Engine::Submitted& submitted) {
    TestTranscript transcript(1);
    while (!transcript.is_over()) {
      transcript.read(*submitted.events);
      std::this_thread::yield();
    }
    EXPECT_EQ(transcript.error()->code, ErrorCode::kInternal);
    EXPECT_FALSE(submitted.events->pop());
  };
  const auto first = *engine->submit(make_test_request({1}, 100), nullptr);
  read_to_the_end(first);
  EXPECT_FALSE(engine->healthy());
  const auto second = *engine->submit(make_test_request({1}, 100), nullptr);
  read_to_the_end(second);
  while (calls == 0) std::this_thread::yield();
  hanging = false;
  engine->drain(std::chrono::seconds(0));
  EXPECT_FALSE(first.events->pop());
  EXPECT_FALSE(second.events->pop());
  EXPECT_EQ(calls, 1);
}

TEST(Engine, ManyThreadsAtOnce) {
  FakeOptions backend = with_script(script_hash(9));
  backend.limits.max_batch_tokens = 24;
  backend.max_reserved_tokens = 500;
  EngineOptions options;
  options.max_queue = 6;
  options.event_channel_capacity = 8;
  Running running(std::move(backend), options);
  const auto request_of = [](std::int32_t number) {
    EngineRequest request =
        make_test_request(std::vector<TokenId>(number % 30 + 1, number % 200), number % 25 + 1);
    request.sampling.temperature = 1;
    request.sampling.seed = static_cast<std::uint64_t>(number);
    request.choices = number % 5 == 0 ? 3 : 1;
    request.end_tokens = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    return request;
  };
  constexpr int kThreads = 6;
  constexpr int kRequests = 60;
  std::vector<std::vector<std::pair<std::int32_t, std::vector<std::vector<TokenId>>>>> done(
      kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(static_cast<std::uint32_t>(thread));
      for (int i = 0; i < kRequests; ++i) {
        const std::int32_t number = thread * kRequests + i;
        const EngineRequest request = request_of(number);
        // Room is not guaranteed: six threads and one queue. Who is refused comes again.
        Result<Engine::Submitted> submitted = running.engine->submit(request, nullptr);
        while (!submitted) {
          EXPECT_EQ(submitted.error().code, ErrorCode::kResourceExhausted);
          std::this_thread::yield();
          submitted = running.engine->submit(request, nullptr);
        }
        const auto fate = random() % 8;
        if (fate == 0) continue;  // goes away at once
        if (fate == 1) running.engine->cancel(submitted->id);
        TestTranscript transcript(request.choices);
        while (!transcript.is_over()) {
          transcript.read(*submitted->events);
          if (fate == 2 && transcript.saw_prefill()) running.engine->cancel(submitted->id);
          std::this_thread::yield();
        }
        if (transcript.is_done()) done[thread].emplace_back(number, transcript.all_tokens());
        if (!transcript.is_done()) EXPECT_EQ(transcript.error()->code, ErrorCode::kCancelled);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  running.engine->drain(std::chrono::seconds(60));
  running.expect_empty();

  Running quiet(with_script(script_hash(9)));
  std::size_t compared = 0;
  for (const auto& of_thread : done) {
    for (const auto& [number, tokens] : of_thread) {
      Reader alone(*quiet.engine, request_of(number));
      EXPECT_EQ(alone.finish().all_tokens(), tokens);
      ++compared;
    }
  }
  EXPECT_GT(compared, static_cast<std::size_t>(kThreads * kRequests / 2));
}

}  // namespace
}  // namespace tessera::engine
