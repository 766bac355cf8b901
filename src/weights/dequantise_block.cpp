#include "weights/dequantise_block.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "weights/tensor_type.h"

namespace tessera::weights {
namespace {

static_assert(std::endian::native == std::endian::little,
              "weights are used as they lie in the file");

constexpr std::size_t kSmallBlock = 32;
constexpr std::size_t kSuperBlock = 256;

std::uint8_t byte_at(const std::byte* data, std::size_t index) {
  return static_cast<std::uint8_t>(data[index]);
}

std::uint16_t u16_at(const std::byte* data, std::size_t index) {
  std::uint16_t value;
  std::memcpy(&value, data + index, sizeof value);
  return value;
}

float half_at(const std::byte* data, std::size_t index) {
  return half_to_float(u16_at(data, index));
}

// Element i of 32 in 16 bytes of nibbles: the low ones are elements 0..15.
int nibble_at(const std::byte* nibbles, std::size_t i) {
  return (byte_at(nibbles, i % 16) >> (i < 16 ? 0 : 4)) & 15;
}

// Element i of 32 with a fifth bit in four bytes before the nibbles.
int five_bits_at(const std::byte* data, std::size_t i) {
  return nibble_at(data + 4, i) | ((byte_at(data, i / 8) >> (i % 8)) & 1) << 4;
}

// Element i of 256 in 64 bytes of bit pairs: each half of 128 on 32 bytes, 32 elements to a shift.
int bit_pair_at(const std::byte* pairs, std::size_t i) {
  return (byte_at(pairs, i / 128 * 32 + i % 32) >> (2 * (i % 128 / 32))) & 3;
}

struct ScaleAndMin {
  int scale;
  int min;
};

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each
// lie in the low six bits of bytes 0..3 and 4..7; the others have their low nibbles in bytes 8..11
// and their top bits above the first four.
ScaleAndMin unpack_scale(const std::byte* packed, std::size_t index) {
  const auto at = [&](std::size_t i) { return static_cast<int>(byte_at(packed, i)); };
  if (index < 4) return {at(index) & 63, at(index + 4) & 63};
  return {(at(index + 4) & 15) | ((at(index - 4) >> 6) << 4),
          (at(index + 4) >> 4) | ((at(index) >> 6) << 4)};
}

// The walk that Q4_K and Q5_K share: 32 bytes of nibbles hold sub-blocks 2 pair (low) and 2 pair +
// 1 (high); x = d scale q - dmin min. `high_bits` is null for Q4_K; for Q5_K, bit b of byte i is
// the fifth bit of element i of sub-block b.
void dequantise_k4(const std::byte* block, const std::byte* high_bits, const std::byte* nibbles,
                   float* out) {
  const float d = half_at(block, 0);
  const float dmin = half_at(block, 2);
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const auto [scale, min] = unpack_scale(block + 4, sub);
    const float step = d * static_cast<float>(scale);
    const float offset = dmin * static_cast<float>(min);
    const int shift = sub % 2 == 0 ? 0 : 4;
    for (std::size_t i = 0; i < 32; ++i) {
      int q = (byte_at(nibbles, sub / 2 * 32 + i) >> shift) & 15;
      if (high_bits != nullptr) q += ((byte_at(high_bits, i) >> sub) & 1) << 4;
      out[sub * 32 + i] = step * static_cast<float>(q) - offset;
    }
  }
}

}  // namespace

void dequantise_f32(const std::byte* block, float* out) {
  std::memcpy(out, block, sizeof *out);
}
void dequantise_f16(const std::byte* block, float* out) {
  *out = half_at(block, 0);
}
void dequantise_bf16(const std::byte* block, float* out) {
  *out = bfloat16_to_float(u16_at(block, 0));
}

// half d | int8 q[32]: x = d q
void dequantise_q8_0(const std::byte* block, float* out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
  }
}

// half d | 16 bytes, the low nibbles are elements 0..15, the high ones 16..31: x = d (q - 8)
void dequantise_q4_0(const std::byte* block, float* out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < kSmallBlock / 2; ++i) {
    const int packed = byte_at(block, 2 + i);
    out[i] = scale * static_cast<float>((packed & 15) - 8);
    out[i + kSmallBlock / 2] = scale * static_cast<float>((packed >> 4) - 8);
  }
}

// half d | half dmin | 12 bytes of scales | 128 bytes of nibbles
void dequantise_q4_k(const std::byte* block, float* out) {
  dequantise_k4(block, nullptr, block + 16, out);
}

// half d | half dmin | 12 bytes of scales | 32 bytes of fifth bits | 128 bytes of nibbles
void dequantise_q5_k(const std::byte* block, float* out) {
  dequantise_k4(block, block + 16, block + 48, out);
}

