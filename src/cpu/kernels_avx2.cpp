// The kernels for avx2: 16 lanes in two registers. See kernels.h.
#if defined(__x86_64__)
#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels.h"
#include "cpu/kernels_isa.h"
#include "weights/dequantise_block.h"

// Vectors are passed between inlined functions of this file alone, so their calling convention does
// not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define TESSERA_ISA TESSERA_ISA_AVX2

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
namespace tessera::cpu::avx2 {
namespace {
#include "cpu/kernels_body.inc"
}  // namespace
const Kernels& table() {
  static constexpr Kernels kTable = make_table(Isa::kAvx2);
  return kTable;
}
}  // namespace tessera::cpu::avx2
#pragma clang attribute pop
#endif
