// A few threads for work that takes milliseconds to seconds, asked for by accounts that must not
// stand in each other's way: the accounts take turns, one piece of work each, so that nobody waits
// for more than what runs now and one piece of each other account. Of one account, first come,
// first served. Jobs are bounded by what they count, not by a clock: none can be stopped.
//
// Any thread. The destructor drops what waits and joins what runs.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/ids.h"

namespace tessera {

class FairWorkers {
 public:
  using Job = std::function<void()>;

  // `max_waiting`: of one account, behind what runs.
  FairWorkers(int threads, std::size_t max_waiting);
  ~FairWorkers();
  FairWorkers(const FairWorkers&) = delete;
  FairWorkers& operator=(const FairWorkers&) = delete;

  // False when too much of this account waits already. A job that runs out of memory is dropped.
  bool try_submit(AccountId account, Job job);

 private:
  void work();

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable not_empty_;
  std::unordered_map<AccountId, std::deque<Job>> waiting_;
  std::list<AccountId> turns_;  // whose job is next: all of waiting_ that have one
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tessera