// 128 bytes of low nibbles | 64 bytes of high bit pairs | int8 scale[16] | half d: x = d scale (q -
// 32). Two halves of 128 elements; in each, element 32 g + i has its low nibble in byte i (g even)
// or i + 32 (g odd) of the half's 64, in the high nibble when g >= 2, its top bits at 2 g of byte i
// of the half's 32, and scale 2 g + i / 16.
void dequantise_q6_k(const std::byte* block, float* out) {
  const float d = half_at(block, 208);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::byte* low = block + 64 * half;
    const std::byte* high = block + 128 + 32 * half;
    const std::byte* scales = block + 192 + 8 * half;
    for (std::size_t group = 0; group < 4; ++group) {
      for (std::size_t i = 0; i < 32; ++i) {
        const int nibble = (byte_at(low, i + 32 * (group % 2)) >> (group < 2 ? 0 : 4)) & 15;
        const int top = (byte_at(high, i) >> (2 * group)) & 3;
        const auto scale = static_cast<float>(static_cast<std::int8_t>(scales[2 * group + i / 16]));
        out[128 * half + 32 * group + i] =
            d * scale * static_cast<float>((nibble | (top << 4)) - 32);
      }
    }
  }
}

// half d | half m | 16 bytes of nibbles as Q4_0's: x = d q + m
void dequantise_q4_1(const std::byte* block, float* out) {
  const float scale = half_at(block, 0);
  const float least = half_at(block, 2);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(nibble_at(block + 4, i)) + least;
  }
}

// half d | 4 bytes of fifth bits, bit i is element i's | 16 bytes of nibbles: x = d (q - 16)
void dequantise_q5_0(const std::byte* block, float* out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(five_bits_at(block + 2, i) - 16);
  }
}

// half d | half m | fifth bits | nibbles: x = d q + m
void dequantise_q5_1(const std::byte* block, float* out) {
  const float scale = half_at(block, 0);
  const float least = half_at(block, 2);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(five_bits_at(block + 4, i)) + least;
  }
}

// half d | 16 bytes of nibbles, which are places in a table: x = d table[q]
void dequantise_iq4_nl(const std::byte* block, float* out) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(kIq4Values[nibble_at(block + 2, i)]);
  }
}

// half d | u16: two high bits of each scale | 4 bytes: their nibbles | 128 bytes: eight times
// sixteen bytes of nibbles as IQ4_NL's: x = d (scale - 32) table[q]
void dequantise_iq4_xs(const std::byte* block, float* out) {
  const float d = half_at(block, 0);
  const unsigned high = u16_at(block, 2);
  for (std::size_t sub = 0; sub < 8; ++sub) {
    const int low = (byte_at(block, 4 + sub / 2) >> (sub % 2 == 0 ? 0 : 4)) & 15;
    const int scale = (low | static_cast<int>((high >> (2 * sub)) & 3) << 4) - 32;
    for (std::size_t i = 0; i < kSmallBlock; ++i) {
      const int value = kIq4Values[nibble_at(block + 8 + 16 * sub, i)];
      out[sub * kSmallBlock + i] = d * static_cast<float>(scale) * static_cast<float>(value);
    }
  }
}

// A byte of exponent | 16 bytes of nibbles, which are floats of four bits: x = 2^(e - 128)
// table[q], the table having twice their values.
void dequantise_mxfp4(const std::byte* block, float* out) {
  const float scale = std::ldexp(1.0F, byte_at(block, 0) - 128);
  for (std::size_t i = 0; i < kSmallBlock; ++i) {
    out[i] = scale * static_cast<float>(kMxfp4Values[nibble_at(block + 1, i)]);
  }
}

// 16 bytes: scale in the low nibble, minimum in the high one | 64 bytes of bit pairs | half d |
// half dmin: x = d scale q - dmin minimum. Two halves of 128 elements on 32 bytes each: element 32
// g + i lies at bit 2 g of byte i and has the scale 2 g + i / 16.
void dequantise_q2_k(const std::byte* block, float* out) {
  const float d = half_at(block, 80);
  const float dmin = half_at(block, 82);
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    const int scales = byte_at(block, i / 16);
    const auto q = static_cast<float>(bit_pair_at(block + 16, i));
    out[i] = d * static_cast<float>(scales & 15) * q - dmin * static_cast<float>(scales >> 4);
  }
}

// 32 bytes of third bits, bit b of byte i being element 32 b + i's | 64 bytes of bit pairs as
// Q2_K's | 12 bytes of scales | half d: x = d (scale - 32) (q - 4). The scales are of six bits: the
// nibbles of the first eight bytes are the low bits of scales 0..7 (low) and 8..15 (high), and bits
// 2 (i / 4) of byte 8 + i % 4 the high bits of scale i.
void dequantise_q3_k(const std::byte* block, float* out) {
  const std::byte* scales = block + 96;
  const float d = half_at(block, 108);
  for (std::size_t i = 0; i < kSuperBlock; ++i) {
    const std::size_t at = i / 16;
    const int low = (byte_at(scales, at % 8) >> (at < 8 ? 0 : 4)) & 15;
    const int high = (byte_at(scales, 8 + at % 4) >> (2 * (at / 4))) & 3;
    const int third = (byte_at(block, i % 32) >> (i / 32)) & 1;
    const int q = bit_pair_at(block + 32, i) + 4 * third;
    out[i] = d * static_cast<float>((low | (high << 4)) - 32) * static_cast<float>(q - 4);
  }
}

}  // namespace tessera::weights
