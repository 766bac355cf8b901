// JSON numbers without floating point: compared as decimals, and bounds and multiples as integers
// in units of 10^-17. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::grammar {

__extension__ using Int128 = __int128;

// A constrained number has at most so many digits before and behind its point. Bounds beyond that
// are as good as none.
inline constexpr int kIntegerDigits = 20;
inline constexpr int kFractionDigits = 17;
// 10^exponent, 0 <= exponent <= 37.
Int128 power_of_ten(int exponent);
// One, and the bound that no constrained number reaches.
inline Int128 scaled_one() {
  return power_of_ten(kFractionDigits);
}
inline Int128 scaled_limit() {
  return power_of_ten(kIntegerDigits + kFractionDigits);
}

// sign · 0.digits · 10^exponent, digits without zeros at either end; zero has no digits.
struct Decimal {
  bool negative = false;
  std::string digits;
  std::int64_t exponent = 0;
  bool operator==(const Decimal&) const = default;
};
// `text` is a JSON number.
Decimal parse_decimal(std::string_view text);
bool is_integer(const Decimal& value);

struct Scaled {
  Int128 floor = 0;    // clamped to ±scaled_limit()
  bool exact = false;  // floor is the number itself
};
Scaled scale(const Decimal& value);

// The smallest multiple of `step` (> 0) that is not below `low`.
Int128 next_multiple(Int128 low, Int128 step);
// Whether [low, high] has a multiple of `step` that is no multiple of any of `but`. Some tens of
// candidates are looked at: where all of them are out, the answer is no.
bool has_multiple(Int128 low, Int128 high, Int128 step, const std::vector<Int128>& but);

}  // namespace tessera::grammar
