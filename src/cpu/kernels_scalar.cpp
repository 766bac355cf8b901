// The kernels for scalar: whatever the compiler's baseline has; without fused multiply-add in
// hardware it is slow, but exact. See kernels.h.
#include <array>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels.h"
#include "cpu/kernels_isa.h"
#include "weights/dequantise_block.h"

// Vectors are passed between inlined functions of this file alone, so their calling convention does
// not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define TESSERA_ISA TESSERA_ISA_SCALAR

namespace tessera::cpu::scalar {
namespace {
#include "cpu/kernels_body.inc"
}  // namespace
const Kernels& table() {
  static constexpr Kernels kTable = make_table(Isa::kScalar);
  return kTable;
}
}  // namespace tessera::cpu::scalar
