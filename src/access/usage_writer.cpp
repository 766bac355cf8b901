#include "access/usage_writer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace tessera::access {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Under load the writer rests after a commit for three times as long, so that more rows share the
// next one: at most a quarter of a core. The cap keeps one slow commit from making the next request
// wait; single rows never do.
constexpr std::size_t kLoad = 8;  // rows of one commit
constexpr int kRestFactor = 3;
constexpr std::chrono::microseconds kMostRest{500};
// After a commit that took so long, I/O threads leave the writing to the writer for a while.
constexpr std::chrono::milliseconds kSlow{2};
constexpr std::chrono::seconds kSlowRest{1};
// After so many reserve delays without a reserve the writer sleeps until it is woken.
constexpr int kIdleRounds = 50;

void call_all(const std::vector<UsageWriter::Done>& callbacks) {
  for (const UsageWriter::Done& done : callbacks) done();
}

}  // namespace

UsageWriter::UsageWriter(std::unique_ptr<Store> store, UsageWriterOptions options,
                         std::unique_ptr<Store> folder)
    : options_(options),
      store_(std::move(store)),
      folder_(folder ? std::make_unique<WalFolder>(std::move(folder), writing_) : nullptr),
      retry_(options.first_retry) {
  CHECK(options_.max_rows > 0);
  thread_ = std::thread([this] { work(); });
}

UsageWriter::~UsageWriter() {
  shutdown();
}

bool UsageWriter::enqueue(UsageWrite write, Done done) {
  if (done && write_now(write)) return true;
  bool notify = false;
  bool waits = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      log_error("a usage row came after the end and is lost");
      return true;
    }
    // A sleeper is woken by the first end, and where it has no alarm set by the first reserve.
    const bool reserve = write.kind == UsageWrite::Kind::kReserve;
    notify = asleep_ && finals_.empty() && (!reserve || no_alarm_);
    if (notify) no_alarm_ = false;
    queue(std::move(write));
    waits = done && healthy();
    if (waits) callbacks_.push_back(std::move(done));
    if (!healthy()) trim();
  }
  if (notify) wake_.notify_one();
  return !waits;
}

void UsageWriter::queue(UsageWrite write) {
  if (write.kind == UsageWrite::Kind::kReserve)
    return hold(reserves_.end(), std::move(write), SteadyClock::now() + options_.reserve_delay);
  const auto held = reserve_of_.find(write.row.request_id);
  if (held != reserve_of_.end()) release(held->second);
  finals_.push_back(std::move(write));
}

// Errors are the writer's to handle: it tries again.
bool UsageWriter::write_now(const UsageWrite& write) {
  const std::unique_lock writing(writing_, std::try_to_lock);
  if (!writing || (folder_ && folder_->folding())) return false;
  const Instant start = SteadyClock::now();
  if (start < rest_until_) return false;
  {
    const std::lock_guard lock(mutex_);
    if (!asleep_ || stopping_ || !finals_.empty()) return false;
    const auto held = reserve_of_.find(write.row.request_id);
    if (held != reserve_of_.end()) release(held->second);
  }
  if (!store_->try_write_usage(write)) return false;
  note_commit(start);
  return true;
}

void UsageWriter::note_commit(Instant start) {
  const Instant end = SteadyClock::now();
  rest_until_ =
      end + (end - start > kSlow ? SteadyClock::duration(kSlowRest) : kRestFactor * (end - start));
  if (folder_) folder_->note(store_->wal_pages());
}

bool UsageWriter::overdue() const {
  const std::lock_guard lock(mutex_);
  return !healthy() &&
         (dropped_finals_ > 0 || SteadyClock::now() - failing_since_ >= options_.max_age);
}

void UsageWriter::shutdown() {
  const std::lock_guard once(shutdown_mutex_);
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void UsageWriter::work() {
  for (;;) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      if (!wait_for_work(lock)) return;
      batch = take_batch();
    }
    const bool loaded = batch.writes.size() >= kLoad;
    const auto start = SteadyClock::now();
    write(std::move(batch));
    const auto took = SteadyClock::now() - start;
    if (loaded)
      std::this_thread::sleep_for(std::min<SteadyClock::duration>(kRestFactor * took, kMostRest));
  }
}

