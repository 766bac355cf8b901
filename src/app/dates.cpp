#include "app/dates.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <optional>

namespace tessera::app {
namespace {

constexpr std::int64_t kLongest = 3653 * kSecondsOfDay;

// Digits alone: no sign, no space.
std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty() || text.size() > 9) return std::nullopt;
  for (const char c : text)
    if (c < '0' || c > '9') return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<std::int64_t> seconds_of(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return kSecondsOfDay;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<std::int64_t> parse_duration(std::string_view text) {
  const auto number = text.empty() ? std::nullopt : parse_number(text.substr(0, text.size() - 1));
  const auto unit = text.empty() ? std::nullopt : seconds_of(text.back());
  if (!number || !unit)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is no duration like 45s, 10m, 2h or 30d", text));
  if (*number > kLongest / *unit)
    return fail(ErrorCode::kOutOfRange, fmt::format("'{}' is longer than ten years", text));
  return *number * *unit;
}

Result<std::int64_t> parse_date(std::string_view text) {
  const bool form = text.size() == 10 && text[4] == '-' && text[7] == '-';
  const auto year = form ? parse_number(text.substr(0, 4)) : std::nullopt;
  const auto month = form ? parse_number(text.substr(5, 2)) : std::nullopt;
  const auto day = form ? parse_number(text.substr(8, 2)) : std::nullopt;
  if (!year || !month || !day)
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is no date like 2026-11-22", text));
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok())
    return fail(ErrorCode::kInvalidArgument, fmt::format("there is no day '{}'", text));
  return std::chrono::sys_days(date).time_since_epoch().count() * kSecondsOfDay;
}

Result<std::int64_t> parse_moment(std::string_view text, std::int64_t now) {
  if (text.find('-') != std::string_view::npos) return parse_date(text);
  const Result<std::int64_t> duration = parse_duration(text);
  if (duration) return now + *duration;
  const bool malformed = duration.error().code == ErrorCode::kInvalidArgument;
  return fail(duration.error().code,
              duration.error().message + (malformed ? ", and no date like 2027-01-31" : ""));
}

std::string format_date(std::int64_t unix_seconds) {
  return format_time(unix_seconds).substr(0, 10);
}

std::string format_time(std::int64_t unix_seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace tessera::app
