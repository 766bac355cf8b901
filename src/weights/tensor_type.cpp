#include "weights/tensor_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "weights/dequantise_block.h"
#include "weights/quantise_block.h"

namespace tessera::weights {
namespace {

constexpr std::size_t kSmallBlock = 32;
constexpr std::size_t kSuperBlock = 256;  // the K formats and IQ4_XS

struct Format {
  TensorTypeInfo info;
  void (*dequantise)(const std::byte* block, float* out);
  void (*quantise)(const float* in, std::byte* block);
};

constexpr std::array kFormats = {
    Format{{TensorType::kF32, "F32", 1, 4}, dequantise_f32, quantise_f32},
    Format{{TensorType::kF16, "F16", 1, 2}, dequantise_f16, quantise_f16},
    Format{{TensorType::kBF16, "BF16", 1, 2}, dequantise_bf16, quantise_bf16},
    Format{{TensorType::kQ8_0, "Q8_0", kSmallBlock, 34}, dequantise_q8_0, quantise_q8_0},
    Format{{TensorType::kQ4_0, "Q4_0", kSmallBlock, 18}, dequantise_q4_0, quantise_q4_0},
    Format{{TensorType::kQ4_K, "Q4_K", kSuperBlock, 144}, dequantise_q4_k, quantise_q4_k},
    Format{{TensorType::kQ5_K, "Q5_K", kSuperBlock, 176}, dequantise_q5_k, quantise_q5_k},
    Format{{TensorType::kQ6_K, "Q6_K", kSuperBlock, 210}, dequantise_q6_k, quantise_q6_k},
    Format{{TensorType::kQ4_1, "Q4_1", kSmallBlock, 20}, dequantise_q4_1, quantise_q4_1},
    Format{{TensorType::kQ5_0, "Q5_0", kSmallBlock, 22}, dequantise_q5_0, quantise_q5_0},
    Format{{TensorType::kQ5_1, "Q5_1", kSmallBlock, 24}, dequantise_q5_1, quantise_q5_1},
    Format{{TensorType::kQ2_K, "Q2_K", kSuperBlock, 84}, dequantise_q2_k, quantise_q2_k},
    Format{{TensorType::kQ3_K, "Q3_K", kSuperBlock, 110}, dequantise_q3_k, quantise_q3_k},
    Format{{TensorType::kIQ4_NL, "IQ4_NL", kSmallBlock, 18}, dequantise_iq4_nl, quantise_iq4_nl},
    Format{{TensorType::kIQ4_XS, "IQ4_XS", kSuperBlock, 136}, dequantise_iq4_xs, quantise_iq4_xs},
    Format{{TensorType::kMXFP4, "MXFP4", kSmallBlock, 17}, dequantise_mxfp4, quantise_mxfp4},
};

const Format* find_format(std::uint32_t id) {
  const auto found = std::find_if(kFormats.begin(), kFormats.end(), [&](const Format& format) {
    return static_cast<std::uint32_t>(format.info.type) == id;
  });
  return found == kFormats.end() ? nullptr : &*found;
}

const Format& format_of(TensorType type) {
  const Format* format = find_format(static_cast<std::uint32_t>(type));
  CHECK(format != nullptr);
  return *format;
}

struct ForeignType {
  std::uint32_t id;
  std::string_view name;
};

// Ids that files in the wild carry and this build does not read.
constexpr std::array kForeignTypes = {
    ForeignType{4, "Q4_2 (removed)"},
    ForeignType{5, "Q4_3 (removed)"},
    ForeignType{9, "Q8_1"},
    ForeignType{15, "Q8_K"},
    ForeignType{16, "IQ2_XXS"},
    ForeignType{17, "IQ2_XS"},
    ForeignType{18, "IQ3_XXS"},
    ForeignType{19, "IQ1_S"},
    ForeignType{21, "IQ3_S"},
    ForeignType{22, "IQ2_S"},
    ForeignType{24, "I8"},
    ForeignType{25, "I16"},
    ForeignType{26, "I32"},
    ForeignType{27, "I64"},
    ForeignType{28, "F64"},
    ForeignType{29, "IQ1_M"},
    ForeignType{31, "Q4_0_4_4 (removed)"},
    ForeignType{32, "Q4_0_4_8 (removed)"},
    ForeignType{33, "Q4_0_8_8 (removed)"},
    ForeignType{34, "TQ1_0"},
    ForeignType{35, "TQ2_0"},
    ForeignType{40, "NVFP4"},
};

}  // namespace

const TensorTypeInfo* find_tensor_type(std::uint32_t id) {
  const Format* format = find_format(id);
  return format == nullptr ? nullptr : &format->info;
}

std::vector<TensorType> tensor_types() {
  std::vector<TensorType> types;
  types.reserve(std::size(kFormats));
  for (const Format& format : kFormats) types.push_back(format.info.type);
  return types;
}

std::string tensor_type_names() {
  std::string names;
  for (const Format& format : kFormats) {
    if (!names.empty()) names += ", ";
    names += format.info.name;
  }
  return names;
}

const TensorTypeInfo& info(TensorType type) {
  return format_of(type).info;
}

std::string_view name_of_unknown_type(std::uint32_t id) {
  for (const ForeignType& foreign : kForeignTypes) {
    if (foreign.id == id) return foreign.name;
  }
  return "?";
}

std::size_t row_bytes(TensorType type, std::size_t elements) {
  const TensorTypeInfo& format = info(type);
  DCHECK(elements % format.block_elements == 0);
  return elements / format.block_elements * format.block_bytes;
}

void dequantise_row(TensorType type, const std::byte* row, std::span<float> out) {
  const Format& format = format_of(type);
  CHECK(out.size() % format.info.block_elements == 0);
  for (std::size_t i = 0; i < out.size(); i += format.info.block_elements) {
    format.dequantise(row, out.data() + i);
    row += format.info.block_bytes;
  }
}

void quantise_row(TensorType type, std::span<const float> row, std::byte* out) {
  const Format& format = format_of(type);
  CHECK(row.size() % format.info.block_elements == 0);
  for (std::size_t i = 0; i < row.size(); i += format.info.block_elements) {
    format.quantise(row.data() + i, out);
    out += format.info.block_bytes;
  }
}

// A half is sign | 5 exponent bits, bias 15 | 10 fraction bits; a float sign | 8, bias 127 | 23.
float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31U;
  const std::uint32_t fraction = bits & 0x3ffU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (fraction << 13));
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24, exact in a float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);   // NaN, quiet
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds to inf
  if (magnitude < 0x38800000U) {  // below 2^-14: a multiple of 2^-24, nearbyint rounds to even
    const float units = std::nearbyint(std::bit_cast<float>(magnitude) * 0x1p24F);
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(units));
  }
  const std::uint32_t rebased = magnitude - (112U << 23);
  const std::uint32_t rounded = rebased + 0xfffU + ((rebased >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}

float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace tessera::weights
