// A team of threads that computes together: fork, share the work, join; thousands of times a second
// and without allocation. Made for steps of microseconds, so members spin for a short while before
// they sleep.
//
// One thread at a time (the owner's) calls run() and for_each(); it is member 0 and works too.
// Calls do not nest. Which member does which item is not determined; whoever needs reproducible
// numbers must make the items' results independent of that. Spinning is bounded, with yields, so
// that more members than free cores is slow but sane.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace tessera {

class ThreadTeam {
 public:
  // `threads` >= 1 members, the caller of run() included.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int threads() const { return threads_; }

  // function(member, members) once on every member; returns when all have.
  template <class F>
  void run(F&& function) {
    fork_and_join(job_of(function), true);
  }

  // function(begin, end, member) for ranges of at most `grain` that cover 0 .. count - 1, handed
  // out as members become free. One range alone is done by the caller without waking anyone.
  template <class F>
  void for_each(std::size_t count, std::size_t grain, F&& function) {
    if (count == 0) return;
    if (count <= grain || threads_ == 1) {
      for (std::size_t i = 0; i < count; i += grain)
        function(i, count - i < grain ? count : i + grain, 0);
      return;
    }
    next_.store(0, std::memory_order_relaxed);
    const auto take_ranges = [&](int member, int) {
      for (;;) {
        const std::size_t begin = next_.fetch_add(grain, std::memory_order_relaxed);
        if (begin >= count) return;
        function(begin, count - begin < grain ? count : begin + grain, member);
      }
    };
    fork_and_join(job_of(take_ranges), false);
  }

  // function(item, next, member) for each item 0 .. count - 1. Each member goes through a stretch
  // of neighbours in order, and then takes items from the ends of others' stretches. `next` is what
  // the member will do then unless others are faster; kNone where that is not known. `count` <
  // 2^32.
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  template <class F>
  void for_stretches(std::size_t count, F&& function) {
    if (count <= 1 || threads_ == 1) {
      for (std::size_t i = 0; i < count; ++i) function(i, i + 1 < count ? i + 1 : kNone, 0);
      return;
    }
    share_out(count);
    const auto take_items = [&](int member, int) {
      for (int other = member; other < member + threads_; ++other) {
        Stretch& stretch = stretches_[static_cast<std::size_t>(other % threads_)];
        for (;;) {
          const Taken taken = other == member ? stretch.take_first() : stretch.take_last();
          if (taken.item == kNone) break;
          function(taken.item, taken.next, member);
        }
      }
    };
    fork_and_join(job_of(take_items), false);
  }

  // Inside run(): waits until all members are here.
  void barrier();

 private:
  struct Job {
    void (*call)(void* function, int member, int members) = nullptr;
    void* function = nullptr;
  };
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 31;

  struct Taken {
    std::size_t item = kNone, next = kNone;
  };
  // Items begin .. end - 1 that nobody has taken: begin << 32 | end.
  struct alignas(64) Stretch {
    std::atomic<std::uint64_t> items{0};
    Taken take_first();
    Taken take_last();
  };

  template <class F>
  static Job job_of(F& function) {
    return {[](void* f, int member, int members) { (*static_cast<F*>(f))(member, members); },
            const_cast<void*>(static_cast<const void*>(&function))};
  }

  void share_out(std::size_t count);
  // Does the job on the caller and on members that begin before the caller is done; on all of them
  // if `everyone`.
  void fork_and_join(Job job, bool everyone);
  void serve(int member);
  // Whether `member` is now in a job that it has not been in; `seen` is the last generation it
  // knows of.
  bool enter(std::uint32_t& seen);

  const int threads_;
  Job job_;  // written while no member is in a job
  std::atomic<bool> stopping_{false};
  // Apart, so that members waiting on one do not slow writers of another.
  //
  // A job is a generation. state_: generation << 32 | closed << 31 | members that have entered.
  // Members enter while it is open and count themselves out in finished_; the caller closes it and
  // waits for those who entered.
  alignas(64) std::atomic<std::uint64_t> state_{kClosed};
  alignas(64) std::atomic<std::uint32_t> generation_{0};  // what idle members wait on
  alignas(64) std::atomic<std::uint32_t> finished_{0};
  alignas(64) std::atomic<std::uint32_t> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> barrier_round_{0};
  alignas(64) std::atomic<std::size_t> next_{0};
  std::vector<Stretch> stretches_;  // of each member
  std::vector<std::thread> members_;
};

}  // namespace tessera
