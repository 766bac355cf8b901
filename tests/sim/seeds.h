// Which random schedules a simulation runs, and which one failed.
//
//   SIMULATION [--seeds N] [--first K]   N schedules from seed K on
//   SIMULATION --seed K                  one of them again
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tessera::engine {

struct Seeds {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

inline Seeds seeds_of(int argc, char** argv, Seeds seeds) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    const std::uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--seeds") seeds.count = value;
    if (flag == "--first") seeds.first = value;
    if (flag == "--seed") seeds = {.first = value, .count = 1};
  }
  return seeds;
}

// Until one fails.
template <class Run>
void for_each_seed(Seeds seeds, const char* simulation, Run run) {
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    run(seed);
    if (testing::Test::HasFailure()) {
      std::printf("seed %llu failed: %s --seed %llu runs it again\n",
                  static_cast<unsigned long long>(seed), simulation,
                  static_cast<unsigned long long>(seed));
      return;
    }
  }
}

}  // namespace tessera::engine
