#include "cpu/isa.h"

#include <algorithm>

#include "fmt/format.h"

namespace tessera::cpu {

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kAuto:
      return "auto";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kScalar:
      return "scalar";
  }
  return "?";
}

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
  if (avx512) isas.push_back(Isa::kAvx512);
  if (avx2) isas.push_back(Isa::kAvx2);
#endif
  isas.push_back(Isa::kScalar);
  return isas;
}

Result<Isa> choose_isa(Isa wanted) {
  const std::vector<Isa> isas = supported_isas();
  if (wanted == Isa::kAuto) return isas.front();
  if (std::find(isas.begin(), isas.end(), wanted) == isas.end()) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("this machine has no {} instructions; its best set is {}",
                            isa_name(wanted), isa_name(isas.front())));
  }
  return wanted;
}

}  // namespace tessera::cpu
