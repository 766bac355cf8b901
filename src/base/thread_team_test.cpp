#include "base/thread_team.h"

#include <atomic>
#include <chrono>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(ThreadTeam, RunsEveryMemberOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadTeam team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> calls(static_cast<std::size_t>(threads));  // plain: run() must order them
      team.run([&](int member, int members) {
        EXPECT_EQ(members, threads);
        ++calls[static_cast<std::size_t>(member)];
      });
      EXPECT_EQ(calls, std::vector<int>(static_cast<std::size_t>(threads), 1));
    }
  }
}

TEST(ThreadTeam, ForEachCoversEveryItemOnce) {
  ThreadTeam team(4);
  for (std::size_t count : {0, 1, 2, 7, 64, 1000}) {
    for (std::size_t grain : {1, 3, 64, 5000}) {
      std::vector<int> seen(count);
      std::atomic<int> bad{0};
      team.for_each(count, grain, [&](std::size_t begin, std::size_t end, int member) {
        if (begin >= end || end - begin > grain || member < 0 || member >= 4) ++bad;
        for (std::size_t i = begin; i < end; ++i) ++seen[i];
      });
      EXPECT_EQ(bad, 0);
      EXPECT_EQ(seen, std::vector<int>(count, 1)) << count << " by " << grain;
    }
  }
}

TEST(ThreadTeam, StretchesCoverEveryItemOnceAndInOrder) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadTeam team(threads);
    for (std::size_t count : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<int> seen(count);
      std::atomic<int> bad{0}, kept{0};
      std::vector<std::size_t> expected(static_cast<std::size_t>(threads), ThreadTeam::kNone);
      team.for_stretches(count, [&](std::size_t item, std::size_t next, int member) {
        if (item >= count || member < 0 || member >= threads) ++bad;
        ++seen[item];
        std::size_t& promised = expected[static_cast<std::size_t>(member)];
        kept += promised == item ? 1 : 0;
        if (next != ThreadTeam::kNone && next != item + 1) ++bad;
        promised = next;
      });
      EXPECT_EQ(bad, 0);
      EXPECT_EQ(seen, std::vector<int>(count, 1)) << count << " by " << threads;
      if (threads == 1 && count > 0) EXPECT_EQ(kept, static_cast<int>(count) - 1);
    }
  }
}

TEST(ThreadTeam, TheStretchOfAMemberThatIsHeldUpIsDoneByOthers) {
  ThreadTeam team(2);
  std::atomic<int> done{0};
  std::atomic<bool> held{false};
  team.for_stretches(100, [&](std::size_t, std::size_t, int) {
    // Whoever comes first waits for all other items to be done.
    if (!held.exchange(true)) {
      while (done < 99) std::this_thread::yield();
    }
    ++done;
  });
  EXPECT_EQ(done, 100);
}

TEST(ThreadTeam, OneRangeStaysWithTheCaller) {
  ThreadTeam team(4);
  const auto caller = std::this_thread::get_id();
  team.for_each(3, 8, [&](std::size_t begin, std::size_t end, int member) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    EXPECT_EQ(begin, 0U);
    EXPECT_EQ(end, 3U);
    EXPECT_EQ(member, 0);
  });
}

TEST(ThreadTeam, BarrierSeparatesPhases) {
  ThreadTeam team(5);  // more than the machine may have
  std::vector<int> phase(5);
  std::atomic<int> bad{0};
  team.run([&](int member, int members) {
    for (int p = 1; p <= 100; ++p) {
      phase[static_cast<std::size_t>(member)] = p;
      team.barrier();
      for (int other = 0; other < members; ++other) {
        if (phase[static_cast<std::size_t>(other)] != p) ++bad;
      }
      team.barrier();
    }
  });
  EXPECT_EQ(bad, 0);
}

TEST(ThreadTeam, WakesFromSleep) {
  ThreadTeam team(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // long past the spinning
    std::atomic<int> calls{0};
    team.run([&](int, int) { ++calls; });
    EXPECT_EQ(calls, 3);
  }
}

TEST(ThreadTeam, ComesAndGoesWithoutWork) {
  for (int i = 0; i < 50; ++i) ThreadTeam team(1 + i % 6);
}

}  // namespace
}  // namespace tessera
