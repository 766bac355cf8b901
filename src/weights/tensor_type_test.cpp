// Block formats: dequantisation by hand-computed values, rounding, and bounds of quantise then
// dequantise.
#include "weights/tensor_type.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <vector>

namespace tessera::weights {
namespace {

// A block of a type, zeroed, with fields set by byte offset.
class Block {
 public:
  explicit Block(TensorType type) : type_(type), bytes_(info(type).block_bytes) {}
  Block& byte(std::size_t offset, int value) {
    bytes_.at(offset) = static_cast<std::byte>(value);
    return *this;
  }
  Block& half(std::size_t offset, float value) {
    const std::uint16_t bits = float_to_half(value);
    std::memcpy(&bytes_.at(offset), &bits, sizeof bits);
    return *this;
  }
  std::vector<float> values() const {
    std::vector<float> out(info(type_).block_elements);
    dequantise_row(type_, bytes_.data(), out);
    return out;
  }

 private:
  TensorType type_;
  std::vector<std::byte> bytes_;
};

TEST(TensorType, TableHasTheFormatsSizes) {
  EXPECT_EQ(row_bytes(TensorType::kF32, 7), 28u);
  EXPECT_EQ(row_bytes(TensorType::kF16, 7), 14u);
  EXPECT_EQ(row_bytes(TensorType::kBF16, 7), 14u);
  EXPECT_EQ(row_bytes(TensorType::kQ4_0, 64), 36u);
  EXPECT_EQ(row_bytes(TensorType::kQ8_0, 64), 68u);
  EXPECT_EQ(row_bytes(TensorType::kQ4_K, 512), 288u);
  EXPECT_EQ(row_bytes(TensorType::kQ5_K, 512), 352u);
  EXPECT_EQ(row_bytes(TensorType::kQ6_K, 512), 420u);
  EXPECT_EQ(row_bytes(TensorType::kQ4_1, 64), 40u);
  EXPECT_EQ(row_bytes(TensorType::kQ5_0, 64), 44u);
  EXPECT_EQ(row_bytes(TensorType::kQ5_1, 64), 48u);
  EXPECT_EQ(row_bytes(TensorType::kQ2_K, 512), 168u);
  EXPECT_EQ(row_bytes(TensorType::kQ3_K, 512), 220u);
  EXPECT_EQ(row_bytes(TensorType::kIQ4_NL, 64), 36u);
  EXPECT_EQ(row_bytes(TensorType::kIQ4_XS, 512), 272u);
  EXPECT_EQ(row_bytes(TensorType::kMXFP4, 64), 34u);
  EXPECT_EQ(tensor_types().size(), 16u);
  for (const TensorType type : tensor_types()) {
    const TensorTypeInfo* found = find_tensor_type(static_cast<std::uint32_t>(type));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->type, type);
    EXPECT_EQ(name_of_unknown_type(static_cast<std::uint32_t>(type)), "?") << found->name;
  }
  EXPECT_EQ(info(TensorType::kQ4_K).name, "Q4_K");
}

TEST(TensorType, UnknownIdsAreNamedWhereTheyAreKnownElsewhere) {
  EXPECT_EQ(find_tensor_type(19), nullptr);
  EXPECT_EQ(name_of_unknown_type(19), "IQ1_S");
  EXPECT_EQ(name_of_unknown_type(4), "Q4_2 (removed)");
  EXPECT_EQ(find_tensor_type(0xffffffffu), nullptr);
  EXPECT_EQ(name_of_unknown_type(0xffffffffu), "?");
}

TEST(Half, EveryValueGoesThereAndBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(half_to_float(float_to_half(value))));
      continue;
    }
    ASSERT_EQ(float_to_half(value), bits);
  }
}

TEST(Half, KnownValues) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0F);
  EXPECT_EQ(half_to_float(0xc000), -2.0F);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24F);
  EXPECT_EQ(half_to_float(0x0400), 0x1p-14F);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0F);
  EXPECT_EQ(half_to_float(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::signbit(half_to_float(0x8000)));
}

