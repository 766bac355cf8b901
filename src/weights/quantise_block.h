// One block of each format from floats: what quantise_row in tensor_type.h is made of.
//
// F32, F16, BF16, Q8_0 and Q4_0 round to nearest, with the scale that the largest number asks for.
// The others look for the scales (and minima) with the smallest sum of squared errors: some steps
// around the obvious one, each improved by least squares over the quants that it gives, then the
// scales' own rounding to their few bits. The numbers are finite. Pure functions: any thread.
#pragma once

#include <cstddef>

namespace tessera::weights {

void quantise_f32(const float* in, std::byte* block);
void quantise_f16(const float* in, std::byte* block);
void quantise_bf16(const float* in, std::byte* block);
void quantise_q8_0(const float* in, std::byte* block);
void quantise_q4_0(const float* in, std::byte* block);
void quantise_q4_1(const float* in, std::byte* block);
void quantise_q5_0(const float* in, std::byte* block);
void quantise_q5_1(const float* in, std::byte* block);
void quantise_q2_k(const float* in, std::byte* block);
void quantise_q3_k(const float* in, std::byte* block);
void quantise_q4_k(const float* in, std::byte* block);
void quantise_q5_k(const float* in, std::byte* block);
void quantise_q6_k(const float* in, std::byte* block);
void quantise_iq4_nl(const float* in, std::byte* block);
void quantise_iq4_xs(const float* in, std::byte* block);
void quantise_mxfp4(const float* in, std::byte* block);

}  // namespace tessera::weights
