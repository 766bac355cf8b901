// Jobs that other threads do while their owner does something else: start(), the other thing,
// finish(). The owner does at finish() what nobody has begun by then, so that no thread at all, or
// one that the system keeps waiting, makes it slower but never wrong.
//
// One owner's thread calls start() and finish(), in turn. Which thread does which job is not
// determined. What a job writes is there for the owner after finish(), and for the jobs of the next
// round. A job that throws is a bug.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tessera {

class SideJobs {
 public:
  // `threads` >= 0, beside the owner's.
  explicit SideJobs(int threads);
  ~SideJobs();
  SideJobs(const SideJobs&) = delete;
  SideJobs& operator=(const SideJobs&) = delete;

  // job(i) once for each i < count.
  void start(std::size_t count, std::function<void(std::size_t)> job);
  // Returns when all of them are done.
  void finish();

 private:
  void serve();
  // Does what is left, outside of the lock.
  void work(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable begun_;
  std::condition_variable done_;
  std::function<void(std::size_t)> job_;
  std::size_t count_ = 0;
  std::size_t next_ = 0;     // the first job that nobody has begun
  std::size_t running_ = 0;  // begun and not done
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tessera
