#include "base/thread_team.h"

#include <algorithm>

#include "base/check.h"

namespace tessera {
namespace {

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Until the word is no longer `old`: spins for some ten microseconds, offers the core to others for
// a while, sleeps.
void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
  constexpr int kSpins = 2000;
  constexpr int kYields = 50;
  for (int i = 0; i < kSpins; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    relax();
  }
  for (int i = 0; i < kYields; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    std::this_thread::yield();
  }
  while (word.load(std::memory_order_acquire) == old) word.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(int threads)
    : threads_(threads), stretches_(static_cast<std::size_t>(std::max(threads, 1))) {
  CHECK(threads >= 1);
  members_.reserve(static_cast<std::size_t>(threads - 1));
  for (int member = 1; member < threads; ++member) {
    members_.emplace_back([this, member] { serve(member); });
  }
}

ThreadTeam::~ThreadTeam() {
  stopping_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& member : members_) member.join();
}

void ThreadTeam::share_out(std::size_t count) {
  DCHECK(count < std::uint64_t{1} << 32);
  const std::size_t members = stretches_.size();
  for (std::size_t m = 0; m < members; ++m) {
    const std::uint64_t begin = count * m / members, end = count * (m + 1) / members;
    stretches_[m].items.store(begin << 32 | end, std::memory_order_relaxed);
  }
}

ThreadTeam::Taken ThreadTeam::Stretch::take_first() {
  std::uint64_t now = items.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t begin = now >> 32, end = now & 0xFFFFFFFF;
    if (begin == end) return {};
    const std::uint64_t next = begin + 1;
    if (items.compare_exchange_weak(now, next << 32 | end, std::memory_order_relaxed))
      return {begin, next < end ? next : kNone};
  }
}

ThreadTeam::Taken ThreadTeam::Stretch::take_last() {
  std::uint64_t now = items.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t begin = now >> 32, end = now & 0xFFFFFFFF;
    if (begin == end) return {};
    if (items.compare_exchange_weak(now, begin << 32 | (end - 1), std::memory_order_relaxed))
      return {end - 1, kNone};
  }
}

void ThreadTeam::fork_and_join(Job job, bool everyone) {
  if (threads_ == 1) return job.call(job.function, 0, 1);
  CHECK((state_.load(std::memory_order_relaxed) & kClosed) != 0);  // calls do not nest
  job_ = job;
  finished_.store(0, std::memory_order_relaxed);
  const std::uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  state_.store(std::uint64_t{generation} << 32, std::memory_order_release);
  generation_.store(generation, std::memory_order_release);
  generation_.notify_all();
  job.call(job.function, 0, threads_);
  std::uint32_t entered = static_cast<std::uint32_t>(threads_ - 1);
  if (!everyone)
    entered = static_cast<std::uint32_t>(state_.fetch_or(kClosed, std::memory_order_acq_rel));
  for (std::uint32_t done = finished_.load(std::memory_order_acquire); done != entered;
       done = finished_.load(std::memory_order_acquire)) {
    wait_while(finished_, done);
  }
  if (everyone) state_.fetch_or(kClosed, std::memory_order_relaxed);
}

bool ThreadTeam::enter(std::uint32_t& seen) {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  while ((state & kClosed) == 0 && static_cast<std::uint32_t>(state >> 32) != seen) {
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel,
                                     std::memory_order_acquire)) {
      seen = static_cast<std::uint32_t>(state >> 32);
      return true;
    }
  }
  return false;
}

void ThreadTeam::serve(int member) {
  std::uint32_t entered = 0, waited = 0;
  for (;;) {
    wait_while(generation_, waited);
    waited = generation_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!enter(entered)) continue;
    job_.call(job_.function, member, threads_);
    finished_.fetch_add(1, std::memory_order_acq_rel);
    finished_.notify_one();
  }
}

void ThreadTeam::barrier() {
  if (threads_ == 1) return;
  const std::uint32_t round = barrier_round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 ==
      static_cast<std::uint32_t>(threads_)) {
    arrived_.store(0, std::memory_order_relaxed);
    barrier_round_.fetch_add(1, std::memory_order_release);
    barrier_round_.notify_all();
  } else {
    wait_while(barrier_round_, round);
  }
}

}  // namespace tessera