TEST(Half, RoundsToNearestEven) {
  // Between each pair of neighbours: the midpoint goes to the even one, a hair off it to the
  // nearer.
  for (std::uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = half_to_float(bits);
    const float high = half_to_float(static_cast<std::uint16_t>(bits + 1));
    const float middle = (low + high) / 2;  // exact: one bit more than a half has
    ASSERT_EQ(float_to_half(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, low)), bits);
    ASSERT_EQ(float_to_half(std::nextafter(middle, high)), bits + 1);
  }
  EXPECT_EQ(float_to_half(65519.996F), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0F), 0x7c00);
  EXPECT_EQ(float_to_half(1e30F), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30F), 0xfc00);
  EXPECT_EQ(float_to_half(1e-30F), 0);
}

TEST(Bfloat16, RoundsToNearestEvenAndKeepsSpecials) {
  EXPECT_EQ(float_to_bfloat16(1.0F), 0x3f80);
  EXPECT_EQ(bfloat16_to_float(0xc049), -3.140625F);
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie, to even
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f818000u)), 0x3f82);  // tie, to even
  EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(float_to_bfloat16(std::bit_cast<float>(0x7f800001u)))));
}

TEST(Dequantise, Q8_0) {
  const auto x = Block(TensorType::kQ8_0).half(0, 0.5F).byte(2, 100).byte(33, -128).values();
  EXPECT_EQ(x[0], 50.0F);
  EXPECT_EQ(x[1], 0.0F);
  EXPECT_EQ(x[31], -64.0F);
}

TEST(Dequantise, Q4_0) {
  const auto x = Block(TensorType::kQ4_0).half(0, 2.0F).byte(2, 0xf0).byte(17, 0x19).values();
  EXPECT_EQ(x[0], -16.0F);   // low nibble 0
  EXPECT_EQ(x[16], 14.0F);   // high nibble 15
  EXPECT_EQ(x[15], 2.0F);    // 9
  EXPECT_EQ(x[31], -14.0F);  // 1
}

// Scales of Q4_K and Q5_K: sub-block 1 in the first four (6 bits in place), sub-block 6 in the
// split half.
Block k_block(TensorType type) {
  Block block(type);
  block.half(0, 0.5F).half(2, 0.25F);
  block.byte(4 + 1, 45);                   // scale of 1
  block.byte(4 + 5, 17);                   // min of 1
  block.byte(4 + 10, 0x0b | (0x06 << 4));  // sub-block 6: low nibbles of scale 11, of min 6
  block.byte(4 + 2, 0x80);                 // top bits of scale 6: 2 -> 11 + 32 = 43
  block.byte(4 + 6, 0x40);                 // top bits of min 6: 1 -> 6 + 16 = 22
  return block;
}

TEST(Dequantise, Q4_K) {
  // Sub-block 1: high nibbles of bytes 0..31; sub-block 6: low nibbles of bytes 96..127.
  const auto x = k_block(TensorType::kQ4_K).byte(16 + 3, 0x70).byte(16 + 96 + 31, 0x0d).values();
  EXPECT_EQ(x[32 + 3], 0.5F * 45 * 7 - 0.25F * 17);
  EXPECT_EQ(x[32 + 4], -0.25F * 17);
  EXPECT_EQ(x[6 * 32 + 31], 0.5F * 43 * 13 - 0.25F * 22);
  EXPECT_EQ(x[0], 0.0F);       // scale and min 0
  EXPECT_EQ(x[2 * 32], 0.0F);  // its top bits are scale 6's, its own six are 0
}

TEST(Dequantise, Q5_K) {
  const auto x = k_block(TensorType::kQ5_K)
                     .byte(16 + 3, 1 << 1)   // fifth bit of element 3 of sub-block 1
                     .byte(16 + 31, 1 << 6)  // of element 31 of sub-block 6
                     .byte(48 + 3, 0x70)
                     .byte(48 + 96 + 31, 0x0d)
                     .values();
  EXPECT_EQ(x[32 + 3], 0.5F * 45 * 23 - 0.25F * 17);
  EXPECT_EQ(x[32 + 4], -0.25F * 17);
  EXPECT_EQ(x[6 * 32 + 31], 0.5F * 43 * 29 - 0.25F * 22);
}

