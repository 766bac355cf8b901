// One block of each format to floats: what dequantise_row in tensor_type.h is made of. The layouts
// stand at the functions' definitions. `block` holds the type's block_bytes, `out` its
// block_elements. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tessera::weights {

// What the nibbles of IQ4_NL and IQ4_XS stand for, and twice what those of MXFP4 do.
inline constexpr std::array<std::int8_t, 16> kIq4Values = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
inline constexpr std::array<std::int8_t, 16> kMxfp4Values = {0, 1,  2,  3,  4,  6,  8,  12,
                                                             0, -1, -2, -3, -4, -6, -8, -12};

void dequantise_f32(const std::byte* block, float* out);
void dequantise_f16(const std::byte* block, float* out);
void dequantise_bf16(const std::byte* block, float* out);
void dequantise_q8_0(const std::byte* block, float* out);
void dequantise_q4_0(const std::byte* block, float* out);
void dequantise_q4_k(const std::byte* block, float* out);
void dequantise_q5_k(const std::byte* block, float* out);
void dequantise_q6_k(const std::byte* block, float* out);
void dequantise_q4_1(const std::byte* block, float* out);
void dequantise_q5_0(const std::byte* block, float* out);
void dequantise_q5_1(const std::byte* block, float* out);
void dequantise_q2_k(const std::byte* block, float* out);
void dequantise_q3_k(const std::byte* block, float* out);
void dequantise_iq4_nl(const std::byte* block, float* out);
void dequantise_iq4_xs(const std::byte* block, float* out);
void dequantise_mxfp4(const std::byte* block, float* out);

}  // namespace tessera::weights
