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
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace tessera::engine {

class RequestLedger {
 public:
  explicit RequestLedger(std::int32_t max_live) : max_live_(max_live) {}

  // A new request. kUnavailable: draining. kResourceExhausted: `max_live` are in.
  Result<RequestId> accept();
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
    bool running = false;
    bool cancelled = false;
  };

  const std::int32_t max_live_;
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<RequestId, Entry> live_;
  std::vector<RequestId> cancelled_;  // each id that is in at most once
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
};

}  // namespace tessera::engine
