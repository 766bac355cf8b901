#include "grammar/decimal.h"

#include <algorithm>

namespace tessera::grammar {

Int128 power_of_ten(int exponent) {
  Int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

Decimal parse_decimal(std::string_view text) {
  Decimal out;
  std::size_t at = 0;
  if (at < text.size() && text[at] == '-') {
    out.negative = true;
    ++at;
  }
  bool behind_point = false;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      behind_point = true;
      continue;
    }
    if (!behind_point) ++out.exponent;
    out.digits += text[at];
  }
  if (at < text.size()) {
    std::int64_t exponent = 0;
    ++at;
    const bool negative = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    for (; at < text.size(); ++at) {
      exponent = std::min<std::int64_t>(exponent * 10 + (text[at] - '0'), 1'000'000'000);
    }
    out.exponent += negative ? -exponent : exponent;
  }
  const std::size_t first = out.digits.find_first_not_of('0');
  if (first == std::string::npos) return Decimal{};
  out.exponent -= static_cast<std::int64_t>(first);
  out.digits.erase(0, first);
  out.digits.erase(out.digits.find_last_not_of('0') + 1);
  return out;
}

bool is_integer(const Decimal& value) {
  return value.digits.empty() || value.exponent >= static_cast<std::int64_t>(value.digits.size());
}

Scaled scale(const Decimal& value) {
  if (value.digits.empty()) return {0, true};
  if (value.exponent > kIntegerDigits) {
    return {value.negative ? -scaled_limit() : scaled_limit(), false};
  }
  const std::int64_t places = value.exponent + kFractionDigits;
  Int128 magnitude = 0;
  for (std::int64_t i = 0; i < places; ++i) {
    const auto at = static_cast<std::size_t>(i);
    magnitude = magnitude * 10 + (at < value.digits.size() ? value.digits[at] - '0' : 0);
  }
  const bool exact = places >= static_cast<std::int64_t>(value.digits.size());
  if (!value.negative) return {magnitude, exact};
  return {exact ? -magnitude : -magnitude - 1, exact};
}

Int128 next_multiple(Int128 low, Int128 step) {
  Int128 quotient = low / step;
  if (quotient * step < low) ++quotient;
  return quotient * step;
}

bool has_multiple(Int128 low, Int128 high, Int128 step, const std::vector<Int128>& but) {
  constexpr int kCandidates = 64;
  Int128 value = next_multiple(low, step);
  for (int i = 0; i < kCandidates && value <= high; ++i, value += step) {
    const bool out =
        std::any_of(but.begin(), but.end(), [&](Int128 other) { return value % other == 0; });
    if (!out) return true;
  }
  return false;
}

}  // namespace tessera::grammar
