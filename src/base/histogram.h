// Counts of values by size, as Prometheus' histograms want them. Any thread; no lock: whoever reads
// while others write may see a value in one of counts and sum that is not in the other yet.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

namespace tessera {

class Histogram {
 public:
  // Upper bounds of the buckets, ascending; one more bucket takes what is beyond.
  explicit Histogram(std::initializer_list<double> bounds);

  void observe(double value);

  struct Snapshot {
    std::vector<double> bounds;
    std::vector<std::int64_t> counts;  // of each bucket alone; one more than bounds
    double sum = 0;
  };
  Snapshot snapshot() const;

 private:
  const std::vector<double> bounds_;
  const std::unique_ptr<std::atomic<std::int64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

}  // namespace tessera