bool UsageWriter::wait_for_work(std::unique_lock<std::mutex>& lock) {
  if (!healthy()) {
    wake_.wait_for(lock, retry_, [this] { return stopping_; });
    return !reserves_.empty() || !finals_.empty();
  }
  // Most reserves are gone before they are due. So the alarm is not set for each one, but while
  // there are some rings anyway.
  asleep_ = true;
  for (int idle = 0; !stopping_ && finals_.empty(); ++idle) {
    if (!reserves_.empty()) {
      idle = 0;
      const Instant due = reserves_.front().due;  // a copy: the reserve may go while we wait
      if (due <= SteadyClock::now()) break;
      wake_.wait_until(lock, due);
    } else if (idle < kIdleRounds) {
      wake_.wait_for(lock, options_.reserve_delay);
    } else {
      no_alarm_ = true;
      wake_.wait(lock);
      no_alarm_ = false;
    }
  }
  asleep_ = false;
  return !reserves_.empty() || !finals_.empty();
}

UsageWriter::Batch UsageWriter::take_batch() {
  Batch batch;
  batch.callbacks = std::exchange(callbacks_, {});
  const Instant now = SteadyClock::now();
  while (!reserves_.empty() && (stopping_ || reserves_.front().due <= now)) {
    const auto reserve = reserves_.begin();
    reserve_of_.erase(reserve->write.row.request_id);
    batch.writes.push_back(std::move(reserve->write));
    reserves_.erase(reserve);
  }
  std::move(finals_.begin(), finals_.end(), std::back_inserter(batch.writes));
  finals_.clear();
  return batch;
}

void UsageWriter::hold(Reserves::iterator place, UsageWrite reserve, Instant due) {
  if (reserve_of_.contains(reserve.row.request_id)) return;
  const auto held = reserves_.insert(place, {std::move(reserve), due});
  reserve_of_.emplace(held->write.row.request_id, held);
}

void UsageWriter::release(Reserves::iterator reserve) {
  reserve_of_.erase(reserve->write.row.request_id);
  reserves_.erase(reserve);
}

void UsageWriter::write(Batch batch) {
  const auto written = [&] {
    const std::lock_guard writing(writing_);
    const Instant start = SteadyClock::now();
    auto result = write_apart(batch.writes);
    if (result) note_commit(start);
    return result;
  }();
  if (!written) return keep(std::move(batch), written.error());
  if (!healthy()) recover(batch.writes.size());
  call_all(batch.callbacks);
}

// In one transaction; where a row is refused for itself, in ever smaller ones, until it is found.
// To write a row twice changes nothing: half of a failed batch may be there already.
Result<void> UsageWriter::write_apart(std::span<const UsageWrite> writes) {
  auto written = store_->write_usage(writes);
  if (written || written.error().code != ErrorCode::kInvalidArgument) return written;
  if (writes.size() == 1) {
    log_error("a usage row cannot be written and is lost: {}", written.error().message);
    return {};
  }
  TRY(write_apart(writes.first(writes.size() / 2)));
  return write_apart(writes.subspan(writes.size() / 2));
}

void UsageWriter::recover(std::size_t rows) {
  const std::lock_guard lock(mutex_);
  log_info("usage rows are written again: {} kept, {} dropped, and {} of requests under way", rows,
           dropped_finals_, dropped_reserves_);
  healthy_ = true;
  retry_ = options_.first_retry;
  dropped_finals_ = dropped_reserves_ = 0;
}

void UsageWriter::keep(Batch batch, const Error& error) {
  std::vector<Done> came_meanwhile;
  {
    const std::lock_guard lock(mutex_);
    if (healthy()) {
      log_error("usage rows cannot be written, they are kept and tried again: {}", error.message);
      healthy_ = false;
      failing_since_ = SteadyClock::now();
    } else {
      retry_ = std::min(2 * retry_, options_.last_retry);
    }
    for (auto write = batch.writes.rbegin(); write != batch.writes.rend(); ++write) {
      if (write->kind == UsageWrite::Kind::kReserve) {
        hold(reserves_.begin(), std::move(*write), Instant::min());
      } else {
        finals_.push_front(std::move(*write));
      }
    }
    trim();
    if (stopping_) {
      log_error("the end: {} usage rows are lost, and {} of requests under way",
                finals_.size() + dropped_finals_, reserves_.size() + dropped_reserves_);
      reserve_of_.clear();
      reserves_.clear();
      finals_.clear();
    }
    came_meanwhile = std::exchange(callbacks_, {});
  }
  call_all(batch.callbacks);
  call_all(came_meanwhile);
}

void UsageWriter::trim() {
  while (reserves_.size() + finals_.size() > options_.max_rows) {
    if (!reserves_.empty()) {
      release(reserves_.begin());
      ++dropped_reserves_;
    } else {
      finals_.pop_front();
      ++dropped_finals_;
    }
  }
}

}  // namespace tessera::access
