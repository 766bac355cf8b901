#include "base/fair_workers.h"

#include <list>
#include <new>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace tessera {

FairWorkers::FairWorkers(int threads, std::size_t max_waiting) : max_waiting_(max_waiting) {
  CHECK(threads > 0 && max_waiting > 0);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

FairWorkers::~FairWorkers() {
  std::unordered_map<AccountId, std::deque<Job>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    turns_.clear();
    std::swap(dropped, waiting_);
  }
  not_empty_.notify_all();
  dropped.clear();  // jobs own things: outside of the lock, and without waiting for what runs
  for (std::thread& thread : threads_) thread.join();
}

bool FairWorkers::try_submit(AccountId account, Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    std::deque<Job>& jobs = waiting_[account];
    if (jobs.size() >= max_waiting_) return false;
    // What runs out of memory here leaves no turn without a job.
    std::list<AccountId> turn;
    if (jobs.empty()) turn.push_back(account);
    jobs.push_back(std::move(job));
    turns_.splice(turns_.end(), turn);
  }
  not_empty_.notify_one();
  return true;
}

void FairWorkers::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      not_empty_.wait(lock, [this] { return stopping_ || !turns_.empty(); });
      if (stopping_) return;
      const auto account = waiting_.find(turns_.front());
      job = std::move(account->second.front());
      account->second.pop_front();
      if (account->second.empty()) {
        turns_.pop_front();
        waiting_.erase(account);
      } else {
        turns_.splice(turns_.end(), turns_, turns_.begin());
      }
    }
    try {
      job();
    } catch (const std::bad_alloc&) {
      log_error("out of memory for a piece of work: it is dropped");
    }
  }
}

}  // namespace tessera