TEST(Dequantise, Q6_K) {
  const auto x = Block(TensorType::kQ6_K)
                     .half(208, 0.5F)
                     .byte(192, 3)                   // half 0, group 0, elements 0..15
                     .byte(192 + 8 + 2 * 3 + 1, -5)  // half 1, group 3, elements 16..31
                     .byte(5, 0x0c)                  // low nibble of element 5
                     .byte(128 + 5, 0x02)            // its top bits: 2 -> 12 + 32 = 44
                     .byte(64 + 32 + 20, 0x90)       // half 1, group 3, element 20: nibble 9
                     .byte(128 + 32 + 20, 0x40)      // top bits 1 -> 9 + 16 = 25
                     .values();
  EXPECT_EQ(x[5], 0.5F * 3 * (44 - 32));
  EXPECT_EQ(x[6], 0.5F * 3 * -32);
  EXPECT_EQ(x[16], 0.0F);
  EXPECT_EQ(x[128 + 96 + 20], 0.5F * -5 * (25 - 32));
}

TEST(Dequantise, Q4_1) {
  const auto x =
      Block(TensorType::kQ4_1).half(0, 2.0F).half(2, -3.0F).byte(4, 0xf0).byte(19, 0x19).values();
  EXPECT_EQ(x[0], -3.0F);   // low nibble 0
  EXPECT_EQ(x[16], 27.0F);  // high nibble 15
  EXPECT_EQ(x[15], 15.0F);  // 9
  EXPECT_EQ(x[31], -1.0F);  // 1
}

TEST(Dequantise, Q5_0) {
  const auto x = Block(TensorType::kQ5_0)
                     .half(0, 2.0F)
                     .byte(2, 0x01)  // fifth bit of element 0
                     .byte(5, 0x80)  // of element 31
                     .byte(6, 0xf0)
                     .byte(21, 0x19)
                     .values();
  EXPECT_EQ(x[0], 0.0F);    // 16
  EXPECT_EQ(x[16], -2.0F);  // 15
  EXPECT_EQ(x[15], -14.0F);
  EXPECT_EQ(x[31], 2.0F);  // 17
}

TEST(Dequantise, Q5_1) {
  const auto x = Block(TensorType::kQ5_1)
                     .half(0, 2.0F)
                     .half(2, -3.0F)
                     .byte(5, 0x02)  // fifth bit of element 9
                     .byte(6, 0x04)  // of element 18
                     .byte(8 + 9, 0x07)
                     .byte(8 + 2, 0x50)
                     .values();
  EXPECT_EQ(x[0], -3.0F);
  EXPECT_EQ(x[9], 2.0F * 23 - 3);
  EXPECT_EQ(x[18], 2.0F * 21 - 3);
}

TEST(Dequantise, IQ4_NL) {
  const auto x = Block(TensorType::kIQ4_NL).half(0, 0.5F).byte(2, 0xf0).byte(17, 0x87).values();
  EXPECT_EQ(x[0], -63.5F);
  EXPECT_EQ(x[16], 56.5F);
  EXPECT_EQ(x[15], -5.0F);
  EXPECT_EQ(x[31], 0.5F);
}

TEST(Dequantise, IQ4_XS) {
  const auto x = Block(TensorType::kIQ4_XS)
                     .half(0, 0.5F)
                     .byte(3, 0x80)  // sub-block 7: high bits 2
                     .byte(4, 0x0a)  // sub-block 0: 10, sub-block 1: 0
                     .byte(7, 0x50)  // sub-block 7: 5 -> 37
                     .byte(8 + 3, 0x60)
                     .byte(8 + 7 * 16 + 15, 0x0e)
                     .values();
  EXPECT_EQ(x[3], 0.5F * (10 - 32) * -127);
  EXPECT_EQ(x[16 + 3], 0.5F * (10 - 32) * -22);
  EXPECT_EQ(x[32], 0.5F * -32 * -127);
  EXPECT_EQ(x[7 * 32 + 15], 0.5F * 5 * 89);
  EXPECT_EQ(x[7 * 32 + 31], 0.5F * 5 * -127);
}

TEST(Dequantise, MXFP4) {
  Block block(TensorType::kMXFP4);
  block.byte(0, 129).byte(1, 0x71).byte(16, 0xfa);
  const auto x = block.values();
  EXPECT_EQ(x[0], 2.0F);  // half of 1, which is 0.5, times 2^2
  EXPECT_EQ(x[16], 24.0F);
  EXPECT_EQ(x[15], -4.0F);
  EXPECT_EQ(x[31], -24.0F);
  EXPECT_EQ(block.byte(0, 0).values()[0], 0x1p-128F);
  EXPECT_EQ(block.byte(0, 1).values()[0], 0x1p-127F);
  EXPECT_EQ(block.byte(0, 2).values()[16], 12 * 0x1p-126F);
}

