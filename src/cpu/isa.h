// Which instruction set the CPU kernels use: chosen once at start-up, forceable for tests. Any
// thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tessera::cpu {

enum class Isa : std::uint8_t { kAuto, kAvx512, kAvx2, kScalar };

std::string_view isa_name(Isa isa);  // "avx512"

// Those that this machine can run, best first; kScalar is always among them.
std::vector<Isa> supported_isas();

// kAuto becomes the best supported one; a set that this machine lacks is kUnsupported.
Result<Isa> choose_isa(Isa wanted);

}  // namespace tessera::cpu
