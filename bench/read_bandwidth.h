// What reading memory alone gives on this machine at this moment: the roof beside every
// memory-bound figure.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

#include "base/check.h"
#include "base/thread_team.h"
#include "cpu/kernels.h"

namespace tessera::bench {

class ReadBandwidth {
 public:
  static constexpr std::size_t kBytes = std::size_t{256} << 20;  // larger than any cache

  explicit ReadBandwidth(int threads) : team_(threads), data_(kBytes / sizeof(float), 1.0F) {}

  // Reads all of it once, on all threads.
  void read() {
    const cpu::Kernels& k = cpu::kernels(cpu::supported_isas().front());
    constexpr std::size_t kChunk = 65536;
    std::atomic<bool> finite{true};
    team_.for_each(data_.size(), kChunk, [&](std::size_t begin, std::size_t end, int) {
      if (!k.all_finite(data_.data() + begin, end - begin)) finite = false;
    });
    CHECK(finite);
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
  std::vector<float> data_;
};

}  // namespace tessera::bench
