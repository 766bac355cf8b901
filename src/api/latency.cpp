#include "api/latency.h"

namespace tessera::api {

Latency& LatencyBook::of(std::string_view tier) {
  const std::lock_guard lock(mutex_);
  const auto found = by_tier_.find(tier);
  if (found != by_tier_.end()) return *found->second;
  return *by_tier_.emplace(tier, std::make_unique<Latency>()).first->second;
}

std::vector<std::pair<std::string, const Latency*>> LatencyBook::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, const Latency*>> all;
  for (const auto& [tier, latency] : by_tier_) all.emplace_back(tier, latency.get());
  return all;
}

}  // namespace tessera::api
