#include "base/side_jobs.h"

#include <utility>

#include "base/check.h"

namespace tessera {

SideJobs::SideJobs(int threads) {
  CHECK(threads >= 0);
  threads_.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
}

SideJobs::~SideJobs() {
  finish();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  begun_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void SideJobs::start(std::size_t count, std::function<void(std::size_t)> job) {
  if (count == 0) return;
  {
    const std::lock_guard lock(mutex_);
    CHECK(next_ == count_ && running_ == 0);
    job_ = std::move(job);
    count_ = count;
    next_ = 0;
  }
  count == 1 ? begun_.notify_one() : begun_.notify_all();
}

void SideJobs::finish() {
  std::unique_lock lock(mutex_);
  work(lock);
  done_.wait(lock, [this] { return running_ == 0; });
}

void SideJobs::work(std::unique_lock<std::mutex>& lock) {
  while (next_ < count_) {
    const std::size_t index = next_++;
    ++running_;
    lock.unlock();
    job_(index);
    lock.lock();
    --running_;
  }
}

void SideJobs::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    begun_.wait(lock, [this] { return stopping_ || next_ < count_; });
    if (stopping_) return;
    work(lock);
    if (running_ == 0) done_.notify_one();
  }
}

}  // namespace tessera
