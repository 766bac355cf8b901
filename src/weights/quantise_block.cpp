#include "weights/quantise_block.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "weights/dequantise_block.h"
#include "weights/scale_search.h"
#include "weights/tensor_type.h"

namespace tessera::weights {
namespace {

constexpr std::size_t kSmallBlock = 32;
constexpr std::size_t kSuperBlock = 256;

using Iq4Grid = TableGrid<kIq4Values>;

void put_u16(std::uint16_t value, std::byte* out) {
  std::memcpy(out, &value, sizeof value);
}

// Stores a half and returns what it holds.
float put_half(float value, std::byte* out) {
  const std::uint16_t bits = float_to_half(value);
  put_u16(bits, out);
  return half_to_float(bits);
}

std::byte byte_of(unsigned value) {
  return static_cast<std::byte>(value);
}

TESSERA_INLINE unsigned clamped(float value, float top) {
  return static_cast<unsigned>(nearest_integer(within(value, 0, top)));
}

void put_nibbles(const std::array<unsigned, kSmallBlock>& q, std::byte* out) {
  for (std::size_t i = 0; i < 16; ++i) out[i] = byte_of((q[i] & 15) | ((q[i + 16] & 15) << 4));
}

// Nibbles after four bytes of fifth bits.
void put_five_bits(const std::array<unsigned, kSmallBlock>& q, std::byte* out) {
  std::uint32_t fifth = 0;
  for (std::size_t i = 0; i < kSmallBlock; ++i) fifth |= (q[i] >> 4) << i;
  std::memcpy(out, &fifth, sizeof fifth);
  put_nibbles(q, out + 4);
}

// x = d q + m, d and m halves at 0 and 2.
TESSERA_INLINE std::array<unsigned, kSmallBlock> quantise_affine(const float* in, float top,
                                                                 std::byte* block) {
  const ScaleAndLeast fit = fit_scale_and_least(in, kSmallBlock, top, false);
  const float scale = put_half(fit.scale, block);
  const float least = put_half(fit.least, block + 2);
  const float inverse = inverse_or_zero(scale);
  std::array<unsigned, kSmallBlock> q{};
  for (std::size_t i = 0; i < kSmallBlock; ++i) q[i] = clamped((in[i] - least) * inverse, top);
  return q;
}

// The place in the table of a number that is in it.
unsigned place_of(float value) {
  return static_cast<unsigned>(
      std::find(kIq4Values.begin(), kIq4Values.end(), static_cast<std::int8_t>(value)) -
      kIq4Values.begin());
}

// 256 numbers in sub-blocks, each with an integer scale, under one half d: x = d scale number(q).
template <class Grid, std::size_t kSize, int kLeastScale, int kMostScale>
struct ScaledBlock {
  static constexpr std::size_t kCount = kSuperBlock / kSize;
  std::uint16_t d = 0;
  std::array<int, kCount> scale{};
  std::array<float, kSuperBlock> value{};  // numbers of the grid
  double error = 0;

  // The best integer scales for this d, and the quants.
  TESSERA_INLINE void place(const float* in, std::uint16_t d_bits,
                            const std::array<float, kCount>& wanted) {
    d = d_bits;
    error = 0;
    const float step = half_to_float(d);
    for (std::size_t b = 0; b < kCount; ++b) {
      const float* x = in + b * kSize;
      const int middle = static_cast<int>(
          std::clamp(std::nearbyint(wanted[b] * inverse_or_zero(step)),
                     static_cast<float>(kLeastScale), static_cast<float>(kMostScale)));
      float least_error = 0;
      for (int s = std::max(middle - 1, kLeastScale); s <= std::min(middle + 1, kMostScale); ++s) {
        const float e = squared_error<Grid>(x, kSize, step * static_cast<float>(s));
        if (s == std::max(middle - 1, kLeastScale) || e < least_error) {
          least_error = e;
          scale[b] = s;
        }
      }
      error += least_error;
      const float inverse = inverse_or_zero(step * static_cast<float>(scale[b]));
      for (std::size_t i = 0; i < kSize; ++i) value[b * kSize + i] = Grid::nearest(x[i] * inverse);
    }
  }

