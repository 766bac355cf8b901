// The search for scales that quantise_block.cpp is made of. Internal to weights/.
//
// A grid is the set of numbers that quants stand for, before scaling: nearest(x) is the one next to
// x. Blocks are of 16 or 32 numbers, worked on eight at a time: a sum is eight lanes, added in a
// fixed order, so that the quants do not depend on the machine. Everything is inlined, so that
// callers compiled for wider vectors have all of it for wider vectors. Pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Vectors stay within inlined functions, so how they would be passed does not matter.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"

namespace tessera::weights {

typedef float Eight __attribute__((ext_vector_type(8)));  // NOLINT(modernize-use-using)

#define TESSERA_INLINE [[gnu::always_inline]] inline

TESSERA_INLINE Eight load8(const float* p) {
  Eight v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
TESSERA_INLINE float sum_of(Eight v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// The nearest integer, of two the even one, for |x| < 2^22: an addition, where the library's
// function would be a call.
template <class T>
TESSERA_INLINE T nearest_integer(T x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23
  return (x + kRound) - kRound;
}
TESSERA_INLINE float within(float x, float least, float most) {
  return std::min(std::max(x, least), most);
}
TESSERA_INLINE Eight within(Eight x, float least, float most) {
  const Eight low = static_cast<Eight>(least), high = static_cast<Eight>(most);
  x = x > low ? x : low;
  return x < high ? x : high;
}

// least .. most.
template <int kLeast, int kMost>
struct IntegerGrid {
  static constexpr float kExtreme = kLeast;  // what the number of largest magnitude becomes
  template <class T>
  TESSERA_INLINE static T nearest(T x) {
    return nearest_integer(within(x, kLeast, kMost));
  }
};

// Sixteen integers in ascending order.
template <const std::array<std::int8_t, 16>& kValues>
struct TableGrid {
  static constexpr float kExtreme = kValues[0];
  TESSERA_INLINE static float nearest(float x) { return nearest(static_cast<Eight>(x))[0]; }
  TESSERA_INLINE static Eight nearest(Eight x) {
    Eight value = static_cast<Eight>(static_cast<float>(kValues[0]));
    for (std::size_t i = 1; i < 16; ++i) {
      const float middle = static_cast<float>(kValues[i - 1] + kValues[i]) / 2;
      value = x > static_cast<Eight>(middle) ? static_cast<Eight>(static_cast<float>(kValues[i]))
                                             : value;
    }
    return value;
  }
};

TESSERA_INLINE float inverse_or_zero(float value) {
  return value == 0.0F ? 0.0F : 1.0F / value;
}

// The number of largest magnitude.
TESSERA_INLINE float extreme_of(const float* x, std::size_t n) {
  float least = 0, most = 0;
  for (std::size_t i = 0; i < n; ++i) {
    least = std::min(least, x[i]);
    most = std::max(most, x[i]);
  }
  return most > -least ? most : least;
}

// The sum of (x - scale * nearest(x / scale))^2.
template <class Grid>
TESSERA_INLINE float squared_error(const float* x, std::size_t n, float scale) {
  const float inverse = inverse_or_zero(scale);
  Eight sum = {};
  for (std::size_t i = 0; i < n; i += 8) {
    const Eight v = load8(x + i);
    const Eight error = v - scale * Grid::nearest(v * inverse);
    sum += error * error;
  }
  return sum_of(sum);
}

// The scale for x = scale * grid number. Its sign is such that the number of largest magnitude
// comes to the grid's longer end.
template <class Grid>
TESSERA_INLINE float fit_scale(const float* x, std::size_t n) {
  const float extreme = extreme_of(x, n);
  if (std::fabs(extreme) < 1e-30F) return 0;
  float best_scale = extreme / Grid::kExtreme;
  float best_gain = 0;  // by how much the error is below the sum of x^2
  constexpr int kSteps = 10;
  // A tenth of a quant, or 1.5 % of a long grid.
  constexpr float kWidth = std::max(0.1F, -Grid::kExtreme * 0.015F);
  for (int step = -kSteps; step <= kSteps; ++step) {
    const float inverse = (Grid::kExtreme + kWidth * static_cast<float>(step)) / extreme;
    Eight xq_lanes = {}, qq_lanes = {};
    for (std::size_t i = 0; i < n; i += 8) {
      const Eight v = load8(x + i);
      const Eight q = Grid::nearest(v * inverse);
      xq_lanes += v * q;
      qq_lanes += q * q;
    }
    const float xq = sum_of(xq_lanes), qq = sum_of(qq_lanes);
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
TESSERA_INLINE float squared_error(const float* x, std::size_t n, float top, ScaleAndLeast fit) {
  const float inverse = inverse_or_zero(fit.scale);
  Eight sum = {};
  for (std::size_t i = 0; i < n; i += 8) {
    const Eight v = load8(x + i);
    const Eight q = nearest_integer(within((v - fit.least) * inverse, 0, top));
    const Eight error = v - (fit.scale * q + fit.least);
    sum += error * error;
  }
  return sum_of(sum);
}

// Scale (>= 0) and least number for x = scale * q + least, q in 0 .. top. With `not_positive`,
// least is at most 0.
TESSERA_INLINE ScaleAndLeast fit_scale_and_least(const float* x, std::size_t n, float top,
                                                 bool not_positive) {
  float low = x[0], high = x[0];
  Eight x_lanes = {};
  for (std::size_t i = 0; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  for (std::size_t i = 0; i < n; i += 8) x_lanes += load8(x + i);
  if (not_positive) low = std::min(low, 0.0F);
  if (high - low < 1e-30F) return {0, low};
  const float sum_x = sum_of(x_lanes);
  const auto count = static_cast<float>(n);
  ScaleAndLeast best = {(high - low) / top, low};
  float best_error = squared_error(x, n, top, best);
  constexpr int kSteps = 10;
  const float width = std::max(0.05F, top * 0.01F);
  for (int step = -kSteps; step <= kSteps; ++step) {
    const float inverse = (top + width * static_cast<float>(step)) / (high - low);
    Eight q_lanes = {}, qq_lanes = {}, xq_lanes = {};
    for (std::size_t i = 0; i < n; i += 8) {
      const Eight v = load8(x + i);
      const Eight q = nearest_integer(within((v - low) * inverse, 0, top));
      q_lanes += q;
      qq_lanes += q * q;
      xq_lanes += v * q;
    }
    const float q = sum_of(q_lanes), qq = sum_of(qq_lanes), xq = sum_of(xq_lanes);
    const float determinant = count * qq - q * q;
    if (determinant <= 0) continue;
    ScaleAndLeast fit = {(count * xq - sum_x * q) / determinant,
                         (qq * sum_x - q * xq) / determinant};
    if (not_positive && fit.least > 0) fit = {xq / qq, 0};
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

#pragma clang diagnostic pop
