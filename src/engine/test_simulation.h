// For tests: an EngineCore on a FakeBackend with its readers and a clock, driven step by step.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "engine/engine_core.h"
#include "engine/fake_backend.h"
#include "engine/test_transcript.h"

namespace tessera::engine {

class Simulation {
 public:
  struct Entry {
    RequestId id;
    std::shared_ptr<EventChannel> events;
    TestTranscript transcript;
  };

  explicit Simulation(FakeOptions backend, EngineOptions options = {})
      : backend_(std::move(backend)),
        options_(resolve_options(options, backend_.limits())),
        ledger_(options_.max_queue + options_.max_running_requests, options_.account_share),
        core_(backend_, options_, clock_, ledger_, counters_) {}
  ~Simulation() {
    core_.fail_all({ErrorCode::kCancelled, "end of test"});
    EXPECT_EQ(backend_.live_sequences(), 0);
  }

  std::size_t submit(const EngineRequest& request) { return *try_submit(request); }
  // kResourceExhausted: the queue, or the account's part of it, is full.
  Result<std::size_t> try_submit(const EngineRequest& request) {
    TRY_ASSIGN(const RequestId id, ledger_.accept(request.account));
    auto events = std::make_shared<EventChannel>(options_.event_channel_capacity, nullptr);
    core_.add(std::make_unique<LiveRequest>(id, request, events));
    entries_.push_back({id, std::move(events), TestTranscript(request.choices)});
    return entries_.size() - 1;
  }
  void cancel(std::size_t index) {
    core_.fail_request(entries_[index].id, {ErrorCode::kCancelled, "cancelled"});
  }
  bool step() {
    const bool ran = core_.step();
    core_.check_integrity();
    return ran;
  }
  void read(std::size_t index) {
    if (entries_[index].events) entries_[index].transcript.read(*entries_[index].events);
  }
  void read_all() {
    for (std::size_t i = 0; i < entries_.size(); ++i) read(i);
  }
  // Until nothing moves; readers keep up.
  void run() {
    while (step()) read_all();
    read_all();
  }

  std::size_t size() const { return entries_.size(); }
  Entry& entry(std::size_t index) { return entries_[index]; }
  const TestTranscript& operator[](std::size_t index) const { return entries_[index].transcript; }
  FakeBackend& backend() { return backend_; }
  FakeClock& clock() { return clock_; }
  RequestLedger& ledger() { return ledger_; }
  const EngineCounters& counters() const { return counters_; }
  EngineCore& core() { return core_; }

 private:
  FakeBackend backend_;
  const EngineOptions options_;
  FakeClock clock_;
  RequestLedger ledger_;
  EngineCounters counters_;
  EngineCore core_;
  std::vector<Entry> entries_;
};

inline FakeOptions with_script(FakeScript script) {
  FakeOptions options;
  options.script = std::move(script);
  return options;
}

inline EngineRequest random_sampled(std::vector<TokenId> prompt, std::int32_t max_tokens,
                                    std::uint64_t seed) {
  EngineRequest request = make_test_request(std::move(prompt), max_tokens);
  request.sampling.temperature = 1;
  request.sampling.seed = seed;
  return request;
}

// NaN for sequences whose prompt begins with 66, from their third token on (or at once for 67).
inline FakeScript poisoned_hash() {
  return [hash = script_hash(4)](const FakeContext& context, std::span<float> logits) {
    hash(context, logits);
    const bool poisoned =
        context.history[0] == 67 || (context.history[0] == 66 && context.generated().size() >= 3);
    if (poisoned) logits[logits.size() / 2] = std::numeric_limits<float>::quiet_NaN();
  };
}

}  // namespace tessera::engine
