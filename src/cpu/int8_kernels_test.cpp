// Products with int8 inputs against what their quants stand for, and every instruction set and tile
// shape against the others, by bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/test_kernels.h"
#include "gtest/gtest.h"
#include "weights/tensor_type.h"

namespace tessera::cpu {
namespace {

struct Int8Input {
  std::vector<std::byte> row;
  Floats values;  // what the quants stand for
};
Int8Input quantised(const Kernels& k, const float* x, std::size_t columns) {
  const Int8Layout at(columns);
  Int8Input input{std::vector<std::byte>(at.bytes), Floats(columns)};
  k.quantise_row(x, 0, columns, columns, input.row.data());
  for (std::size_t i = 0; i < columns; ++i) {
    float scale = 0;
    std::memcpy(&scale, input.row.data() + at.scales + i / 32 * 4, 4);
    input.values[i] = scale * static_cast<float>(static_cast<std::int8_t>(input.row[i]));
  }
  return input;
}

// As matmul() above.
Floats int8_matmul(const Kernels& k, TensorType type, const std::vector<std::byte>& w,
                   std::size_t rows, std::size_t columns, const Floats& x, std::size_t tile_tokens,
                   std::size_t tile_rows) {
  const std::size_t tokens = x.size() / columns;
  const std::size_t row_bytes = weights::row_bytes(type, columns);
  Floats y(tokens * rows, NAN);
  std::vector<std::byte> panel(kInt8PanelBytes);
  std::vector<Int8Input> inputs;
  for (std::size_t t = 0; t < tokens; ++t)
    inputs.push_back(quantised(k, x.data() + t * columns, columns));
  for (std::size_t t = 0; t < tokens; t += tile_tokens) {
    for (std::size_t r = 0; r < rows; r += tile_rows) {
      std::vector<const std::byte*> in;
      std::vector<float*> out;
      for (std::size_t i = t; i < std::min(tokens, t + tile_tokens); ++i) {
        in.push_back(inputs[i].row.data());
        out.push_back(y.data() + i * rows);
      }
      k.int8_matmul(type)({w.data() + r * row_bytes, row_bytes, std::min(tile_rows, rows - r),
                           columns, in.size(), in.data(), out.data(), r, panel.data()});
    }
  }
  return y;
}

std::vector<TypeCase> int8_cases() {
  std::vector<TypeCase> cases = type_cases();
  std::erase_if(cases, [](const TypeCase& c) {
    return kernels(Isa::kScalar).int8_matmul(c.type) == nullptr;
  });
  return cases;
}

TEST(Int8Kernels, QuantisedTypesTakeInt8Inputs) {
  EXPECT_EQ(kernels(Isa::kScalar).int8_matmul(TensorType::kF32), nullptr);
  EXPECT_EQ(kernels(Isa::kScalar).int8_matmul(TensorType::kBF16), nullptr);
  EXPECT_GE(int8_cases().size(), 5U * 3);
}

TEST(Int8Kernels, QuantisedRowsAreNearestAndSumUp) {
  constexpr std::size_t kColumns = 96;
  Floats x = random_floats(kColumns, 21);
  std::fill(x.begin() + 32, x.begin() + 64, 0.0F);
  const Int8Layout at(kColumns);
  for (Isa isa : supported_isas()) {
    const Int8Input input = quantised(kernels(isa), x.data(), kColumns);
    for (std::size_t block = 0; block < 3; ++block) {
      float most = 0, scale = 0, sum = 0;
      for (std::size_t i = 32 * block; i < 32 * (block + 1); ++i)
        most = std::max(most, std::fabs(x[i]));
      std::memcpy(&scale, &input.row[at.scales + 4 * block], 4);
      std::memcpy(&sum, &input.row[at.sums + 4 * block], 4);
      EXPECT_EQ(scale, most / 127);
      int quants = 0;
      for (std::size_t half = 2 * block; half < 2 * block + 2; ++half) {
        int part = 0;
        for (std::size_t i = 16 * half; i < 16 * (half + 1); ++i) {
          EXPECT_LE(std::fabs(input.values[i] - x[i]), scale * 0.5001F);
          part += static_cast<std::int8_t>(input.row[i]);
        }
        std::int32_t minus = 0;
        std::memcpy(&minus, &input.row[at.minus_sums16 + 4 * half], 4);
        EXPECT_EQ(minus, -part);
        quants += part;
      }
      EXPECT_EQ(sum, scale * static_cast<float>(quants));
    }
  }
}

TEST(Int8Kernels, Int8MatmulIsTheDotProductOfWhatTheQuantsStandFor) {
  for (const TypeCase& c : int8_cases()) {
    constexpr std::size_t kRows = 5, kTokens = 11;
    const auto w = random_rows(c.type, kRows, c.columns, 3);
    const Floats x = random_floats(kTokens * c.columns, 4);
    const Kernels& k = kernels(supported_isas().front());
    const Floats y = int8_matmul(k, c.type, w, kRows, c.columns, x, kTokens, kRows);
    Floats row(c.columns);
    for (std::size_t r = 0; r < kRows; ++r) {
      weights::dequantise_row(c.type, w.data() + r * weights::row_bytes(c.type, c.columns), row);
      for (std::size_t t = 0; t < kTokens; ++t) {
        const Floats in = quantised(k, x.data() + t * c.columns, c.columns).values;
        double sum = 0, norm = 0;
        for (std::size_t i = 0; i < c.columns; ++i) {
          const double product = double{row[i]} * in[i];
          sum += product;
          norm += std::fabs(product);
        }
        // Each block of 32 is rounded a few times, and so is the sum after it; minima cancel
        // against quants, which the factor of 8 covers.
        const double bound = 8 * kEpsilon * norm * (static_cast<double>(c.columns) / 32 + 4);
        EXPECT_NEAR(y[t * kRows + r], sum, bound) << name_of(c);
      }
    }
  }
}

// The definition in kernels.h by plain code, for a type whose blocks are easily read.
TEST(Int8Kernels, Int8MatmulIsDefinedBlockByBlock) {
  constexpr std::size_t kColumns = 256;
  const auto w = random_rows(TensorType::kQ4_0, 1, kColumns, 5);
  const Floats x = random_floats(kColumns, 6);
  const Int8Layout at(kColumns);
  const Int8Input input = quantised(kernels(Isa::kScalar), x.data(), kColumns);
  float expected = 0;
  for (std::size_t block = 0; block < kColumns / 32; ++block) {
    const std::byte* bytes = w.data() + 18 * block;
    int sum = 0;
    for (std::size_t i = 0; i < 32; ++i) {
      const int packed = static_cast<int>(bytes[2 + i % 16]);
      const int weight = (i < 16 ? packed & 15 : packed >> 4) - 8;
      sum += weight * static_cast<std::int8_t>(input.row[32 * block + i]);
    }
    _Float16 weight_scale = 0;
    float scale = 0;
    std::memcpy(&weight_scale, bytes, 2);
    std::memcpy(&scale, &input.row[at.scales + 4 * block], 4);
    expected =
        std::fma(static_cast<float>(sum), static_cast<float>(weight_scale) * scale, expected);
  }
  for (Isa isa : supported_isas()) {
    EXPECT_EQ(int8_matmul(kernels(isa), TensorType::kQ4_0, w, 1, kColumns, x, 1, 1)[0], expected)
        << isa_name(isa);
  }
}

TEST(Int8Kernels, Int8MatmulHasTheSameBitsInEveryShapeAndSet) {
  for (const TypeCase& c : int8_cases()) {
    constexpr std::size_t kRows = 37, kTokens = 19;
    const auto w = random_rows(c.type, kRows, c.columns, 8);
    const Floats x = random_floats(kTokens * c.columns, 9);
    const auto expected =
        bits(int8_matmul(kernels(supported_isas().front()), c.type, w, kRows, c.columns, x, 1, 1));
    for (Isa isa : supported_isas()) {
      for (std::size_t tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 19}) {
        for (std::size_t rows : {3, 16, 37}) {
          if (isa == Isa::kScalar && (tokens < 8 || rows == 3)) continue;  // it is slow
          const Floats y = int8_matmul(kernels(isa), c.type, w, kRows, c.columns, x, tokens, rows);
          ASSERT_TRUE(bits(y) == expected)
              << name_of(c) << " " << isa_name(isa) << " tokens " << tokens << " rows " << rows;
        }
      }
    }
  }
}

TEST(Int8Kernels, MoreRowsAndColumnsThanArePackedAtOnceHaveTheBitsOfRowsAlone) {
  for (const TensorType type : {TensorType::kQ4_K, TensorType::kQ8_0}) {
    constexpr std::size_t kRows = 2 * kInt8PanelRows + 3, kTokens = 11;
    constexpr std::size_t kColumns = kInt8PanelColumns + 256;
    const auto w = random_rows(type, kRows, kColumns, 18);
    const Floats x = random_floats(kTokens * kColumns, 19);
    const Kernels& k = kernels(supported_isas().front());
    const auto alone = bits(int8_matmul(k, type, w, kRows, kColumns, x, 1, 1));
    for (const std::size_t tokens : {1, 8, 11}) {
      EXPECT_TRUE(bits(int8_matmul(k, type, w, kRows, kColumns, x, tokens, kRows)) == alone)
          << tokens;
    }
  }
}

// The extremes of both sides: no sum on the way may overflow.
TEST(Int8Kernels, Int8MatmulHasRoomForTheLargestQuants) {
  constexpr std::size_t kColumns = 512;
  for (const TensorType type :
       {TensorType::kQ8_0, TensorType::kQ6_K, TensorType::kQ5_K, TensorType::kQ4_K,
        TensorType::kQ5_0, TensorType::kQ4_0, TensorType::kQ3_K, TensorType::kQ2_K}) {
    for (const int fill : {0x00, 0x7F, 0x80, 0xFF}) {
      std::vector<std::byte> w = random_rows(type, 1, kColumns, 5);
      const weights::TensorTypeInfo& info = weights::info(type);
      const std::size_t scale_at = type == TensorType::kQ6_K   ? 208
                                   : type == TensorType::kQ3_K ? 108
                                   : type == TensorType::kQ2_K ? 80
                                                               : 0;
      const bool has_minima =
          type == TensorType::kQ5_K || type == TensorType::kQ4_K || type == TensorType::kQ2_K;
      const std::size_t scale_bytes = has_minima ? 4 : 2;
      for (std::size_t i = 0; i < w.size(); ++i) {
        const std::size_t at = i % info.block_bytes;
        if (at < scale_at || at >= scale_at + scale_bytes) w[i] = static_cast<std::byte>(fill);
      }
      Floats row(kColumns);
      weights::dequantise_row(type, w.data(), row);
      for (const float sign : {1.0F, -1.0F}) {
        constexpr std::size_t kTokens = 5;  // met one, two and all at once: kernels differ
        const Floats x(kTokens * kColumns, sign);
        double sum = 0, norm = 0;
        for (const float weight : row) {
          sum += double{weight} * sign;
          norm += std::fabs(weight);
        }
        for (Isa isa : supported_isas()) {
          for (const std::size_t together : {std::size_t{1}, std::size_t{2}, kTokens}) {
            const Floats y = int8_matmul(kernels(isa), type, w, 1, kColumns, x, together, 1);
            for (const float value : y)
              EXPECT_NEAR(value, sum, norm * 1e-5)
                  << weights::info(type).name << " " << isa_name(isa);
          }
        }
      }
    }
  }
}

TEST(Int8Kernels, NumbersThatAreNotFiniteComeOutOfInt8AsNaN) {
  constexpr std::size_t kColumns = 256;
  const auto w = random_rows(TensorType::kQ4_K, 3, kColumns, 5);
  for (const float bad : {std::numeric_limits<float>::infinity(), static_cast<float>(NAN)}) {
    Floats x = random_floats(2 * kColumns, 6);
    x[40] = bad;
    for (Isa isa : supported_isas()) {
      const Floats y = int8_matmul(kernels(isa), TensorType::kQ4_K, w, 3, kColumns, x, 2, 3);
      for (std::size_t r = 0; r < 3; ++r) {
        EXPECT_TRUE(std::isnan(y[r])) << isa_name(isa);
        EXPECT_TRUE(std::isfinite(y[3 + r])) << isa_name(isa);
      }
    }
  }
}

}  // namespace
}  // namespace tessera::cpu
