#include "access/usage_writer.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace tessera::access {
namespace {

using SteadyClock = std::chrono::steady_clock;

// After a commit the writer rests for three times as long: at most a quarter of a core. The cap
// keeps one slow commit from making the next request wait.
constexpr int kRestFactor = 3;
constexpr std::chrono::microseconds kMostRest{500};

void call_all(const std::vector<UsageWriter::Done>& callbacks) {
  for (const UsageWriter::Done& done : callbacks) done();
}

// A reserve that meets its end is not worth writing: the end says all of it.
std::vector<UsageWrite> merged(std::deque<UsageWrite>& reserves, std::deque<UsageWrite>& finals) {
  std::vector<UsageWrite> writes;
  writes.reserve(reserves.size() + finals.size());
  std::unordered_set<std::string_view> ended;
  if (!reserves.empty())
    for (const UsageWrite& write : finals) ended.insert(write.row.request_id);
  std::copy_if(std::make_move_iterator(reserves.begin()), std::make_move_iterator(reserves.end()),
               std::back_inserter(writes),
               [&](const UsageWrite& write) { return !ended.contains(write.row.request_id); });
  std::move(finals.begin(), finals.end(), std::back_inserter(writes));
  return writes;
}

}  // namespace

UsageWriter::UsageWriter(std::unique_ptr<Store> store, UsageWriterOptions options)
    : store_(std::move(store)), options_(options), retry_(options.first_retry) {
  CHECK(options_.max_rows > 0);
  thread_ = std::thread([this] { work(); });
}

UsageWriter::~UsageWriter() {
  shutdown();
}

void UsageWriter::enqueue(UsageWrite write, Done done) {
  bool notify = false;
  bool late = false;
  {
    const std::lock_guard lock(mutex_);
    late = stopping_;
    if (!late) {
      const bool was_empty = queue_.empty();
      const bool waits = healthy() && done;
      const bool reserve = write.kind == UsageWrite::Kind::kReserve;
      (reserve ? queue_.reserves : queue_.finals).push_back(std::move(write));
      if (waits) queue_.callbacks.push_back(std::exchange(done, nullptr));
      if (!healthy()) trim();
      // A sleeper is woken by the first, to set its alarm, and by the first that is in a hurry.
      notify = asleep_ && (was_empty || (waits && !urgent_));
      urgent_ = urgent_ || waits;
    }
  }
  if (notify) wake_.notify_one();
  if (late) log_error("a usage row came after the end and is lost");
  if (done) done();
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
    Queue batch;
    {
      std::unique_lock lock(mutex_);
      if (!wait_for_work(lock)) return;
      std::swap(batch, queue_);
      urgent_ = false;
    }
    const auto start = SteadyClock::now();
    write(std::move(batch));
    const auto took = SteadyClock::now() - start;
    std::this_thread::sleep_for(std::min<SteadyClock::duration>(kRestFactor * took, kMostRest));
  }
}

bool UsageWriter::wait_for_work(std::unique_lock<std::mutex>& lock) {
  if (!healthy()) {
    wake_.wait_for(lock, retry_, [this] { return stopping_; });
    return !queue_.empty();
  }
  asleep_ = true;
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  wake_.wait_for(lock, options_.reserve_delay, [this] { return stopping_ || urgent_; });
  asleep_ = false;
  return !queue_.empty();
}

void UsageWriter::write(Queue batch) {
  std::vector<UsageWrite> writes = merged(batch.reserves, batch.finals);
  const auto written = write_apart(writes);
  if (!written) return keep(std::move(writes), batch.callbacks, written.error());
  if (!healthy()) recover(writes.size());
  call_all(batch.callbacks);
  const auto tidied = store_->tidy();
  if (!tidied) log_warning("usage rows: {}", tidied.error().message);
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

void UsageWriter::keep(std::vector<UsageWrite> writes, std::vector<Done>& callbacks,
                       const Error& error) {
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
    for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
      const bool reserve = write->kind == UsageWrite::Kind::kReserve;
      (reserve ? queue_.reserves : queue_.finals).push_front(std::move(*write));
    }
    trim();
    if (stopping_) {
      log_error("the end: {} usage rows are lost, and {} of requests under way",
                queue_.finals.size() + dropped_finals_, queue_.reserves.size() + dropped_reserves_);
      queue_.reserves.clear();
      queue_.finals.clear();
    }
    came_meanwhile = std::exchange(queue_.callbacks, {});
  }
  call_all(callbacks);
  call_all(came_meanwhile);
}

void UsageWriter::trim() {
  while (queue_.reserves.size() + queue_.finals.size() > options_.max_rows) {
    const bool reserve = !queue_.reserves.empty();
    ++(reserve ? dropped_reserves_ : dropped_finals_);
    (reserve ? queue_.reserves : queue_.finals).pop_front();
  }
}

}  // namespace tessera::access