  // The d of least squares for what there is.
  TESSERA_INLINE float better_d(const float* in) const {
    double xv = 0, vv = 0;
    for (std::size_t i = 0; i < kSuperBlock; ++i) {
      const double v = static_cast<double>(scale[i / kSize]) * value[i];
      xv += in[i] * v;
      vv += v * v;
    }
    return vv > 0 ? static_cast<float>(xv / vv) : 0.0F;
  }

  TESSERA_INLINE static ScaledBlock fit(const float* in) {
    std::array<float, kCount> wanted{};
    for (std::size_t b = 0; b < kCount; ++b) wanted[b] = fit_scale<Grid>(in + b * kSize, kSize);
    const float extreme = extreme_of(wanted.data(), kCount);
    ScaledBlock best;
    best.place(in, float_to_half(extreme / static_cast<float>(kLeastScale)), wanted);
    for (int round = 0; round < 2; ++round) {
      ScaledBlock next;
      next.place(in, float_to_half(best.better_d(in)), wanted);
      if (next.error >= best.error) break;
      best = next;
    }
    return best;
  }
};

// 256 numbers in sub-blocks, each with an integer scale and an integer minimum, under halves d and
// dmin: x = d scale q - dmin min.
template <std::size_t kSize, int kTop, int kScaleTop>
struct AffineBlock {
  static constexpr std::size_t kCount = kSuperBlock / kSize;
  std::uint16_t d = 0, dmin = 0;
  std::array<unsigned, kCount> scale{}, min{};
  std::array<unsigned, kSuperBlock> q{};
  double error = 0;

  TESSERA_INLINE void place(const float* in, std::uint16_t d_bits, std::uint16_t dmin_bits,
                            const std::array<ScaleAndLeast, kCount>& wanted) {
    d = d_bits;
    dmin = dmin_bits;
    error = 0;
    const float step = half_to_float(d), min_step = half_to_float(dmin);
    for (std::size_t b = 0; b < kCount; ++b) {
      const float* x = in + b * kSize;
      const int s0 = static_cast<int>(clamped(wanted[b].scale * inverse_or_zero(step), kScaleTop));
      const int m0 =
          static_cast<int>(clamped(-wanted[b].least * inverse_or_zero(min_step), kScaleTop));
      float least_error = -1;
      for (int s = std::max(s0 - 1, 0); s <= std::min(s0 + 1, kScaleTop); ++s) {
        for (int m = std::max(m0 - 1, 0); m <= std::min(m0 + 1, kScaleTop); ++m) {
          const float e = squared_error(
              x, kSize, kTop, {step * static_cast<float>(s), -min_step * static_cast<float>(m)});
          if (least_error >= 0 && e >= least_error) continue;
          least_error = e;
          scale[b] = static_cast<unsigned>(s);
          min[b] = static_cast<unsigned>(m);
        }
      }
      error += least_error;
      const float inverse = inverse_or_zero(step * static_cast<float>(scale[b]));
      const float offset = min_step * static_cast<float>(min[b]);
      for (std::size_t i = 0; i < kSize; ++i)
        q[b * kSize + i] = clamped((x[i] + offset) * inverse, kTop);
    }
  }

  // d and dmin of least squares for what there is.
  TESSERA_INLINE ScaleAndLeast better(const float* in) const {
    double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
    for (std::size_t i = 0; i < kSuperBlock; ++i) {
      const double a = static_cast<double>(scale[i / kSize]) * q[i];
      const double b = min[i / kSize];
      aa += a * a;
      ab -= a * b;
      bb += b * b;
      xa += in[i] * a;
      xb -= in[i] * b;
    }
    const double determinant = aa * bb - ab * ab;
    if (determinant <= 1e-12 * aa * bb) return {half_to_float(d), half_to_float(dmin)};
    return {static_cast<float>((xa * bb - xb * ab) / determinant),
            static_cast<float>((xb * aa - xa * ab) / determinant)};
  }

