// For tests: random numbers from a seed.
#pragma once

#include <cstdint>
#include <random>

namespace tessera::engine {

class TestRandom {
 public:
  explicit TestRandom(std::uint64_t seed) : engine_(seed) {}
  std::int32_t integer(std::int32_t least, std::int32_t most) {
    return std::uniform_int_distribution<std::int32_t>(least, most)(engine_);
  }
  float real(float least, float most) {
    return std::uniform_real_distribution<float>(least, most)(engine_);
  }
  bool chance(int one_in) { return integer(1, one_in) == 1; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tessera::engine
