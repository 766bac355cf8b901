#include "base/side_jobs.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(SideJobs, EveryJobIsDoneOnceAndSeenByTheOwner) {
  for (const int threads : {0, 1, 3}) {
    SideJobs jobs(threads);
    std::vector<int> done;  // plain: finish() must order it
    for (std::size_t count = 0; count < 200; ++count) {
      done.assign(count, 0);
      jobs.start(count, [&](std::size_t i) { ++done[i]; });
      jobs.finish();
      EXPECT_EQ(done, std::vector<int>(count, 1));
      jobs.finish();  // nothing more
    }
  }
}

TEST(SideJobs, JobsAreDoneWhileTheOwnerDoesSomethingElse) {
  SideJobs jobs(2);
  std::atomic<int> done{0};
  std::atomic<bool> elsewhere{true};
  const std::thread::id owner = std::this_thread::get_id();
  jobs.start(8, [&](std::size_t) {
    if (std::this_thread::get_id() == owner) elsewhere = false;
    ++done;
  });
  while (done < 8) std::this_thread::yield();
  EXPECT_TRUE(elsewhere);
  jobs.finish();
}

TEST(SideJobs, WhatIsBegunIsFinishedBeforeItGoes) {
  std::atomic<int> done{0};
  {
    SideJobs jobs(1);
    jobs.start(50, [&](std::size_t) { ++done; });
  }
  EXPECT_EQ(done, 50);
}

}  // namespace
}  // namespace tessera
