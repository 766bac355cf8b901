// The block formats that weights are stored in: GGUF's type ids, sizes, and the reference
// dequantisation. Source of the layouts: ggml's block formats, as the GGUF specification names
// them. Plain C++20; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::weights {

// Values are the ids in GGUF files.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;       // "Q4_K"
  std::size_t block_elements;  // elements in a block: 1, 32 or 256
  std::size_t block_bytes;
};

// Nothing for ids that this build does not know. The table is the one place a new type is entered.
const TensorTypeInfo* find_tensor_type(std::uint32_t id);
const TensorTypeInfo& info(TensorType type);
// All of the table, and their names as a list for messages.
std::vector<TensorType> tensor_types();
std::string tensor_type_names();
std::string_view name_of_unknown_type(
    std::uint32_t id);  // "IQ3_S" for known-elsewhere ids, "?" otherwise: for messages

// Bytes of a row of `elements`; elements is a multiple of block_elements.
std::size_t row_bytes(TensorType type, std::size_t elements);

// The obvious dequantisation: the oracle of every kernel. `row` holds row_bytes(type, out.size())
// bytes.
void dequantise_row(TensorType type, const std::byte* row, std::span<float> out);

// Quantisation of a row of finite numbers, for tools, tests and keys and values: how well is said
// in quantise_block.h.
void quantise_row(TensorType type, std::span<const float> row, std::byte* out);

// IEEE half precision and bfloat16, by bits; to half rounds to nearest even.
float half_to_float(std::uint16_t bits);
std::uint16_t float_to_half(float value);
float bfloat16_to_float(std::uint16_t bits);
std::uint16_t float_to_bfloat16(float value);

}  // namespace tessera::weights
