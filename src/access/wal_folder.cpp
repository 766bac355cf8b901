#include "access/wal_folder.h"

#include <utility>

#include "base/log.h"

namespace tessera::access {
namespace {

// What is written during a folding is left for the next: after some rounds, at so few pages, the
// rest is done with the writers kept out.
constexpr int kMostRounds = 4;
constexpr int kFewPages = 256;

}  // namespace

WalFolder::WalFolder(std::unique_ptr<Store> store, std::mutex& writing, int pages)
    : store_(std::move(store)), writing_(writing), pages_(pages), fold_at_(pages) {
  thread_ = std::thread([this] { work(); });
}

WalFolder::~WalFolder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void WalFolder::note(int wal_pages) {
  if (wal_pages < wal_pages_) fold_at_ = pages_;  // it has begun anew
  wal_pages_ = wal_pages;
  if (wal_pages < fold_at_ || folding_.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
  }  // the thread waits, or has not looked yet
  wake_.notify_one();
}

void WalFolder::work() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || folding_; });
      if (stopping_) return;
    }
    fold_all();
    folding_ = false;
  }
}

void WalFolder::fold_all() {
  for (int round = 0; round < kMostRounds && fold() > kFewPages; ++round) {
  }
  const std::lock_guard lock(writing_);
  (void)fold();
  fold_at_ = wal_pages_ + pages_;  // a reader, or the disk, may keep the WAL from beginning anew
}

int WalFolder::fold() {
  const auto left = store_->fold();
  if (left) return *left;
  log_warning("usage rows: {}", left.error().message);
  return -1;
}

}  // namespace tessera::access
