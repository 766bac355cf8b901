// Tiers: what one account may do, as a small table. The product's values are the default; the
// operator's file changes single cells (docs/tiers.md). Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tessera::access {

// Absent limits: none.
struct Tier {
  std::string name;  // "pro"
  // Sustained, over a rolling window of 60 s.
  std::optional<std::int32_t> requests_per_minute;
  // In a burst minute. At most `burst_minutes_per_hour` of them begin in a rolling hour.
  std::optional<std::int32_t> burst_requests_per_minute;
  std::int32_t burst_minutes_per_hour = 5;
  std::optional<std::int32_t> concurrent_requests;
  std::int32_t context_tokens = 32'768;      // prompt and answer, unless the account says otherwise
  std::int32_t max_context_tokens = 32'768;  // what an account may be given at most
  std::int32_t max_choices = 8;              // n
  std::int32_t weight = 1;                   // of its tokens of service beside other accounts'
  std::optional<std::int32_t> thinking_budget_tokens;   // reasoning of one choice
  std::optional<std::int64_t> thinking_tokens_per_day;  // reasoning of the account, rolling 24 h

  bool operator==(const Tier&) const = default;
};

// The product's table, smallest first: async, lite, pro, scale, enterprise.
std::vector<Tier> default_tiers();

// The product's table with the cells of a TOML file over it:
//
//   [tier.pro]
//   requests_per_minute = 200
//   thinking_tokens_per_day = "unlimited"
//
// A tier that the table does not have is added; of it requests_per_minute must be given, and what
// is not given is as in Tier, without a burst. An empty path: the product's table. As
// read_small_file(), or kInvalidArgument with file, line and column.
Result<std::vector<Tier>> load_tiers(const std::string& path);

// Null: no such tier.
const Tier* find_tier(std::span<const Tier> tiers, std::string_view name);

}  // namespace tessera::access
