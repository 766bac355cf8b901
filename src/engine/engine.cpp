// The engine's thread around EngineCore, and the verbs that other threads call.
#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "base/check.h"
#include "engine/doorbell.h"
#include "engine/engine_core.h"
#include "engine/live_request.h"
#include "engine/request_ledger.h"
#include "engine/watchdog.h"

namespace tessera::engine {
namespace {

// With requests in but nothing to compute, all readers are behind: a ring tells of room, this of
// time-outs and of readers that went away.
constexpr std::chrono::milliseconds kStalledPoll{20};

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

void check_sampling(const SamplingParams& params, std::int32_t vocabulary) {
  const auto is_token = [vocabulary](TokenId id) { return id >= 0 && id < vocabulary; };
  CHECK(params.temperature >= 0 && std::isfinite(params.temperature));
  CHECK(params.top_p >= 0 && params.top_p <= 1);
  CHECK(params.top_k >= 0);
  CHECK(params.min_p >= 0 && params.min_p <= 1);
  CHECK(params.repetition_penalty > 0 && std::isfinite(params.repetition_penalty));
  CHECK(std::isfinite(params.presence_penalty) && std::isfinite(params.frequency_penalty));
  for (const auto& [token, bias] : params.logit_bias) CHECK(is_token(token) && std::isfinite(bias));
  for (const TokenId token : params.banned) CHECK(is_token(token));
}

// What the edge has promised is CHECKed; what depends on this backend is answered.
Result<void> check_request(const EngineRequest& request, const model::BackendLimits& limits) {
  CHECK(!request.prompt.empty());
  CHECK(request.max_tokens >= 1);
  CHECK(request.choices >= 1);
  CHECK(request.weight > 0 && std::isfinite(request.weight));
  for (const TokenId token : request.prompt) CHECK(token >= 0 && token < limits.vocabulary);
  CHECK(request.top_logprobs.value_or(0) >= 0);
  CHECK(std::is_sorted(request.unlisted.begin(), request.unlisted.end()));
  CHECK(std::is_sorted(request.boundaries.begin(), request.boundaries.end()));
  check_sampling(request.sampling, limits.vocabulary);
  const std::int64_t tokens = static_cast<std::int64_t>(request.prompt.size()) + request.max_tokens;
  if (tokens > limits.max_context) {
    return fail(
        ErrorCode::kOutOfRange,
        fmt::format("a prompt of {} tokens and up to {} more make {}, but the context holds {}",
                    request.prompt.size(), request.max_tokens, tokens, limits.max_context));
  }
  if (request.choices > limits.max_sequences) {
    return fail(ErrorCode::kOutOfRange,
                fmt::format("{} choices were asked for, but at most {} fit at once",
                            request.choices, limits.max_sequences));
  }
  return {};
}

class ThreadedEngine final : public Engine {
 public:
  ThreadedEngine(std::unique_ptr<model::Backend> backend, const EngineOptions& options,
                 const Clock& clock)
      : backend_(std::move(backend)),
        limits_(backend_->limits()),
        options_(resolve_options(options, limits_)),
        max_live_(options_.max_queue + options_.max_running_requests),
        clock_(clock),
        ledger_(max_live_, options_.account_share),
        submissions_(static_cast<std::size_t>(max_live_)),
        doorbell_(std::make_shared<Doorbell>()),
        watchdog_(ledger_, clock, options_),
        thread_([this] { run(); }) {}

  ~ThreadedEngine() override {
    stopping_ = true;
    doorbell_->ring();
    thread_.join();
  }

  const model::ModelConfig& config() const override { return backend_->config(); }
  model::BackendLimits limits() const override { return limits_; }

  Result<Submitted> submit(EngineRequest request, std::function<void()> on_ready) override {
    TRY(check_request(request, limits_));
    TRY_ASSIGN(const RequestId id, ledger_.accept(request.account));
    auto events = std::make_shared<EventChannel>(
        static_cast<std::size_t>(options_.event_channel_capacity), std::move(on_ready), doorbell_);
    ledger_.attach(id, events);
    if (!watchdog_.healthy()) events->abort(Watchdog::hangs());
    // The queue holds as many as the ledger accepts, and what is in the queue is in the ledger.
    CHECK(submissions_.try_push(std::make_unique<LiveRequest>(id, std::move(request), events)));
    doorbell_->ring();
    return Submitted{id, std::move(events)};
  }