TEST(Dequantise, Q2_K) {
  const auto x = Block(TensorType::kQ2_K)
                     .half(80, 0.5F)
                     .half(82, 0.25F)
                     .byte(0, 0x73)                 // elements 0..15: scale 3, minimum 7
                     .byte(8 + 2 * 2 + 1, 0x0d)     // half 1, shift 4, elements 16..31
                     .byte(16 + 5, 0x02)            // element 5
                     .byte(16 + 32 + 20, 0x3 << 4)  // half 1, element 64 + 20
                     .values();
  EXPECT_EQ(x[5], 0.5F * 3 * 2 - 0.25F * 7);
  EXPECT_EQ(x[6], -0.25F * 7);
  EXPECT_EQ(x[16], 0.0F);
  EXPECT_EQ(x[128 + 64 + 20], 0.5F * 13 * 3);
}

TEST(Dequantise, Q3_K) {
  const auto x = Block(TensorType::kQ3_K)
                     .half(108, 0.5F)
                     .byte(96, 0x05)         // low bits of scale 0
                     .byte(96 + 5, 0x90)     // of scale 13
                     .byte(96 + 8, 0x02)     // high bits of scale 0 -> 37
                     .byte(96 + 9, 0x40)     // of scale 13: 1 -> 25
                     .byte(3, 0x01)          // third bit of element 3
                     .byte(20, 0x40)         // of half 1, shift 4, element 20
                     .byte(32 + 3, 0x02)     // element 3: 2 + 4
                     .byte(64 + 20, 1 << 4)  // half 1, element 64 + 20: 1 + 4
                     .values();
  EXPECT_EQ(x[3], 0.5F * 5 * 2);
  EXPECT_EQ(x[4], 0.5F * 5 * -4);
  EXPECT_EQ(x[16], 0.5F * -32 * -4);
  EXPECT_EQ(x[128 + 64 + 20], 0.5F * -7 * 1);
  EXPECT_EQ(x[128 + 64 + 21], 0.5F * -7 * -4);
}

TEST(Dequantise, AnyBytesGiveSomeNumber) {
  std::mt19937 random(7);
  std::vector<std::byte> block(256);  // more than any block
  for (int round = 0; round < 2000; ++round) {
    for (std::byte& byte : block) byte = static_cast<std::byte>(random());
    for (const TensorType type : tensor_types()) {
      std::vector<float> out(info(type).block_elements);
      dequantise_row(type, block.data(), out);  // under UBSan: no shift, cast or overflow trouble
    }
  }
}

// |x - round trip| per element, by type, for values of magnitude up to `largest` in the block.
float bound(TensorType type, float value, float largest) {
  switch (type) {
    case TensorType::kF32:
      return 0;
    case TensorType::kF16:
      return std::fabs(value) * 0x1p-11F + 0x1p-25F;
    case TensorType::kBF16:
      return std::fabs(value) * 0x1p-8F;
    case TensorType::kQ8_0:  // half a step, and the scale rounded to half: 127 steps of 2^-11
      return largest / 127 * (0.5F + 127 * 0x1p-11F) * 1.0001F;
    case TensorType::kQ4_0:  // half a step, a whole one at the end that the range lacks
      return largest / 8 * (1.0F + 8 * 0x1p-11F) * 1.0001F;
    default:
      return -1;
  }
}

TEST(Quantise, RoundTripStaysInItsBounds) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0F, 0.3F);
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16,
                                TensorType::kQ8_0, TensorType::kQ4_0}) {
    std::vector<float> in(320);
    std::vector<float> out(in.size());
    std::vector<std::byte> row(row_bytes(type, in.size()));
    for (int round = 0; round < 200; ++round) {
      for (float& value : in) value = normal(random);
      quantise_row(type, in, row.data());
      dequantise_row(type, row.data(), out);
      for (std::size_t i = 0; i < in.size(); ++i) {
        float largest = 0;
        for (std::size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) {
          largest = std::max(largest, std::fabs(in[j]));
        }
        ASSERT_LE(std::fabs(in[i] - out[i]), bound(type, in[i], largest))
            << info(type).name << " " << in[i] << " " << out[i];
      }
    }
  }
}