  TESSERA_INLINE static AffineBlock fit(const float* in) {
    std::array<ScaleAndLeast, kCount> wanted;
    float most_scale = 0, most_min = 0;
    for (std::size_t b = 0; b < kCount; ++b) {
      wanted[b] = fit_scale_and_least(in + b * kSize, kSize, kTop, true);
      most_scale = std::max(most_scale, wanted[b].scale);
      most_min = std::max(most_min, -wanted[b].least);
    }
    AffineBlock best;
    best.place(in, float_to_half(most_scale / kScaleTop), float_to_half(most_min / kScaleTop),
               wanted);
    for (int round = 0; round < 2; ++round) {
      const ScaleAndLeast better = best.better(in);
      if (better.scale <= 0 || better.least < 0) break;
      AffineBlock next;
      next.place(in, float_to_half(better.scale), float_to_half(better.least), wanted);
      if (next.error >= best.error) break;
      best = next;
    }
    return best;
  }
};

// As unpack_scale in dequantise_block.cpp reads them.
void put_scales(const std::array<unsigned, 8>& scale, const std::array<unsigned, 8>& min,
                std::byte* out) {
  for (std::size_t i = 0; i < 4; ++i) {
    out[i] = byte_of(scale[i] | ((scale[i + 4] >> 4) << 6));
    out[i + 4] = byte_of(min[i] | ((min[i + 4] >> 4) << 6));
    out[i + 8] = byte_of((scale[i + 4] & 15) | ((min[i + 4] & 15) << 4));
  }
}

// Element 32 g + i of a half of 128: bits 2 g of byte i.
void put_bit_pairs(const std::array<unsigned, kSuperBlock>& q, std::byte* out) {
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    out[i / 128 * 32 + i % 32] |= byte_of((q[i] & 3) << (2 * (i % 128 / 32)));
  }
}

TESSERA_INLINE void make_q4_1(const float* in, std::byte* block) {
  put_nibbles(quantise_affine(in, 15, block), block + 4);
}

TESSERA_INLINE void make_q5_1(const float* in, std::byte* block) {
  put_five_bits(quantise_affine(in, 31, block), block + 4);
}

TESSERA_INLINE void make_q5_0(const float* in, std::byte* block) {
  using Grid = IntegerGrid<-16, 15>;
  const float inverse = inverse_or_zero(put_half(fit_scale<Grid>(in, kSmallBlock), block));
  std::array<unsigned, kSmallBlock> q{};
  for (std::size_t i = 0; i < kSmallBlock; ++i)
    q[i] = static_cast<unsigned>(Grid::nearest(in[i] * inverse) + 16);
  put_five_bits(q, block + 2);
}

TESSERA_INLINE void make_iq4_nl(const float* in, std::byte* block) {
  const float inverse = inverse_or_zero(put_half(fit_scale<Iq4Grid>(in, kSmallBlock), block));
  std::array<unsigned, kSmallBlock> q{};
  for (std::size_t i = 0; i < kSmallBlock; ++i) q[i] = place_of(Iq4Grid::nearest(in[i] * inverse));
  put_nibbles(q, block + 2);
}

TESSERA_INLINE void make_iq4_xs(const float* in, std::byte* block) {
  const auto fit = ScaledBlock<Iq4Grid, 32, -32, 31>::fit(in);
  put_u16(fit.d, block);
  unsigned high = 0;
  std::fill_n(block + 4, 4, std::byte{0});
  for (std::size_t b = 0; b < 8; ++b) {
    const auto scale = static_cast<unsigned>(fit.scale[b] + 32);
    block[4 + b / 2] |= byte_of((scale & 15) << (b % 2 == 0 ? 0 : 4));
    high |= (scale >> 4) << (2 * b);
    std::array<unsigned, kSmallBlock> q{};
    for (std::size_t i = 0; i < kSmallBlock; ++i) q[i] = place_of(fit.value[32 * b + i]);
    put_nibbles(q, block + 8 + 16 * b);
  }
  put_u16(static_cast<std::uint16_t>(high), block + 2);
}

TESSERA_INLINE void make_q2_k(const float* in, std::byte* block) {
  const auto fit = AffineBlock<16, 3, 15>::fit(in);
  for (std::size_t b = 0; b < 16; ++b) block[b] = byte_of(fit.scale[b] | (fit.min[b] << 4));
  std::fill_n(block + 16, 64, std::byte{0});
  put_bit_pairs(fit.q, block + 16);
  put_u16(fit.d, block + 80);
  put_u16(fit.dmin, block + 82);
}

TESSERA_INLINE void make_q3_k(const float* in, std::byte* block) {
  const auto fit = ScaledBlock<IntegerGrid<-4, 3>, 16, -32, 31>::fit(in);
  std::fill_n(block, 108, std::byte{0});
  std::array<unsigned, kSuperBlock> q{};
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    q[i] = static_cast<unsigned>(fit.value[i] + 4);
    block[i % 32] |= byte_of((q[i] >> 2) << (i / 32));
  }
  put_bit_pairs(q, block + 32);
  for (std::size_t b = 0; b < 16; ++b) {
    const auto scale = static_cast<unsigned>(fit.scale[b] + 32);
    block[96 + b % 8] |= byte_of((scale & 15) << (b < 8 ? 0 : 4));
    block[104 + b % 4] |= byte_of((scale >> 4) << (2 * (b / 4)));
  }
  put_u16(fit.d, block + 108);
}

