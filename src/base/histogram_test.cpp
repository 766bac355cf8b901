#include "base/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(Histogram, ABoundBelongsToItsBucket) {
  Histogram histogram({1, 2, 4});
  for (const double value : {0.5, 1.0, 1.5, 4.0, 4.5}) histogram.observe(value);
  const Histogram::Snapshot seen = histogram.snapshot();
  EXPECT_THAT(seen.bounds, ElementsAre(1, 2, 4));
  EXPECT_THAT(seen.counts, ElementsAre(2, 1, 1, 1));
  EXPECT_EQ(seen.sum, 11.5);
}

TEST(Histogram, LosesNothingBetweenThreads) {
  Histogram histogram({1});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10'000; ++k) histogram.observe(k % 2 == 0 ? 0.5 : 1.5);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(histogram.snapshot().counts, ElementsAre(20'000, 20'000));
  EXPECT_EQ(histogram.snapshot().sum, 40'000);
}

}  // namespace
}  // namespace tessera