TEST(Quantise, ZerosStayZeroAndExtremesHold) {
  for (const TensorType type : tensor_types()) {
    std::vector<float> in(256, 0.0F);
    std::vector<float> out(256);
    std::vector<std::byte> row(row_bytes(type, 256));
    quantise_row(type, in, row.data());
    dequantise_row(type, row.data(), out);
    EXPECT_EQ(out, in) << info(type).name;
    in[3] = -4.0F;  // alone in its block: a power of two, but Q5_1's least number is a half, too
    quantise_row(type, in, row.data());
    dequantise_row(type, row.data(), out);
    EXPECT_NEAR(out[3], -4.0F, 0.02F) << info(type).name;
    // The grid of IQ4 has no 0: its neighbour is 1 of 127.
    const bool iq4 = type == TensorType::kIQ4_NL || type == TensorType::kIQ4_XS;
    EXPECT_NEAR(out[4], 0.0F, iq4 ? 4.05F / 127 : 0.003F) << info(type).name;
  }
}

double relative_error(TensorType type, const std::vector<float>& in) {
  std::vector<float> out(in.size());
  std::vector<std::byte> row(row_bytes(type, in.size()));
  quantise_row(type, in, row.data());
  dequantise_row(type, row.data(), out);
  double error = 0, size = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    error += std::pow(double{in[i]} - out[i], 2);
    size += std::pow(double{in[i]}, 2);
  }
  return std::sqrt(error / size);
}

struct Quality {
  TensorType type;
  double normal;  // rms error / rms of numbers with a normal distribution
  double long_tailed;
};

TEST(Quantise, ErrorsAreAsSmallAsTheFormatsAllow) {
  constexpr Quality kMost[] = {
      {TensorType::kF16, 0.0003, 0.0003},    {TensorType::kBF16, 0.002, 0.002},
      {TensorType::kQ8_0, 0.0056, 0.0092},   {TensorType::kQ4_0, 0.089, 0.115},
      {TensorType::kQ4_K, 0.0725, 0.0885},   {TensorType::kQ5_K, 0.0355, 0.0465},
      {TensorType::kQ6_K, 0.0171, 0.0243},   {TensorType::kQ4_1, 0.0722, 0.0873},
      {TensorType::kQ5_0, 0.0415, 0.0607},   {TensorType::kQ5_1, 0.0346, 0.0443},
      {TensorType::kQ2_K, 0.27, 0.246},      {TensorType::kQ3_K, 0.1483, 0.1515},
      {TensorType::kIQ4_NL, 0.0769, 0.0936}, {TensorType::kIQ4_XS, 0.0775, 0.0948},
      {TensorType::kMXFP4, 0.1155, 0.1377},
  };
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0.0F, 0.02F);
  std::vector<float> x(256 * 512), cubes(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = normal(random);
    cubes[i] = std::pow(x[i] * 50, 3.0F);
  }
  for (const Quality& most : kMost) {
    EXPECT_LE(relative_error(most.type, x), most.normal) << info(most.type).name;
    EXPECT_LE(relative_error(most.type, cubes), most.long_tailed) << info(most.type).name;
  }
  EXPECT_EQ(std::size(kMost) + 1, tensor_types().size());  // F32 is as it was
}

// Numbers that lie on one side, that are all the same, or of which one is far from the others.
TEST(Quantise, OddBlocksStayNearby) {
  std::mt19937 random(12);
  std::uniform_real_distribution<float> unit(0.0F, 1.0F);
  for (const TensorType type : tensor_types()) {
    // Of these a block is coarse, or its numbers are far apart where they are large.
    const bool coarse = type == TensorType::kQ2_K || type == TensorType::kMXFP4;
    std::vector<float> in(256);
    for (const float sign : {1.0F, -1.0F}) {
      for (float& value : in) value = sign * (2 + unit(random));
      EXPECT_LT(relative_error(type, in), coarse ? 0.2 : 0.12) << info(type).name << " on one side";
      std::fill(in.begin(), in.end(), sign * 0.7F);
      EXPECT_LT(relative_error(type, in), 0.075) << info(type).name << " all the same";
      for (float& value : in) value = 0.01F * unit(random);
      in[77] = sign * 9;
      EXPECT_LT(relative_error(type, in), coarse ? 0.12 : 0.05)
          << info(type).name << " with one far away";
    }
  }
}

}  // namespace
}  // namespace tessera::weights