TESSERA_INLINE void make_q4_k(const float* in, std::byte* block) {
  const auto fit = AffineBlock<32, 15, 63>::fit(in);
  put_u16(fit.d, block);
  put_u16(fit.dmin, block + 2);
  put_scales(fit.scale, fit.min, block + 4);
  for (std::size_t i = 0; i < 128; ++i) {
    const std::size_t low = i / 32 * 64 + i % 32;
    block[16 + i] = byte_of(fit.q[low] | (fit.q[low + 32] << 4));
  }
}

TESSERA_INLINE void make_q5_k(const float* in, std::byte* block) {
  const auto fit = AffineBlock<32, 31, 63>::fit(in);
  put_u16(fit.d, block);
  put_u16(fit.dmin, block + 2);
  put_scales(fit.scale, fit.min, block + 4);
  std::fill_n(block + 16, 32, std::byte{0});
  for (std::size_t i = 0; i < kSuperBlock; ++i)
    block[16 + i % 32] |= byte_of((fit.q[i] >> 4) << (i / 32));
  for (std::size_t i = 0; i < 128; ++i) {
    const std::size_t low = i / 32 * 64 + i % 32;
    block[48 + i] = byte_of((fit.q[low] & 15) | ((fit.q[low + 32] & 15) << 4));
  }
}

TESSERA_INLINE void make_q6_k(const float* in, std::byte* block) {
  const auto fit = ScaledBlock<IntegerGrid<-32, 31>, 16, -128, 127>::fit(in);
  std::fill_n(block, 192, std::byte{0});
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    const auto q = static_cast<unsigned>(fit.value[i] + 32);
    const std::size_t half = i / 128, group = i % 128 / 32, at = i % 32;
    block[64 * half + 32 * (group % 2) + at] |= byte_of((q & 15) << (group < 2 ? 0 : 4));
    block[128 + 32 * half + at] |= byte_of((q >> 4) << (2 * group));
  }
  for (std::size_t b = 0; b < 16; ++b)
    block[192 + b] = static_cast<std::byte>(static_cast<std::int8_t>(fit.scale[b]));
  put_u16(fit.d, block + 208);
}

// A body for the baseline and, where the machine has it, for wider vectors: the same operations,
// the same bits (without fused multiply-add, which would round otherwise).
#if defined(__x86_64__)
template <void (*kBody)(const float*, std::byte*)>
[[gnu::target("avx2")]] void with_avx2(const float* in, std::byte* block) {
  kBody(in, block);
}
#endif
template <void (*kBody)(const float*, std::byte*)>
void fastest(const float* in, std::byte* block) {
#if defined(__x86_64__)
  static const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  if (avx2) return with_avx2<kBody>(in, block);
#endif
  kBody(in, block);
}

}  // namespace

void quantise_f32(const float* in, std::byte* block) {
  std::memcpy(block, in, sizeof *in);
}

void quantise_f16(const float* in, std::byte* block) {
  put_u16(float_to_half(*in), block);
}

void quantise_bf16(const float* in, std::byte* block) {
  put_u16(float_to_bfloat16(*in), block);
}

