#include "engine/request_ledger.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"

namespace tessera::engine {

Result<RequestId> RequestLedger::accept(AccountId account) {
  std::lock_guard lock(mutex_);
  if (draining_)
    return fail(ErrorCode::kUnavailable, "the server is shutting down and takes no more requests");
  if (std::cmp_greater_equal(live_.size(), max_live_)) {
    return fail(
        ErrorCode::kResourceExhausted,
        fmt::format("the queue is full: {} requests run or wait; try again later", live_.size()));
  }
  std::int32_t& own = of_account_[account];
  const double left = static_cast<double>(max_live_) - static_cast<double>(live_.size()) - 1;
  if (own > 0 && account_share_ < 1 && own + 1 > account_share_ / (1 - account_share_) * left) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("{} requests of this account run or wait, its share of the queue; try "
                            "again later",
                            own));
  }
  ++own;
  const RequestId id{++last_id_};
  live_[id].account = account;
  return id;
}

void RequestLedger::attach(RequestId id, const std::shared_ptr<EventChannel>& events) {
  std::lock_guard lock(mutex_);
  live_.at(id).events = events;
}

std::vector<std::shared_ptr<EventChannel>> RequestLedger::channels() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<EventChannel>> channels;
  for (const auto& [id, entry] : live_)
    if (auto events = entry.events.lock()) channels.push_back(std::move(events));
  return channels;
}

bool RequestLedger::cancel(RequestId id) {
  std::lock_guard lock(mutex_);
  const auto entry = live_.find(id);
  if (entry == live_.end() || entry->second.cancelled) return false;
  entry->second.cancelled = true;
  cancelled_.push_back(id);
  return true;
}

void RequestLedger::start_drain() {
  std::lock_guard lock(mutex_);
  draining_ = true;
}

void RequestLedger::wait_until_empty() {
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [this] { return live_.empty() && undelivered_ == 0; });
}

std::int32_t RequestLedger::running() const {
  std::lock_guard lock(mutex_);
  return running_;
}

std::int32_t RequestLedger::waiting() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::int32_t>(live_.size()) - running_;
}

std::vector<RequestId> RequestLedger::take_cancelled() {
  std::lock_guard lock(mutex_);
  return std::exchange(cancelled_, {});
}

void RequestLedger::admitted(RequestId id) {
  std::lock_guard lock(mutex_);
  const auto entry = live_.find(id);
  CHECK(entry != live_.end() && !entry->second.running);
  entry->second.running = true;
  ++running_;
}

void RequestLedger::finished(RequestId id) {
  std::lock_guard lock(mutex_);
  const auto entry = live_.find(id);
  CHECK(entry != live_.end());
  if (entry->second.running) --running_;
  const auto own = of_account_.find(entry->second.account);
  if (--own->second == 0) of_account_.erase(own);
  live_.erase(entry);
  ++undelivered_;
}

void RequestLedger::delivered() {
  std::lock_guard lock(mutex_);
  CHECK(undelivered_ > 0);
  --undelivered_;
  if (live_.empty() && undelivered_ == 0) empty_.notify_all();
}

}  // namespace tessera::engine
