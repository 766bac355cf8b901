// The three tables behind kernels(), and the numbers by which the shared body knows for whom it is
// compiled. For src/cpu/kernels*.cpp alone.
#pragma once

#include "cpu/kernels.h"

#define TESSERA_ISA_SCALAR 0
#define TESSERA_ISA_AVX2 1
#define TESSERA_ISA_AVX512 2

namespace tessera::cpu {
namespace avx512 {
const Kernels& table();
}
namespace avx2 {
const Kernels& table();
}
namespace scalar {
const Kernels& table();
}
}  // namespace tessera::cpu
