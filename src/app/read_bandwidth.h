// What reading memory alone gives on this machine at this moment: the roof beside every
// memory-bound figure.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/thread_team.h"

namespace tessera::app {

class ReadBandwidth {
 public:
  static constexpr std::size_t kBytes = std::size_t{256} << 20;  // larger than any cache

  explicit ReadBandwidth(int threads) : team_(threads), data_(kBytes / sizeof(std::uint64_t), 1) {}

  // Reads all of it once, on all threads.
  void read() {
    constexpr std::size_t kChunk = 32768;
    std::atomic<std::uint64_t> total{0};
    team_.for_each(data_.size(), kChunk, [&](std::size_t begin, std::size_t end, int) {
      std::uint64_t sums[8] = {};  // independent, so that loads are not waited for
      for (std::size_t i = begin; i + 8 <= end; i += 8) {
        for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += data_[i + lane];
      }
      for (const std::uint64_t sum : sums) total += sum;
    });
    CHECK(total == data_.size());
  }

  // Bytes a second, the best of a few passes.
  double measure() {
    double best = 0;
    for (int pass = 0; pass < 3; ++pass) {
      const auto start = std::chrono::steady_clock::now();
      read();
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
      const double bytes = static_cast<double>(kBytes) / time.count();
      best = bytes > best ? bytes : best;
    }
    return best;
  }

 private:
  ThreadTeam team_;
  std::vector<std::uint64_t> data_;
};

}  // namespace tessera::app
