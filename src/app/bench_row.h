// One measured figure, as every bench prints it: a line of a table, or a JSON object a line, which
// bench/run.py stamps with commit and machine and keeps under bench/results/.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace tessera::app {

// Of none: 0. `share` 0.5: the median.
inline double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values[std::min(at, values.size() - 1)];
}

struct Row {
  std::string what;              // with the settings, what tells rows of a bench apart
  json::Object settings;         // depth, streams, threads
  std::vector<double> samples;   // of `unit`; a figure that is one already is the only one
  std::string unit;              // tokens/s, GB/s, ms, x
  std::string_view roof_name{};  // what the machine gives at most, measured beside it
  double roof = 0;               // of `roof_unit`; 0: none
  std::string_view roof_unit{};
  double percent_of_roof = 0;   // in what the roof counts
  std::string bar{};            // the goal: "<= 3" or ">= 300"; empty: none
  bool bar_is_percent = false;  // of the roof, not of the unit
};

inline bool meets_bar(const Row& row) {
  const double value = row.bar_is_percent ? row.percent_of_roof : quantile(row.samples, 0.5);
  const double limit = std::strtod(row.bar.c_str() + 2, nullptr);
  return row.bar.starts_with("<=") ? value <= limit : value >= limit;
}

inline std::string settings_text(const json::Object& settings) {
  std::string text;
  for (const auto& [name, value] : settings) {
    const std::string* const word = value.if_string();
    text += fmt::format(" {}={}", name, word != nullptr ? *word : json::to_text(value));
  }
  return text;
}

// `common`: settings that all rows of a run share, which a table tells once. p10 and p90 say how
// far the samples spread.
inline void print_row(std::string_view bench, const Row& row, bool as_json,
                      const json::Object& common = {}) {
  const double median = quantile(row.samples, 0.5);
  if (as_json) {
    json::Object out;
    out.set("bench", std::string(bench));
    out.set("what", row.what);
    json::Object settings = common;
    for (const auto& [name, value] : row.settings) settings.set(name, value);
    out.set("settings", std::move(settings));
    out.set("unit", row.unit);
    out.set("median", median);
    out.set("p10", quantile(row.samples, 0.1));
    out.set("p90", quantile(row.samples, 0.9));
    out.set("samples", static_cast<std::int64_t>(row.samples.size()));
    if (row.roof > 0) {
      out.set("roof_name", std::string(row.roof_name));
      out.set("roof", row.roof);
      out.set("roof_unit", std::string(row.roof_unit));
      out.set("percent_of_roof", row.percent_of_roof);
    }
    if (!row.bar.empty()) {
      out.set("bar", row.bar + (row.bar_is_percent ? " %" : ""));
      out.set("met", meets_bar(row));
    }
    fmt::print("{}\n", json::to_text(std::move(out)));
  } else {
    std::string beside;
    if (row.roof > 0)
      beside = fmt::format("{:5.1f} % of {} {:.4g} {}", row.percent_of_roof, row.roof_name,
                           row.roof, row.roof_unit);
    if (!row.bar.empty())
      beside += fmt::format("  bar {}{}: {}", row.bar, row.bar_is_percent ? " %" : "",
                            meets_bar(row) ? "met" : "MISSED");
    fmt::print("{:<44} {:>10.4g} {:<9} [{:.4g} .. {:.4g}]  {}\n",
               row.what + settings_text(row.settings), median, row.unit, quantile(row.samples, 0.1),
               quantile(row.samples, 0.9), beside);
  }
  std::fflush(stdout);
}

}  // namespace tessera::app
