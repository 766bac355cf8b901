// Folds the usage rows' WAL into the database file behind everybody's back, on a thread and a
// connection of its own: it is the one work of the store that waits for the disk. Rows go on being
// written meanwhile; only at the end, when little is left, the writers are kept out for two fsyncs,
// so that the WAL can begin anew. Trouble is logged.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "access/store.h"

namespace tessera::access {

class WalFolder {
 public:
  // 16 MiB. Commits of single rows write the same page over and over, and only its last version is
  // copied: the seldom, the fewer. But a WAL that begins anew costs less to write than one that
  // grows.
  static constexpr int kPages = 4096;

  // Whoever writes rows holds `writing`, which outlives this. `pages` in the WAL are to be folded.
  WalFolder(std::unique_ptr<Store> store, std::mutex& writing, int pages = kPages);
  ~WalFolder();  // waits for a folding under way
  WalFolder(const WalFolder&) = delete;
  WalFolder& operator=(const WalFolder&) = delete;

  // With `writing` held, after a commit: what Store::wal_pages() said.
  void note(int wal_pages);
  // A commit may have to wait for the disk now. Any thread.
  bool folding() const { return folding_.load(std::memory_order_relaxed); }

 private:
  void work();
  void fold_all();
  int fold();

  const std::unique_ptr<Store> store_;  // the thread's alone
  std::mutex& writing_;
  const int pages_;
  int wal_pages_ = 0;  // with writing_ held, as is:
  int fold_at_;        // when the WAL has so many

  std::atomic<bool> folding_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace tessera::access
