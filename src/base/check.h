// CHECK(condition): a bug of ours ends the process at once, with the place. Unreachable from user
// input. DCHECK is the same in test builds (preset relassert and the sanitizers), and costs nothing
// in release.
#pragma once

namespace tessera {
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace tessera

#define CHECK(condition)                        \
  (__builtin_expect(!!(condition), 1) ? void(0) \
                                      : ::tessera::check_failed(#condition, __FILE__, __LINE__))

#ifdef TESSERA_DCHECK
#define DCHECK(condition) CHECK(condition)
#else
#define DCHECK(condition) void(sizeof(!(condition)))
#endif
