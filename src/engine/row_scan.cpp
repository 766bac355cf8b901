#include "engine/row_scan.h"

#include <algorithm>
#include <limits>

namespace tessera::engine {
namespace {

constexpr std::size_t kLanes = 16;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

RowPeak find_peak(std::span<const float> row) {
  float max[kLanes];
  unsigned bad[kLanes] = {};
  std::fill_n(max, kLanes, -kInfinity);
  const std::size_t whole = row.size() - row.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = row[i + lane];
      max[lane] = value > max[lane] ? value : max[lane];
      bad[lane] |= value < kInfinity ? 0U : 1U;
    }
  }
  for (std::size_t i = whole; i < row.size(); ++i) {
    max[0] = row[i] > max[0] ? row[i] : max[0];
    bad[0] |= row[i] < kInfinity ? 0U : 1U;
  }
  return {*std::max_element(max, max + kLanes),
          std::any_of(bad, bad + kLanes, [](unsigned lane) { return lane != 0; })};
}

std::size_t first_of(std::span<const float> row, float value) {
  const std::size_t whole = row.size() - row.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    unsigned found = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) found |= row[i + lane] == value ? 1U : 0U;
    if (found == 0) continue;
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      if (row[i + lane] == value) return i + lane;
  }
  for (std::size_t i = whole; i < row.size(); ++i)
    if (row[i] == value) return i;
  return row.size();
}

}  // namespace tessera::engine