  void cancel(RequestId id) override {
    if (ledger_.cancel(id)) doorbell_->ring();
  }

  void drain(Clock::Duration deadline) override {
    CHECK(std::this_thread::get_id() != thread_.get_id());
    ledger_.start_drain();
    const std::int64_t now = clock_.now().time_since_epoch().count();
    const std::int64_t wait = std::max<std::int64_t>(deadline.count(), 0);
    const std::int64_t end = wait > kNever - now ? kNever : now + wait;
    std::int64_t earlier = drain_deadline_.load();
    while (end < earlier && !drain_deadline_.compare_exchange_weak(earlier, end)) {
    }
    doorbell_->ring();
    ledger_.wait_until_empty();
  }

  bool healthy() const override { return watchdog_.healthy(); }

  EngineStats stats() const override {
    const std::int64_t backlog = counters_.backlog_tokens.load(std::memory_order_relaxed);
    const double rate = counters_.tokens_per_second.load(std::memory_order_relaxed);
    return {.running = ledger_.running(),
            .waiting = ledger_.waiting(),
            .sequences = counters_.sequences.load(std::memory_order_relaxed),
            .steps = counters_.steps.load(std::memory_order_relaxed),
            .prompt_tokens = counters_.prompt_tokens.load(std::memory_order_relaxed),
            .generated_tokens = counters_.generated_tokens.load(std::memory_order_relaxed),
            .cache_hits = counters_.cache_hits.load(std::memory_order_relaxed),
            .cache_misses = counters_.cache_misses.load(std::memory_order_relaxed),
            .cached_tokens = counters_.cached_tokens.load(std::memory_order_relaxed),
            .cache_entries = counters_.cache_entries.load(std::memory_order_relaxed),
            .cache_evictions = counters_.cache_evictions.load(std::memory_order_relaxed),
            .memory_waits = counters_.memory_waits.load(std::memory_order_relaxed),
            .kv_blocks_free = counters_.kv_blocks_free.load(std::memory_order_relaxed),
            .kv_blocks_running = counters_.kv_blocks_running.load(std::memory_order_relaxed),
            .kv_blocks_cached = counters_.kv_blocks_cached.load(std::memory_order_relaxed),
            .backlog_tokens = backlog,
            .step_s = counters_.step_s.snapshot(),
            .backlog_s = rate > 0 ? static_cast<double>(backlog) / rate : 0};
  }

 private:
  // The engine thread.
  void run() {
    EngineCore core(*backend_, options_, clock_, ledger_, counters_);
    for (;;) {
      const bool stopping = stopping_;  // read before the commands, so that none is left behind
      take_commands(core);
      if (stopping) break;
      if (drain_deadline_ != kNever && clock_.now().time_since_epoch().count() >= drain_deadline_)
        core.fail_all({ErrorCode::kUnavailable, "the server is shutting down"});
      watchdog_.begin_step();
      const bool computed = core.step();
      watchdog_.end_step();
      if (computed) continue;
      if (core.is_idle()) {
        doorbell_->wait();
      } else {
        doorbell_->wait_for(kStalledPoll);
      }
    }
    core.fail_all({ErrorCode::kCancelled, "the engine stops"});
  }

  // Cancellations are taken first and applied last: who cancels has submitted before, so the
  // request is then in.
  void take_commands(EngineCore& core) {
    const std::vector<RequestId> cancelled = ledger_.take_cancelled();
    while (std::optional<std::unique_ptr<LiveRequest>> request = submissions_.try_pop())
      core.add(*std::move(request));
    for (const RequestId id : cancelled)
      core.fail_request(id, {ErrorCode::kCancelled, "cancelled"});
  }

  const std::unique_ptr<model::Backend> backend_;
  const model::BackendLimits limits_;
  const EngineOptions options_;
  const std::int32_t max_live_;
  const Clock& clock_;
  RequestLedger ledger_;
  EngineCounters counters_;
  BoundedQueue<std::unique_ptr<LiveRequest>> submissions_;
  const std::shared_ptr<Doorbell> doorbell_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> drain_deadline_{kNever};  // nanoseconds of the clock
  Watchdog watchdog_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Engine> Engine::create(std::unique_ptr<model::Backend> backend,
                                       const EngineOptions& options, const Clock& clock) {
  CHECK(backend != nullptr);
  return std::make_unique<ThreadedEngine>(std::move(backend), options, clock);
}

}  // namespace tessera::engine
