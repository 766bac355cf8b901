#include "access/tier.h"

namespace tessera::access {
namespace {

constexpr std::int32_t k128k = 131'072;
constexpr std::int32_t k256k = 262'144;

}  // namespace

// Requests a minute, bursts and contexts are the product's; concurrency, choices, weights and
// the thinking quotas are ours (docs/decisions.md).
std::vector<Tier> default_tiers() {
  std::vector<Tier> tiers(5);
  Tier& async = tiers[0];
  async.name = "async";
  async.concurrent_requests = 4;
  async.thinking_budget_tokens = 4'096;
  async.thinking_tokens_per_day = 200'000;

  Tier& lite = tiers[1];
  lite.name = "lite";
  lite.weight = 2;
  lite.requests_per_minute = 50;
  lite.burst_requests_per_minute = 100;
  lite.concurrent_requests = 8;
  lite.thinking_budget_tokens = 4'096;
  lite.thinking_tokens_per_day = 200'000;

  Tier& pro = tiers[2];
  pro.name = "pro";
  pro.weight = 4;
  pro.requests_per_minute = 200;
  pro.burst_requests_per_minute = 400;
  pro.concurrent_requests = 32;
  pro.thinking_budget_tokens = 16'384;
  pro.thinking_tokens_per_day = 2'000'000;

  Tier& scale = tiers[3];
  scale.name = "scale";
  scale.weight = 8;
  scale.requests_per_minute = 500;
  scale.burst_requests_per_minute = 700;
  scale.concurrent_requests = 64;
  scale.max_context_tokens = k128k;
  scale.thinking_budget_tokens = 32'768;
  scale.thinking_tokens_per_day = 10'000'000;

  Tier& enterprise = tiers[4];
  enterprise.name = "enterprise";
  enterprise.weight = 16;
  enterprise.requests_per_minute = 5'000;
  enterprise.burst_requests_per_minute = 5'000;
  enterprise.concurrent_requests = 256;
  enterprise.max_context_tokens = k256k;
  return tiers;
}

const Tier* find_tier(std::span<const Tier> tiers, std::string_view name) {
  for (const Tier& tier : tiers)
    if (tier.name == name) return &tier;
  return nullptr;
}

}  // namespace tessera::access
