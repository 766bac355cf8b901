// How long clients wait for output, by tier: for the metrics. Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/histogram.h"

namespace tessera::api {

struct Latency {
  // From when the request was read to its first output, reasoning included.
  Histogram first_output_s{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  // From then on between two deliveries of output from the model to one answer, of all its choices.
  Histogram gap_s{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
};

// There are as many as tiers had callers: operators name them, clients do not.
class LatencyBook {
 public:
  // Lives as long as the book.
  Latency& of(std::string_view tier);
  std::vector<std::pair<std::string, const Latency*>> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Latency>, std::less<>> by_tier_;
};

}  // namespace tessera::api
