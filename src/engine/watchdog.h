// Looks whether the engine's step comes back: a worker that never joins, a disk that does not
// answer.
//
// What is in then ends with an error, for its clients must not wait for ever; the engine thread
// itself cannot be helped, so the process has to end (EngineOptions::on_hang). A thread of its own,
// which wakes a few times within the time that a step may take.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/request_ledger.h"

namespace tessera::engine {

class Watchdog {
 public:
  // The references outlive it.
  Watchdog(RequestLedger& ledger, const Clock& clock, const EngineOptions& options);
  ~Watchdog();

  // The engine thread, around each step.
  void begin_step() { begun_ = clock_.now().time_since_epoch().count(); }
  void end_step() { begun_ = kNone; }

  // Any thread.
  bool healthy() const { return !hung_; }
  static Error hangs();

 private:
  static constexpr std::int64_t kNone = -1;

  void watch();
  bool step_hangs() const;

  RequestLedger& ledger_;
  const Clock& clock_;
  const EngineOptions& options_;
  std::atomic<std::int64_t> begun_{kNone};  // nanoseconds of the clock
  std::atomic<bool> hung_{false};
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace tessera::engine
