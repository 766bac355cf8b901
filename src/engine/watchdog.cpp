#include "engine/watchdog.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/log.h"

namespace tessera::engine {

Watchdog::Watchdog(RequestLedger& ledger, const Clock& clock, const EngineOptions& options)
    : ledger_(ledger), clock_(clock), options_(options) {
  if (options.step_timeout_ms > 0) thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Error Watchdog::hangs() {
  return {ErrorCode::kInternal, "the model's computation does not come back"};
}

bool Watchdog::step_hangs() const {
  const std::int64_t begun = begun_;
  return begun != kNone && clock_.now().time_since_epoch().count() - begun >
                               std::int64_t{options_.step_timeout_ms} * 1'000'000;
}

void Watchdog::watch() {
  const std::chrono::milliseconds interval(std::clamp(options_.step_timeout_ms / 8, 1, 1000));
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, interval, [this] { return stopping_; })) {
    if (!step_hangs()) continue;
    lock.unlock();
    hung_ = true;
    log_error("a step has taken more than {} ms: its requests end, the engine takes no more",
              options_.step_timeout_ms);
    for (const auto& events : ledger_.channels()) events->abort(hangs());
    if (options_.on_hang) options_.on_hang();
    return;
  }
}

}  // namespace tessera::engine
