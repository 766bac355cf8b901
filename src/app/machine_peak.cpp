#include "app/machine_peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/thread_team.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera::app {
namespace {

using Loop = void (*)(std::int64_t rounds);

struct Probe {
  Loop loop = nullptr;
  double operations = 0;  // of one round
};

// Sums that no instruction has to wait for: latency times units, with some to spare.
constexpr int kSums = 12;

#if defined(__x86_64__)

// The compiler may neither drop the sums nor merge the rounds.
#define TESSERA_KEEP(sums) \
  for (auto& sum : (sums)) __asm__ volatile("" : "+v"(sum))

__attribute__((target("avx512f,avx512vnni"))) void int8_avx512(std::int64_t rounds) {
  __m512i sums[kSums] = {};
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, b);
    TESSERA_KEEP(sums);
  }
}

// Without VNNI: products of pairs in 16 bits, pairs of them in 32, and an addition.
__attribute__((target("avx2"))) void int8_avx2(std::int64_t rounds) {
  __m256i sums[kSums] = {};
  __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m256i& sum : sums) {
      __asm__ volatile("" : "+v"(a), "+v"(b));  // or the product is computed once
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
    TESSERA_KEEP(sums);
  }
}

__attribute__((target("avx512f"))) void float32_avx512(std::int64_t rounds) {
  __m512 sums[kSums] = {};
  const __m512 a = _mm512_set1_ps(1.5F), b = _mm512_set1_ps(0.5F);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(a, b, sum);
    TESSERA_KEEP(sums);
  }
}

__attribute__((target("avx2,fma"))) void float32_avx2(std::int64_t rounds) {
  __m256 sums[kSums] = {};
  const __m256 a = _mm256_set1_ps(1.5F), b = _mm256_set1_ps(0.5F);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(a, b, sum);
    TESSERA_KEEP(sums);
  }
}

#undef TESSERA_KEEP

Probe find_probe(PeakKind kind, cpu::Isa isa) {
  const bool int8 = kind == PeakKind::kInt8;
  if (isa == cpu::Isa::kAvx512)
    return int8 ? Probe{int8_avx512, kSums * 64 * 2.0} : Probe{float32_avx512, kSums * 16 * 2.0};
  if (isa == cpu::Isa::kAvx2)
    return int8 ? Probe{int8_avx2, kSums * 32 * 2.0} : Probe{float32_avx2, kSums * 8 * 2.0};
  return {};
}

#else

Probe find_probe(PeakKind, cpu::Isa) {
  return {};
}

#endif

}  // namespace

double measure_peak(PeakKind kind, cpu::Isa isa, int threads) {
  const Probe probe = find_probe(kind, isa);
  if (probe.loop == nullptr) return 0;
  constexpr std::int64_t kRounds = 250'000;
  constexpr int kRuns = 10;
  // All at once, for what cores share counts; but each thread by its own clock, for others' work on
  // the machine does not.
  std::vector<double> best(static_cast<std::size_t>(threads), 0);
  ThreadTeam team(threads);
  for (int run = 0; run < kRuns; ++run) {
    team.run([&](int member, int) {
      const auto start = std::chrono::steady_clock::now();
      probe.loop(kRounds);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      double& mine = best[static_cast<std::size_t>(member)];
      mine = std::max(mine, probe.operations * static_cast<double>(kRounds) / time.count());
    });
  }
  return std::accumulate(best.begin(), best.end(), 0.0);
}

}  // namespace tessera::app
