// The search for scales that quantise_block.cpp is made of. Internal to weights/.
//
// A grid is the set of numbers that quants stand for, before scaling: nearest(x) is the one next to
// x. Sums run in floats over blocks of 16 or 32 numbers. Pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tessera::weights {

// The nearest integer, of two the even one, for |x| < 2^22: an addition, where the library's
// function would be a call.
inline float nearest_integer(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23
  return (x + kRound) - kRound;
}

// least .. most.
template <int kLeast, int kMost>
struct IntegerGrid {
  static constexpr float kExtreme = kLeast;  // what the number of largest magnitude becomes
  static float nearest(float x) {
    return nearest_integer(
        std::min(std::max(x, static_cast<float>(kLeast)), static_cast<float>(kMost)));
  }
};

// Sixteen integers in ascending order.
template <const std::array<std::int8_t, 16>& kValues>
struct TableGrid {
  static constexpr float kExtreme = kValues[0];
  static float nearest(float x) {
    float value = kValues[0];
    for (std::size_t i = 1; i < 16; ++i) {
      const float middle = static_cast<float>(kValues[i - 1] + kValues[i]) / 2;
      value += x > middle ? static_cast<float>(kValues[i] - kValues[i - 1]) : 0.0F;
    }
    return value;
  }
};

inline float inverse_or_zero(float value) {
  return value == 0.0F ? 0.0F : 1.0F / value;
}

// The sum of (x - scale * nearest(x / scale))^2.
template <class Grid>
float squared_error(const float* x, std::size_t n, float scale) {
  const float inverse = inverse_or_zero(scale);
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float error = x[i] - scale * Grid::nearest(x[i] * inverse);
    sum += error * error;
  }
  return sum;
}

// The scale for x = scale * grid number. Its sign is such that the number of largest magnitude
// comes to the grid's longer end.
template <class Grid>
float fit_scale(const float* x, std::size_t n) {
  float extreme = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  if (std::fabs(extreme) < 1e-30F) return 0;
  float best_scale = extreme / Grid::kExtreme;
  float best_gain = 0;  // by how much the error is below the sum of x^2
  constexpr int kSteps = 10;
  for (int step = -kSteps; step <= kSteps; ++step) {
    // A tenth of a quant, or 1.5 % of a long grid.
    const float width = std::max(0.1F, std::fabs(Grid::kExtreme) * 0.015F);
    const float inverse = (Grid::kExtreme + width * static_cast<float>(step)) / extreme;
    float xq = 0, qq = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float q = Grid::nearest(x[i] * inverse);
      xq += x[i] * q;
      qq += q * q;
    }
    if (qq > 0 && xq * xq > best_gain * qq) {
      best_gain = xq * xq / qq;
      best_scale = xq / qq;
    }
  }
  return best_scale;
}

struct ScaleAndLeast {
  float scale = 0;
  float least = 0;
};

// The sum of (x - scale * q - least)^2, q being the nearest of 0 .. top.
inline float squared_error(const float* x, std::size_t n, float top, ScaleAndLeast fit) {
  const float inverse = inverse_or_zero(fit.scale);
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float q = nearest_integer(std::min(std::max((x[i] - fit.least) * inverse, 0.0F), top));
    const float error = x[i] - (fit.scale * q + fit.least);
    sum += error * error;
  }
  return sum;
}

// Scale (>= 0) and least number for x = scale * q + least, q in 0 .. top. With `not_positive`,
// least is at most 0.
inline ScaleAndLeast fit_scale_and_least(const float* x, std::size_t n, float top,
                                         bool not_positive) {
  float low = x[0], high = x[0], sum_x = 0;
  for (std::size_t i = 0; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    sum_x += x[i];
  }
  if (not_positive) low = std::min(low, 0.0F);
  if (high - low < 1e-30F) return {0, low};
  const auto count = static_cast<float>(n);
  ScaleAndLeast best = {(high - low) / top, low};
  float best_error = squared_error(x, n, top, best);
  constexpr int kSteps = 10;
  for (int step = -kSteps; step <= kSteps; ++step) {
    const float width = std::max(0.05F, top * 0.01F);
    const float inverse = (top + width * static_cast<float>(step)) / (high - low);
    float sum_q = 0, sum_qq = 0, sum_xq = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float q = nearest_integer(std::min(std::max((x[i] - low) * inverse, 0.0F), top));
      sum_q += q;
      sum_qq += q * q;
      sum_xq += x[i] * q;
    }
    const float determinant = count * sum_qq - sum_q * sum_q;
    if (determinant <= 0) continue;
    ScaleAndLeast fit = {(count * sum_xq - sum_x * sum_q) / determinant,
                         (sum_qq * sum_x - sum_q * sum_xq) / determinant};
    if (not_positive && fit.least > 0) fit = {sum_xq / sum_qq, 0};
    if (fit.scale <= 0) continue;
    const float error = squared_error(x, n, top, fit);
    if (error < best_error) {
      best_error = error;
      best = fit;
    }
  }
  return best;
}

}  // namespace tessera::weights
