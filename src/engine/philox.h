// Counter-based random numbers: Philox 4x32-10 of J. K. Salmon, M. A. Moraes, R. O. Dror, D. E.
// Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A pure function of (key, counter):
// the draw for one token depends on nothing that happened before it, so a choice can be replayed,
// resumed from a cache or moved in a batch. Any thread.
#pragma once

#include <array>
#include <cstdint>

namespace tessera::engine {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

constexpr PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53;
  constexpr std::uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = kMultiplier0 * counter[0];
    const std::uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// Uniform in [0, 1), a multiple of 2^-53: the draw for the token at `position` of choice `choice`
// under `seed`.
constexpr double uniform_draw(std::uint64_t seed, std::int32_t choice, std::int32_t position) {
  const PhiloxKey key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  const PhiloxCounter block = philox4x32_10(
      {static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(choice), 0, 0}, key);
  const std::uint64_t bits = (static_cast<std::uint64_t>(block[1]) << 32) | block[0];
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace tessera::engine
