// How long a step takes, for tests on the fake clock: as eight layers of the true shape do on four
// cores (docs/performance.md). A token more in a step with few costs much more than in one with
// many, which share their experts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace tessera::engine {

inline double step_ms(std::size_t tokens) {
  constexpr struct {
    double tokens, ms;
  } kMeasured[] = {{1, 25},   {2, 29},    {4, 43},    {8, 58},    {16, 80},    {32, 115},
                   {64, 172}, {128, 265}, {256, 412}, {512, 739}, {1024, 1440}};
  const auto n = static_cast<double>(tokens);
  const auto* const next = std::find_if(std::begin(kMeasured), std::end(kMeasured) - 1,
                                        [n](const auto& point) { return point.tokens >= n; });
  if (next == std::begin(kMeasured)) return next->ms;
  const auto* const last = next - 1;
  return last->ms + (next->ms - last->ms) * (n - last->tokens) / (next->tokens - last->tokens);
}

}  // namespace tessera::engine
