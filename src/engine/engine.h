// The engine: two nouns (request, event), few verbs (submit, cancel, drain). One engine thread owns
// all inference state: sequences, sampler, backend; nothing in there needs a lock. It sleeps only
// when idle.
//
// Crossing points: one bounded command queue in (full: kResourceExhausted at once), one bounded
// event channel a request out (a slow reader stalls its own sequence, never the engine).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/result.h"
#include "engine/event_channel.h"
#include "engine/request.h"
#include "model/backend.h"

namespace tessera::engine {

struct EngineOptions {
  std::int32_t max_queue = 256;  // waiting requests, once the running ones have their places
  std::int32_t max_wait_ms = 0;  // that a request may wait to be admitted; 0: any time
  double account_share = 1;      // of queue and memory, that one account alone may hold; 1: all
  std::int32_t max_running_requests = 0;  // 0: as many as the backend has sequences
  std::int32_t max_batch_tokens = 0;      // of one step; 0: what the backend takes
  std::int32_t prefill_chunk = 256;       // of prompts in one step; fewer beside decodes
  // That the prefix cache may hold, of what running sequences leave; 0: no cache.
  std::int64_t prefix_cache_bytes = std::numeric_limits<std::int64_t>::max();
  // Of an answer, reserved at a time: see sequence_memory.h.
  std::int32_t reserve_tokens = 1024;
  std::int32_t event_channel_capacity = 256;
  // Threads that find what constraints allow while the model computes. 0: the engine thread, behind
  // the model.
  std::int32_t constraint_threads = 2;
  // A reader that takes nothing for so long while its channel is full loses its request.
  std::int32_t stall_timeout_ms = 30'000;
  // A step that takes longer hangs: healthy() is false from then on, what is in ends with
  // kInternal, nothing more is taken, and `on_hang` is called, from a thread of its own. The step
  // may come back or not; the process is to end. 0: nobody looks.
  std::int32_t step_timeout_ms = 0;
  std::function<void()> on_hang = nullptr;
  // From submit() to the end of the answer, waiting included; 0: none.
  std::int32_t request_timeout_ms = 0;
};

struct EngineStats {
  std::int32_t running = 0;
  std::int32_t waiting = 0;
  std::int32_t sequences = 0;  // of the backend, that hold memory
  std::int64_t steps = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t generated_tokens = 0;
  std::int64_t cache_hits = 0;     // requests that found some of their prompt in the prefix cache
  std::int64_t cache_misses = 0;   // those that did not
  std::int64_t cached_tokens = 0;  // that were found
  std::int64_t cache_entries = 0;
  std::int64_t cache_evictions = 0;
  std::int64_t memory_waits = 0;       // steps that a choice had to leave out, for want of memory
  std::int64_t kv_blocks_free = 0;     // model::MemoryUse, as of the last step
  std::int64_t kv_blocks_running = 0;  //
  std::int64_t kv_blocks_cached = 0;   //
  std::int64_t backlog_tokens = 0;     // that requests in are expected to need yet
  Histogram::Snapshot step_s;          // how long steps took
  double backlog_s = 0;                // the time for them, at the rate of late; 0: not known
};

class Engine {
 public:
  static std::unique_ptr<Engine> create(std::unique_ptr<model::Backend> backend,
                                        const EngineOptions& options,
                                        const Clock& clock = Clock::real());
  // Cancels everything and joins the engine thread.
  virtual ~Engine() = default;

  virtual const model::ModelConfig& config() const = 0;
  virtual model::BackendLimits limits() const = 0;

  struct Submitted {
    RequestId id;
    std::shared_ptr<EventChannel> events;
  };
  // Any thread. `on_ready` is called (from the engine thread) when the channel goes from empty to
  // not empty, the last time with the terminal event; it shares ownership of what it touches, for
  // it may still run when the reader has gone. It may submit and cancel, but neither block nor
  // drain. A reader that drops `events` cancels its request.
  // kResourceExhausted: max_queue + max_running_requests are in, or too many of the account; see
  // stats().backlog_s. kUnavailable: draining.
  // kOutOfRange: prompt + max_tokens over the context, or more choices than the backend has
  // sequences.
  virtual Result<Submitted> submit(EngineRequest request, std::function<void()> on_ready) = 0;
  // Any thread, any time, also for requests that have ended (nothing happens). Within one step
  // the request's terminal event (RequestFailed kCancelled, unless another came first) is out and
  // its memory back.
  virtual void cancel(RequestId id) = 0;
  // Takes no more requests; those waiting and running go on until they end or `deadline`, then they
  // fail with kUnavailable. Returns when none is left and all terminal events are out. Called again
  // with another deadline: the earlier one holds. Not from `on_ready`.
  virtual void drain(Clock::Duration deadline) = 0;
  // Any thread. False: a step hangs or hung.
  virtual bool healthy() const = 0;
  // Any thread; a snapshot.
  virtual EngineStats stats() const = 0;
};

}  // namespace tessera::engine
