// Times as an operator writes and reads them. Days are UTC.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tessera::app {

inline constexpr std::int64_t kSecondsOfDay = 86'400;

// "45s", "10m", "2h", "30d" → seconds; at most ten years.
Result<std::int64_t> parse_duration(std::string_view text);
// "2026-11-22" → unix seconds of its first moment.
Result<std::int64_t> parse_date(std::string_view text);
// A date, or a duration from `now` on.
Result<std::int64_t> parse_moment(std::string_view text, std::int64_t now);

std::string format_date(std::int64_t unix_seconds);  // "2026-11-22"
std::string format_time(std::int64_t unix_seconds);  // "2026-11-22 19:30:00"

}  // namespace tessera::app
