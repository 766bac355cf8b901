// Writes usage rows. Where nothing else is being written, whoever enqueues a row that is waited for
// writes it there and then: two threads less to wake. Everything else is queued: one thread takes
// all that is there, writes it in one transaction and then tells those who wait (group commit).
// After a commit both rest for a multiple of the time that it took: so batches grow under load,
// instead of the writing's share of a core.
//
// An I/O thread that writes for itself never waits for the disk or for another process: not while
// the WAL is folded into the file, not for the database's lock, and not for a while after a commit
// that was slow all the same.
//
// A reserve is held back for some milliseconds: a request that ends in that time is one row to
// write instead of two. A process that is killed may so leave no trace of a request of its last
// milliseconds that nobody was told the end of.
//
// When a commit fails, nobody waits any longer: the callbacks of all that is queued are called, and
// those of what comes later at once. The writes stay, in order and bounded, and are tried again. A
// row that the store refuses for itself is logged and dropped; it does not hold up the others.
//
// What `done` promises: store.h. Callbacks are called without a lock held, from the writer's
// thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "access/store.h"
#include "access/wal_folder.h"

namespace tessera::access {

struct UsageWriterOptions {
  // What is kept while the store fails. Over it the oldest reserves are dropped, then the oldest
  // settled rows.
  std::size_t max_rows = 10'000;
  // After this long without a commit the writer is overdue().
  std::chrono::milliseconds max_age{60'000};
  // How long a reserve waits for its request's end.
  std::chrono::milliseconds reserve_delay{20};
  // Between attempts while the store fails: doubled from the first to the last.
  std::chrono::milliseconds first_retry{50};
  std::chrono::milliseconds last_retry{2'000};
};

class UsageWriter {
 public:
  using Done = std::function<void()>;

  // `folder`: another connection, for folding the WAL; null: nobody does that.
  explicit UsageWriter(std::unique_ptr<Store> store, UsageWriterOptions options = {},
                       std::unique_ptr<Store> folder = nullptr);
  ~UsageWriter();  // shutdown()
  UsageWriter(const UsageWriter&) = delete;
  UsageWriter& operator=(const UsageWriter&) = delete;

  // Any thread. True: it is written, or nobody is to wait for it (see above); `done` is dropped.
  // False: `done`, which may be empty, will be called. A discard has no row but its request_id.
  bool enqueue(UsageWrite write, Done done);
  // False from a failed commit to the next that succeeds. Any thread.
  bool healthy() const { return healthy_.load(std::memory_order_relaxed); }
  // Not healthy, and what comes now may be lost: rows were dropped, or `max_age` is over. Any
  // thread.
  bool overdue() const;
  // Writes what is queued (one attempt, when the store fails) and ends the thread. What is enqueued
  // later is lost, and logged.
  void shutdown();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  // Reserves apart from the rest, which is settles and discards: they are written first and dropped
  // first. Since a reserve never changes a row that is there, no other order between the two
  // matters.
  struct HeldReserve {
    UsageWrite write;
    Instant due;
  };
  using Reserves = std::list<HeldReserve>;  // oldest first
  struct Batch {
    std::vector<UsageWrite> writes;
    std::vector<Done> callbacks;
  };

  bool write_now(const UsageWrite& write);
  void work();
  // Waits until there is something to write, or to try again. False: the end.
  bool wait_for_work(std::unique_lock<std::mutex>& lock);
  Batch take_batch();  // with mutex_ held
  void write(Batch batch);
  Result<void> write_apart(std::span<const UsageWrite> writes);
  // With writing_ held.
  void note_commit(Instant start);
  void recover(std::size_t rows);
  void keep(Batch batch, const Error& error);
  // These with mutex_ held.
  void queue(UsageWrite write);
  void hold(Reserves::iterator place, UsageWrite reserve, Instant due);
  void release(Reserves::iterator reserve);
  void trim();

  const UsageWriterOptions options_;
  std::mutex writing_;                  // taken before mutex_, where both are held
  const std::unique_ptr<Store> store_;  // with writing_ held
  Instant rest_until_;                  // with writing_ held; before it, enqueue() does not write
  const std::unique_ptr<WalFolder> folder_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Reserves reserves_;
  std::unordered_map<std::string_view, Reserves::iterator> reserve_of_;  // request_id → held
  std::deque<UsageWrite> finals_;
  std::vector<Done> callbacks_;  // of finals_
  bool asleep_ = false;          // and not in a rest that ends by itself
  bool no_alarm_ = false;        // asleep for longer than a reserve may wait
  bool stopping_ = false;
  // Since the store fails:
  std::size_t dropped_reserves_ = 0;
  std::size_t dropped_finals_ = 0;
  Instant failing_since_;
  std::chrono::milliseconds retry_;
  std::atomic<bool> healthy_{true};  // changed with mutex_ held

  std::mutex shutdown_mutex_;
  std::thread thread_;
};

}  // namespace tessera::access