void quantise_q8_0(const float* in, std::byte* block) {
  float largest = 0;
  for (std::size_t i = 0; i < kSmallBlock; ++i) largest = std::max(largest, std::fabs(in[i]));
  CHECK(std::isfinite(largest));
  const float scale = largest / 127.0F;
  const float inverse = inverse_or_zero(scale);
  put_u16(float_to_half(scale), block);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    const float q = std::clamp(std::nearbyint(in[i] * inverse), -127.0F, 127.0F);
    block[2 + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
  }
}

// The element of the largest magnitude becomes q = -8, the end of the range that the other end
// lacks.
void quantise_q4_0(const float* in, std::byte* block) {
  float extreme = 0;
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    CHECK(std::isfinite(in[i]));
    if (std::fabs(in[i]) > std::fabs(extreme)) extreme = in[i];
  }
  const float scale = extreme / -8.0F;
  const float inverse = inverse_or_zero(scale);
  put_u16(float_to_half(scale), block);
  const auto quant = [&](float value) {
    return static_cast<unsigned>(std::clamp(std::floor(value * inverse + 8.5F), 0.0F, 15.0F));
  };
  for (std::size_t i = 0; i < kSmallBlock / 2; ++i) {
    block[2 + i] = byte_of(quant(in[i]) | (quant(in[i + kSmallBlock / 2]) << 4));
  }
}

// The exponent that just holds the largest magnitude, or one of the two below it, which cut it off.
void quantise_mxfp4(const float* in, std::byte* block) {
  float largest = 0;
  for (std::size_t i = 0; i < kSmallBlock; ++i) largest = std::max(largest, std::fabs(in[i]));
  const auto nearest = [](float magnitude) {
    std::size_t place = 0;
    while (place < 7 &&
           magnitude > static_cast<float>(kMxfp4Values[place] + kMxfp4Values[place + 1]) / 2)
      ++place;
    return place;
  };
  const int top = largest == 0 ? 0 : static_cast<int>(std::ceil(std::log2(largest / 12))) + 128;
  int best = std::clamp(top, 0, 254);
  float best_error = -1;
  for (int e = std::max(0, best - 2); e <= std::clamp(top, 0, 254); ++e) {
    const float scale = std::ldexp(1.0F, e - 128);
    float error = 0;
    for (std::size_t i = 0; i < kSmallBlock; ++i) {
      const float magnitude = std::fabs(in[i]);
      const float off = magnitude - scale * kMxfp4Values[nearest(magnitude / scale)];
      error += off * off;
    }
    if (best_error < 0 || error < best_error) {
      best_error = error;
      best = e;
    }
  }
  block[0] = byte_of(static_cast<unsigned>(best));
  std::array<unsigned, kSmallBlock> q{};
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    const std::size_t place = nearest(std::ldexp(std::fabs(in[i]), 128 - best));
    q[i] = static_cast<unsigned>(place) + (in[i] < 0 && place > 0 ? 8 : 0);
  }
  put_nibbles(q, block + 1);
}

void quantise_q4_1(const float* in, std::byte* block) {
  fastest<make_q4_1>(in, block);
}

void quantise_q5_1(const float* in, std::byte* block) {
  fastest<make_q5_1>(in, block);
}

void quantise_q5_0(const float* in, std::byte* block) {
  fastest<make_q5_0>(in, block);
}

void quantise_iq4_nl(const float* in, std::byte* block) {
  fastest<make_iq4_nl>(in, block);
}

void quantise_iq4_xs(const float* in, std::byte* block) {
  fastest<make_iq4_xs>(in, block);
}

void quantise_q2_k(const float* in, std::byte* block) {
  fastest<make_q2_k>(in, block);
}

void quantise_q3_k(const float* in, std::byte* block) {
  fastest<make_q3_k>(in, block);
}

void quantise_q4_k(const float* in, std::byte* block) {
  fastest<make_q4_k>(in, block);
}

void quantise_q5_k(const float* in, std::byte* block) {
  fastest<make_q5_k>(in, block);
}

void quantise_q6_k(const float* in, std::byte* block) {
  fastest<make_q6_k>(in, block);
}

}  // namespace tessera::weights
