// load_tiers() of tier.h: the operator's TOML over the product's table. Each cell is one row of
// kCells; everything else in the file is refused with its place.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <toml++/toml.h>

#include "access/tier.h"
#include "base/regular_file.h"

namespace tessera::access {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxContext = 1 << 24;

// `set` takes nothing for "unlimited", which only cells with `optional` allow.
struct Cell {
  std::string_view name;
  std::int64_t min;
  std::int64_t max;
  bool optional;
  void (*set)(Tier& tier, std::optional<std::int64_t> value);
};

template <std::int32_t Tier::* member>
void set_number(Tier& tier, std::optional<std::int64_t> value) {
  tier.*member = static_cast<std::int32_t>(value.value_or(0));
}
template <std::optional<std::int32_t> Tier::* member>
void set_limit(Tier& tier, std::optional<std::int64_t> value) {
  tier.*member = value ? std::optional(static_cast<std::int32_t>(*value)) : std::nullopt;
}

// A tier that may make no request at all is a disabled account, hence at least 1.
constexpr Cell kCells[] = {
    {"requests_per_minute", 1, kMaxInt32, true, set_limit<&Tier::requests_per_minute>},
    {"burst_requests_per_minute", 1, kMaxInt32, true, set_limit<&Tier::burst_requests_per_minute>},
    {"burst_minutes_per_hour", 0, 60, false, set_number<&Tier::burst_minutes_per_hour>},
    {"concurrent_requests", 1, kMaxInt32, true, set_limit<&Tier::concurrent_requests>},
    {"context_tokens", 1, kMaxContext, false, set_number<&Tier::context_tokens>},
    {"max_context_tokens", 1, kMaxContext, false, set_number<&Tier::max_context_tokens>},
    {"max_choices", 1, 128, false, set_number<&Tier::max_choices>},
    {"weight", 1, 1000, false, set_number<&Tier::weight>},
    {"thinking_budget_tokens", 0, kMaxInt32, true, set_limit<&Tier::thinking_budget_tokens>},
    {"thinking_tokens_per_day", 0, kMaxInt64, true,
     [](Tier& tier, std::optional<std::int64_t> value) { tier.thinking_tokens_per_day = value; }},
};

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  Result<void> read_file(const toml::table& root, std::vector<Tier>& tiers) {
    for (const auto& [key, node] : root) {
      if (key.str() != "tier")
        return no(key.source(), fmt::format("unknown key '{}'; expected [tier.NAME]", key.str()));
      const toml::table* all = node.as_table();
      if (all == nullptr) return no(node.source(), "'tier' must be a table: [tier.NAME]");
      for (const auto& [name, cells] : *all) TRY(read_tier(name, cells, tiers));
    }
    return {};
  }

 private:
  Unexpected<Error> no(const toml::source_region& where, std::string_view what) const {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}, line {}, column {}: {}", path_, where.begin.line,
                            where.begin.column, what));
  }

  Result<void> read_tier(const toml::key& name, const toml::node& node, std::vector<Tier>& tiers) {
    const auto allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    if (name.str().empty() || name.str().size() > 64 ||
        !std::all_of(name.str().begin(), name.str().end(), allowed))
      return no(name.source(), "a tier's name is 1 to 64 of a-z, 0-9, '_' and '-'");
    const toml::table* cells = node.as_table();
    if (cells == nullptr)
      return no(node.source(), fmt::format("'tier.{}' must be a table", name.str()));

    Tier tier;
    tier.name = name.str();
    const Tier* known = find_tier(tiers, tier.name);
    if (known != nullptr) tier = *known;
    const bool had_rate = tier.requests_per_minute.has_value();
    for (const auto& [key, value] : *cells) TRY(read_cell(key, value, tier));
    if (known == nullptr && !cells->contains("requests_per_minute"))
      return no(
          name.source(),
          fmt::format("the new tier '{}' needs requests_per_minute (or \"unlimited\")", tier.name));
    // Where there was no rate there is no burst to keep.
    if (!had_rate && !cells->contains("burst_requests_per_minute"))
      tier.burst_requests_per_minute = tier.requests_per_minute;
    TRY(check(name, tier));
    if (known == nullptr) {
      tiers.push_back(tier);
    } else {
      *std::find_if(tiers.begin(), tiers.end(),
                    [&](const Tier& each) { return each.name == tier.name; }) = tier;
    }
    return {};
  }

  Result<void> read_cell(const toml::key& key, const toml::node& value, Tier& tier) {
    const auto* const cell = std::find_if(std::begin(kCells), std::end(kCells),
                                          [&](const Cell& each) { return each.name == key.str(); });
    if (cell == std::end(kCells)) {
      std::vector<std::string_view> names;
      for (const Cell& each : kCells) names.push_back(each.name);
      return no(key.source(),
                fmt::format("unknown key '{}'; a tier has {}", key.str(), fmt::join(names, ", ")));
    }
    if (const auto* text = value.as_string();
        cell->optional && text && text->get() == "unlimited") {
      cell->set(tier, std::nullopt);
      return {};
    }
    const auto* number = value.as_integer();
    if (number == nullptr || number->get() < cell->min || number->get() > cell->max) {
      return no(value.source(),
                fmt::format("{} must be an integer from {} to {}{}", cell->name, cell->min,
                            cell->max, cell->optional ? ", or \"unlimited\"" : ""));
    }
    cell->set(tier, number->get());
    return {};
  }

  Result<void> check(const toml::key& name, const Tier& tier) const {
    if (tier.requests_per_minute && tier.burst_requests_per_minute &&
        *tier.burst_requests_per_minute < *tier.requests_per_minute) {
      return no(name.source(),
                fmt::format("tier '{}': burst_requests_per_minute ({}) is below "
                            "requests_per_minute ({}); give both",
                            tier.name, *tier.burst_requests_per_minute, *tier.requests_per_minute));
    }
    if (tier.context_tokens > tier.max_context_tokens) {
      return no(name.source(),
                fmt::format("tier '{}': context_tokens ({}) is over max_context_tokens ({})",
                            tier.name, tier.context_tokens, tier.max_context_tokens));
    }
    return {};
  }

  const std::string path_;
};

}  // namespace

Result<std::vector<Tier>> load_tiers(const std::string& path) {
  std::vector<Tier> tiers = default_tiers();
  if (path.empty()) return tiers;
  TRY_ASSIGN(const std::string text, read_small_file(path, kMaxFileBytes));
  try {  // the library's own errors are exceptions; they end here
    TRY(Reader(path).read_file(toml::parse(text), tiers));
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}, line {}, column {}: {}", path, error.source().begin.line,
                            error.source().begin.column, error.description()));
  }
  return tiers;
}

}  // namespace tessera::access
