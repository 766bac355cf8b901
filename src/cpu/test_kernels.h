// What the kernels' tests share: random rows of every weight type, and bits to compare.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "weights/tensor_type.h"

namespace tessera::cpu {

using weights::TensorType;
using Floats = std::vector<float>;

constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

inline Floats random_floats(std::size_t n, unsigned seed, float scale = 1.0F) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  Floats out(n);
  for (float& x : out) x = normal(random);
  return out;
}

// Any bits are a valid block but for scales that are not finite: those halves get a small exponent.
inline std::vector<std::byte> random_rows(TensorType type, std::size_t rows, std::size_t columns,
                                          unsigned seed) {
  const weights::TensorTypeInfo& info = weights::info(type);
  std::vector<std::byte> data(rows * weights::row_bytes(type, columns));
  std::mt19937 random(seed);
  if (type == TensorType::kF32) {
    const Floats x = random_floats(rows * columns, seed);
    std::memcpy(data.data(), x.data(), data.size());
    return data;
  }
  for (std::byte& b : data) b = static_cast<std::byte>(random());
  const auto tame_half = [&](std::size_t at) {
    data[at + 1] = (data[at + 1] & std::byte{0x83}) | std::byte{0x20};
  };
  for (std::size_t at = 0; at < data.size(); at += info.block_bytes) {
    switch (type) {
      case TensorType::kF16:
        tame_half(at);
        break;
      case TensorType::kBF16:
        data[at + 1] = (data[at + 1] & std::byte{0x80}) | std::byte{0x3F};
        break;
      case TensorType::kQ6_K:
        tame_half(at + 208);
        break;
      case TensorType::kQ3_K:
        tame_half(at + 108);
        break;
      case TensorType::kQ2_K:
        tame_half(at + 80);
        tame_half(at + 82);
        break;
      case TensorType::kMXFP4:
        data[at] = (data[at] & std::byte{0x07}) | std::byte{0x78};
        break;
      case TensorType::kQ4_1:
      case TensorType::kQ5_1:
      case TensorType::kQ4_K:
      case TensorType::kQ5_K:
        tame_half(at + 2);
        [[fallthrough]];
      default:
        tame_half(at);
    }
  }
  return data;
}

inline std::vector<std::uint32_t> bits(const Floats& x) {
  std::vector<std::uint32_t> out(x.size());
  std::memcpy(out.data(), x.data(), x.size() * sizeof(float));
  return out;
}

struct TypeCase {
  TensorType type;
  std::size_t columns;
};
inline std::vector<TypeCase> type_cases() {
  std::vector<TypeCase> cases;
  for (TensorType type : weights::tensor_types()) {
    for (std::size_t columns : {16, 32, 48, 256, 512, 2048, 2304}) {
      if (columns % weights::info(type).block_elements == 0) cases.push_back({type, columns});
    }
  }
  return cases;
}
inline std::string name_of(const TypeCase& c) {
  return std::string(weights::info(c.type).name) + " x " + std::to_string(c.columns);
}

}  // namespace tessera::cpu
