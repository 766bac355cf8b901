// No memory for the k-th thing that the engine's thread asks for, for every k from the first
// request's arrival to the last one's end: operator new throws once, or until the step is over. The
// requests concerned end with one error, the others have the answers that they have alone, all
// memory comes back, and the next request is answered. The fake backend, and the CPU's with its
// real pools. And the same for the backend's own refusals: the k-th call says that there is none.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <new>

#include "cpu/cpu_backend.h"
#include "engine/contained.h"
#include "engine/engine_core.h"
#include "engine/fake_backend.h"
#include "engine/test_constraint.h"
#include "engine/test_simulation.h"
#include "random_model.h"

namespace {

// Of this thread, between arm() and disarm().
struct Fault {
  bool armed = false;
  bool lasts = false;      // until disarm()
  std::int64_t left = -1;  // allocations before the one that fails; -1: none does
  std::int64_t asked = 0;
  std::int64_t failures = 0;
};
thread_local Fault fault;

[[maybe_unused]] bool is_refused() {
  if (!fault.armed) return false;
  ++fault.asked;
  if (fault.left < 0) return false;
  if (fault.left > 0) {
    --fault.left;
    return false;
  }
  if (!fault.lasts) fault.left = -1;
  ++fault.failures;
  return true;
}

}  // namespace

