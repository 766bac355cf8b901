// Passes over one row of logits, several values at once: for 248,320 of them these passes are what
// a greedy token costs. Plain functions; any thread.
#pragma once

#include <cstddef>
#include <span>

namespace tessera::engine {

struct RowPeak {
  float max;  // of what is no NaN; -Inf of none
  bool bad;   // NaN or +Inf is among the values; -Inf is how a model says "never"
};
RowPeak find_peak(std::span<const float> row);

// The first position that holds `value`; row.size() where none does.
std::size_t first_of(std::span<const float> row, float value);

}  // namespace tessera::engine
