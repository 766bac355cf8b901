// How the CPU backend keeps keys and values, in areas of 64 rows of one head's keys or values, and
// how they are attended to.
//
// Floats: rows of that type; all sums are of float32.
//
// kInt8: each row is rotated by an orthogonal matrix that spreads what is large in it (signs, then
// Walsh's and Hadamard's matrix), then rounded to integers within -127 .. 127 times one scale.
// Queries likewise. Rotating both sides does not change a dot product; the mean of rotated values
// is rotated back. A score is float(sum of q * k) * the key's scale, times the query's scale and
// 1 / sqrt(head size); the integer sum is exact. In a block of 64 keys, weights are exp(score -
// the block's largest one) times the value's scale, rounded to integers within 0 .. 255 times the
// largest / 255; the sums of weights and values are exact integers again. Blocks follow one another
// by the online softmax in float32. (The rotation: QuaRot, Ashkboos et al., 2024; attention in
// integers: SageAttention, Zhang et al., 2024.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tessera::cpu {

enum class KvType : std::uint8_t { kF32, kF16, kBF16, kInt8 };
constexpr KvType kKvTypes[] = {KvType::kF32, KvType::kF16, KvType::kBF16, KvType::kInt8};

// As users write it.
constexpr std::string_view kv_type_name(KvType type) {
  constexpr std::string_view kNames[] = {"f32", "f16", "bf16", "q8"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace tessera::cpu