// The sanitizers have allocators of their own.
#if !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)
void* operator new(std::size_t bytes) {
  void* const p = is_refused() ? nullptr : std::malloc(bytes);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void* operator new[](std::size_t bytes) {
  return operator new(bytes);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
#define TESSERA_REFUSES_ALLOCATIONS 1
#endif

namespace tessera::engine {
namespace {

using Text = std::vector<TokenId>;

// Runs what the engine's thread does, with the fault armed.
template <class F>
void armed(F&& function) {
  fault.armed = true;
  function();
  fault.armed = false;
  if (fault.lasts && fault.failures > 0) fault.left = -1;
}

Text text(TokenId first, std::size_t count) {
  Text result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = 1 + (first + static_cast<TokenId>(i)) % 50;
  return result;
}

EngineRequest make_request(Text prompt, std::int32_t max_tokens, std::uint64_t account) {
  const auto length = static_cast<std::int32_t>(prompt.size());
  EngineRequest request = random_sampled(std::move(prompt), max_tokens, 7);
  request.boundaries = {15, 30, length - 4};
  request.account = AccountId{account};
  request.end_tokens = {0};
  return request;
}

// Choices, constraints, log probabilities, cached and shared beginnings, answers that are kept and
// that grow into a second reservation.
std::vector<EngineRequest> make_requests() {
  std::vector<EngineRequest> requests;
  requests.push_back(make_request(text(3, 90), 24, 1));  // as the one before it, from the cache
  requests.back().choices = 2;
  requests.push_back(make_request(text(3, 100), 20, 2));
  requests.back().make_constraint = constrain([](auto generated, auto mask) -> Result<NextToken> {
    if (generated.size() % 3 == 2) return NextToken::forced(static_cast<TokenId>(generated.size()));
    allow_only(text(static_cast<TokenId>(generated.size()), 20), mask);
    return NextToken::masked();
  });
  requests.push_back(make_request(text(9, 130), 30, 3));
  requests.back().top_logprobs = 3;
  requests.back().keep_answer = true;
  requests.push_back(make_request(text(3, 90), 4, 3));
  requests.back().shared_tokens = 30;
  return requests;
}

// A backend that refuses the call that a test names: of those that may, the k-th.
class RefusingBackend final : public model::Backend {
 public:
  explicit RefusingBackend(model::Backend& backend) : backend_(backend) {}

  std::string_view name() const override { return "refusing"; }
  const model::ModelConfig& config() const override { return backend_.config(); }
  model::BackendLimits limits() const override { return backend_.limits(); }
  model::MemoryUse memory() const override { return backend_.memory(); }
  Result<SequenceId> create_sequence(std::int32_t max_tokens) override {
    TRY(check());
    return backend_.create_sequence(max_tokens);
  }
  Result<SequenceId> copy_sequence(SequenceId source) override {
    TRY(check());
    return backend_.copy_sequence(source);
  }
  Result<void> extend_sequence(SequenceId sequence, std::int32_t max_tokens) override {
    TRY(check());
    return backend_.extend_sequence(sequence, max_tokens);
  }
  void free_sequence(SequenceId sequence) override { backend_.free_sequence(sequence); }
  Result<CheckpointId> save_checkpoint(SequenceId sequence) override {
    TRY(check());
    return backend_.save_checkpoint(sequence);
  }
  Result<SequenceId> create_sequence_from(CheckpointId checkpoint,
                                          std::int32_t max_tokens) override {
    TRY(check());
    return backend_.create_sequence_from(checkpoint, max_tokens);
  }
  void free_checkpoint(CheckpointId checkpoint) override { backend_.free_checkpoint(checkpoint); }
  Result<model::LogitsView> forward(const model::Batch& batch) override {
    TRY(check());
    return backend_.forward(batch);
  }
  void check_integrity() const override { backend_.check_integrity(); }
  void synchronise() override { backend_.synchronise(); }

  std::int64_t calls = 0;
  std::int64_t refused = -1;
  std::int64_t refused_to = -1;  // those up to it

 private:
  Result<void> check() {
    const std::int64_t call = calls++;
    if (call < refused || call > refused_to) return {};
    return fail(ErrorCode::kResourceExhausted, "refused, as ordered");
  }

  model::Backend& backend_;
};

// What the requests of one run got, and the one that came when all was over.
struct Outcome {
  std::vector<TestTranscript> got;
  std::int64_t failed = 0;
};

class Run {
 public:
  explicit Run(model::Backend& backend)
      : backend_(backend),
        options_(resolve_options(make_options(), backend.limits())),
        ledger_(options_.max_queue + options_.max_running_requests),
        core_(backend, options_, clock_, ledger_, counters_) {}

  // From then on nothing is refused.
  std::function<void()> all_over;

  Outcome go() {
    fault.armed = false;
    add(make_request(text(3, 90), 3, 1));
    steps(50);
    const std::vector<EngineRequest> requests = make_requests();
    const std::size_t first = channels_.size();
    for (const EngineRequest& request : requests) {
      add(request);
      steps(2);
    }
    const RequestId cancelled = add(make_request(text(20, 200), 500, 1));
    add(make_request(text(21, 40), 500, 2));
    channels_.back().reset();  // its reader has gone
    steps(3);
    armed([&] { core_.fail_request(cancelled, {ErrorCode::kCancelled, "cancelled"}); });
    steps(400);
    Outcome outcome;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_TRUE(transcripts_[first + i].is_over()) << "request " << i << " has no end";
      outcome.failed += transcripts_[first + i].is_done() ? 0 : 1;
      outcome.got.push_back(transcripts_[first + i]);
    }
    EXPECT_TRUE(core_.is_idle());
    fault.left = -1;
    if (all_over) all_over();
    add(requests[0]);
    steps(100);
    EXPECT_TRUE(transcripts_.back().is_done()) << "the next request is not answered";
    outcome.got.push_back(transcripts_.back());
    EXPECT_EQ(backend_.memory().states_running, 0);
    EXPECT_EQ(backend_.memory().kv_blocks_running, 0);
    EXPECT_EQ(ledger_.running() + ledger_.waiting(), 0);
    EXPECT_EQ(counters_.backlog_tokens, 0);
    return outcome;
  }

 private:
  static EngineOptions make_options() {
    EngineOptions options;
    options.constraint_threads = 0;
    options.reserve_tokens = 8;
    options.prefill_chunk = 32;
    options.account_share = 0.75;
    options.request_timeout_ms = 100'000;
    return options;
  }

  RequestId add(const EngineRequest& request) {
    const RequestId id = *ledger_.accept(request.account);
    channels_.push_back(std::make_shared<EventChannel>(64, [] {}));
    transcripts_.emplace_back(request.choices);
    auto live = std::make_unique<LiveRequest>(id, request, channels_.back());
    armed([&] { core_.add(std::move(live)); });
    return id;
  }
  void steps(int count) {
    for (; count > 0; --count) {
      armed([&] { core_.step(); });
      core_.check_integrity();
      for (std::size_t i = 0; i < channels_.size(); ++i)
        if (channels_[i] != nullptr) transcripts_[i].read(*channels_[i]);
    }
  }

  model::Backend& backend_;
  const EngineOptions options_;
  FakeClock clock_;
  RequestLedger ledger_;
  EngineCounters counters_;
  std::vector<std::shared_ptr<EventChannel>> channels_;
  std::vector<TestTranscript> transcripts_;
  EngineCore core_;
};

// Whoever was answered has the tokens that it has without a fault.
void expect_same(const Outcome& outcome, const Outcome& sound) {
  ASSERT_EQ(outcome.got.size(), sound.got.size());
  for (std::size_t i = 0; i < sound.got.size(); ++i) {
    if (outcome.got[i].is_done()) {
      EXPECT_EQ(outcome.got[i].all_tokens(), sound.got[i].all_tokens()) << "request " << i;
    } else if (outcome.got[i].error()) {
      EXPECT_EQ(outcome.got[i].error()->code, ErrorCode::kResourceExhausted);
    }
  }
}

Outcome run_sound(model::Backend& backend) {
  fault = {};
  Outcome sound = Run(backend).go();
  EXPECT_EQ(sound.failed, 0);
  EXPECT_EQ(backend.memory().state_bytes, 0U);
  return sound;
}

FakeOptions make_fake() {
  FakeOptions options = with_script(script_hash(4));
  options.limits.kv_block_tokens = 16;
  options.limits.state_bytes_per_sequence = 40;
  options.max_reserved_tokens = 4000;
  return options;
}

std::unique_ptr<model::Backend> make_cpu() {
  static const test_models::RandomModel model = test_models::make_random_model({});
  cpu::CpuOptions options;
  options.threads = 1;
  options.max_sequences = 8;
  options.max_context = 1024;
  auto made = cpu::make_backend(model.table, options);
  CHECK(made.has_value());
  return *std::move(made);
}

#ifdef TESSERA_REFUSES_ALLOCATIONS
void refuse_each_allocation(model::Backend& backend) {
  const Outcome sound = run_sound(backend);
  const std::int64_t all = fault.asked;
  ASSERT_GT(all, 300);
  for (const bool lasts : {false, true}) {
    std::int64_t failed = 0;
    for (std::int64_t k = 0; k < all && !testing::Test::HasFailure(); ++k) {
      SCOPED_TRACE(testing::Message()
                   << "allocation " << k << (lasts ? " and those after it" : ""));
      fault = {.lasts = lasts, .left = k};
      const Outcome outcome = Run(backend).go();
      EXPECT_EQ(backend.memory().state_bytes, 0U);
      expect_same(outcome, sound);
      failed += outcome.failed;
    }
    fault = {};
    std::printf("%lld allocations refused%s: %lld requests failed of %lld\n",
                static_cast<long long>(all), lasts ? ", with the rest of the step" : "",
                static_cast<long long>(failed), static_cast<long long>(all * 4));
    EXPECT_GT(failed, 0);
  }
}

TEST(Allocations, EachMayFailWithTheFakeBackend) {
  FakeBackend backend(make_fake());
  refuse_each_allocation(backend);
}

TEST(Allocations, EachMayFailWithTheCpuBackend) {
  refuse_each_allocation(*make_cpu());
}
#endif

void refuse_each_call(model::Backend& sound_backend) {
  const Outcome sound = run_sound(sound_backend);
  RefusingBackend counting(sound_backend);
  run_sound(counting);
  const std::int64_t all = counting.calls;
  ASSERT_GT(all, 50);
  for (const std::int64_t more : {0, 3, 30}) {
    for (std::int64_t k = 0; k < all && !testing::Test::HasFailure(); ++k) {
      SCOPED_TRACE(testing::Message() << "calls " << k << " to " << k + more);
      RefusingBackend backend(sound_backend);
      backend.refused = k;
      backend.refused_to = k + more;
      Run run(backend);
      run.all_over = [&backend] { backend.refused = backend.refused_to = -1; };
      const Outcome outcome = run.go();
      expect_same(outcome, sound);
    }
  }
  EXPECT_EQ(sound_backend.memory().state_bytes, 0U);
}

TEST(Refusals, EachCallMayBeRefusedByTheFakeBackend) {
  FakeBackend backend(make_fake());
  refuse_each_call(backend);
}

TEST(Refusals, EachCallMayBeRefusedByTheCpuBackend) {
  refuse_each_call(*make_cpu());
}

}  // namespace
}  // namespace tessera::engine
