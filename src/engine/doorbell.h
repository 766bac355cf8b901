// Wakes the engine thread: anybody rings, one thread waits. A ring before the wait is not lost;
// many rings are one.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace tessera::engine {

class Doorbell {
 public:
  // Any thread.
  void ring() {
    {
      std::lock_guard lock(mutex_);
      rung_ = true;
    }
    rung_changed_.notify_one();
  }

  // The waiting thread: returns when it has been rung since the last return.
  void wait() {
    std::unique_lock lock(mutex_);
    rung_changed_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }
  // The same, but no longer than `timeout`.
  void wait_for(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    rung_changed_.wait_for(lock, timeout, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable rung_changed_;
  bool rung_ = false;
};

}  // namespace tessera::engine
