#include "engine/row_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace tessera::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Against the obvious loops, for all lengths around the blocks and few enough values to tie.
TEST(RowScan, AgreesWithTheObviousLoops) {
  std::minstd_rand random(1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<float> row(random() % 100);
    for (float& value : row) {
      const auto kind = random() % 60;
      value = kind == 0   ? kNan
              : kind == 1 ? kInfinity
              : kind < 5  ? -kInfinity
                          : static_cast<float>(random() % 7) - 3;
    }
    float max = -kInfinity;
    bool bad = false;
    for (const float value : row) {
      if (value > max) max = value;
      bad = bad || std::isnan(value) || value == kInfinity;
    }
    const RowPeak peak = find_peak(row);
    ASSERT_EQ(peak.max, max);
    ASSERT_EQ(peak.bad, bad);
    for (const float value : {max, -3.0F, 2.0F, 17.0F}) {
      const auto at =
          static_cast<std::size_t>(std::find(row.begin(), row.end(), value) - row.begin());
      ASSERT_EQ(first_of(row, value), at);
    }
  }
}

TEST(RowScan, AZeroIsAZeroOfEitherSign) {
  EXPECT_EQ(first_of(std::vector<float>{-1.0F, -0.0F, 0.0F}, 0.0F), 1u);
}

}  // namespace
}  // namespace tessera::engine
