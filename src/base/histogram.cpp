#include "base/histogram.h"

#include <algorithm>

#include "base/check.h"

namespace tessera {

Histogram::Histogram(std::initializer_list<double> bounds)
    : bounds_(bounds), counts_(new std::atomic<std::int64_t>[bounds.size() + 1]()) {
  CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Snapshot Histogram::snapshot() const {
  Snapshot snapshot{bounds_, {}, sum_.load(std::memory_order_relaxed)};
  for (std::size_t i = 0; i <= bounds_.size(); ++i)
    snapshot.counts.push_back(counts_[i].load(std::memory_order_relaxed));
  return snapshot;
}

}  // namespace tessera
