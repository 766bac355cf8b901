// The book of accepted requests: who is in, who was cancelled, whether the engine still takes
// requests. The one place where other threads and the engine thread meet besides the command queue
// and the event channels.
//
// It holds the invariant "every accepted request ends exactly once": finished() is called with each
// terminal event and CHECKs that the request is still in the book. Any thread unless said
// otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/histogram.h"
#include "base/ids.h"
#include "base/result.h"
#include "engine/event_channel.h"

namespace tessera::engine {

class RequestLedger {
 public:
  // Beyond its first request an account is let in only while it has at most share / (1 - share)
  // times as many as there are places left; 1: all.
  explicit RequestLedger(std::int32_t max_live, double account_share = 1)
      : max_live_(max_live), account_share_(account_share) {}

  // A new request. kUnavailable: draining. kResourceExhausted: `max_live` are in, or too many of
  // this account.
  Result<RequestId> accept(AccountId account = {});
  // Where the request's events go; for channels().
  void attach(RequestId id, const std::shared_ptr<EventChannel>& events);
  // Of all requests that are in.
  std::vector<std::shared_ptr<EventChannel>> channels() const;
  // True when the request is in and this is its first cancellation: it is then in the next
  // take_cancelled().
  bool cancel(RequestId id);
  // From now on accept() refuses.
  void start_drain();
  // Returns when no request is in.
  void wait_until_empty();

  std::int32_t running() const;
  std::int32_t waiting() const;

  // The engine thread.
  std::vector<RequestId> take_cancelled();
  void admitted(RequestId id);  // from waiting to running
  // Two halves around the terminal event: first the request leaves the counts, so that who reads
  // the event sees them without it; then wait_until_empty() may return, so that who waited finds
  // the event there.
  void finished(RequestId id);
  void delivered();

 private:
  struct Entry {
    AccountId account;
    std::weak_ptr<EventChannel> events;
    bool running = false;
    bool cancelled = false;
  };

  const std::int32_t max_live_;
  const double account_share_;
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<RequestId, Entry> live_;
  std::unordered_map<AccountId, std::int32_t> of_account_;  // requests in
  std::vector<RequestId> cancelled_;                        // each id that is in at most once
  std::uint64_t last_id_ = 0;
  std::int32_t running_ = 0;
  std::int32_t undelivered_ = 0;  // finished, the terminal event not yet out
  bool draining_ = false;
};

// Counts for EngineStats: written by the engine thread, read by any.
struct EngineCounters {
  std::atomic<std::int32_t> sequences{0};
  std::atomic<std::int64_t> steps{0};
  std::atomic<std::int64_t> prompt_tokens{0};
  std::atomic<std::int64_t> generated_tokens{0};
  // Of the prefix cache: requests that found something and that did not, tokens they found.
  std::atomic<std::int64_t> cache_hits{0}, cache_misses{0}, cached_tokens{0};
  std::atomic<std::int64_t> memory_waits{0};  // steps that a choice had to leave out, for memory
  std::atomic<std::int64_t> cache_entries{0}, cache_evictions{0};
  std::atomic<std::int64_t> kv_blocks_free{0}, kv_blocks_running{0}, kv_blocks_cached{0};
  std::atomic<std::int64_t> backlog_tokens{0};  // that requests in are expected to need yet
  Histogram step_s{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
  std::atomic<double> tokens_per_second{0};  // of late, while there was work; 0: not known
};

}  // namespace tessera::engine
