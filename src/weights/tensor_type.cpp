#include "weights/tensor_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace tessera::weights {
namespace {

static_assert(std::endian::native == std::endian::little,
              "weights are used as they lie in the file");

constexpr std::size_t kSmallBlock = 32;   // Q4_0, Q8_0
constexpr std::size_t kSuperBlock = 256;  // the K formats

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

void put_u16(std::uint16_t value, std::byte* out) {
  std::memcpy(out, &value, sizeof value);
}

// ---- one block of each format to floats

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

// ---- floats to one block

void quantise_f32(const float* in, std::byte* block) {
  std::memcpy(block, in, sizeof *in);
}
void quantise_f16(const float* in, std::byte* block) {
  put_u16(float_to_half(*in), block);
}
void quantise_bf16(const float* in, std::byte* block) {
  put_u16(float_to_bfloat16(*in), block);
}

float inverse_or_zero(float value) {
  return value == 0.0F ? 0.0F : 1.0F / value;
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
    block[2 + i] = static_cast<std::byte>(quant(in[i]) | (quant(in[i + kSmallBlock / 2]) << 4));
  }
}

// ---- the table

struct Format {
  TensorTypeInfo info;
  void (*dequantise)(const std::byte* block, float* out);
  void (*quantise)(const float* in, std::byte* block);  // null: read only
};

constexpr std::array kFormats = {
    Format{{TensorType::kF32, "F32", 1, 4}, dequantise_f32, quantise_f32},
    Format{{TensorType::kF16, "F16", 1, 2}, dequantise_f16, quantise_f16},
    Format{{TensorType::kBF16, "BF16", 1, 2}, dequantise_bf16, quantise_bf16},
    Format{{TensorType::kQ8_0, "Q8_0", kSmallBlock, 34}, dequantise_q8_0, quantise_q8_0},
    Format{{TensorType::kQ4_0, "Q4_0", kSmallBlock, 18}, dequantise_q4_0, quantise_q4_0},
    Format{{TensorType::kQ4_K, "Q4_K", kSuperBlock, 144}, dequantise_q4_k, nullptr},
    Format{{TensorType::kQ5_K, "Q5_K", kSuperBlock, 176}, dequantise_q5_k, nullptr},
    Format{{TensorType::kQ6_K, "Q6_K", kSuperBlock, 210}, dequantise_q6_k, nullptr},
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
    ForeignType{3, "Q4_1"},
    ForeignType{4, "Q4_2 (removed)"},
    ForeignType{5, "Q4_3 (removed)"},
    ForeignType{6, "Q5_0"},
    ForeignType{7, "Q5_1"},
    ForeignType{9, "Q8_1"},
    ForeignType{10, "Q2_K"},
    ForeignType{11, "Q3_K"},
    ForeignType{15, "Q8_K"},
    ForeignType{16, "IQ2_XXS"},
    ForeignType{17, "IQ2_XS"},
    ForeignType{18, "IQ3_XXS"},
    ForeignType{19, "IQ1_S"},
    ForeignType{20, "IQ4_NL"},
    ForeignType{21, "IQ3_S"},
    ForeignType{22, "IQ2_S"},
    ForeignType{23, "IQ4_XS"},
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
    ForeignType{39, "MXFP4"},
    ForeignType{40, "NVFP4"},
};

}  // namespace

const TensorTypeInfo* find_tensor_type(std::uint32_t id) {
  const Format* format = find_format(id);
  return format == nullptr ? nullptr : &format->info;
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

bool can_quantise(TensorType type) {
  return format_of(type).quantise != nullptr;
}

void quantise_row(TensorType type, std::span<const float> row, std::byte* out) {
  const Format& format = format_of(type);
  CHECK(format.quantise != nullptr);
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
