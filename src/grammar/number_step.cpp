// Stepper: numbers. A bounded number is read digit by digit; at each the numbers that it can still
// become are intervals (one for every count of digits to come), and one of them has to hold a
// multiple within the bounds. Exact, in integers.
#include <algorithm>
#include <optional>

#include "grammar/cost.h"
#include "grammar/stepper.h"

namespace tessera::grammar {
namespace {

// Thread::part. Thread::space is 1 behind a minus.
enum Part : std::uint8_t {
  kMinus,
  kZero,
  kInteger,
  kPoint,
  kFraction,
  kExponent,
  kExponentSign,
  kExponentDigits,
};

// Of a number without bounds.
constexpr std::uint8_t kMaxDigits = 100;
constexpr std::uint8_t kMaxExponentDigits = 2;

bool is_digit(std::uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

// Whether a multiple lies in [low, high] and its bounds.
bool holds(const NumberAlt& alt, bool negative, Int128 low, Int128 high) {
  const Int128 a = std::max(alt.low, negative ? -high : low);
  const Int128 b = std::min(alt.high, negative ? -low : high);
  return a <= b && has_multiple(a, b, alt.multiple, alt.no_multiple_of);
}

}  // namespace

void Stepper::begin_number(Thread thread, std::uint8_t byte) {
  if (byte != '-' && !is_digit(byte)) return;
  thread.phase = Phase::kNumber;
  thread.part = byte == '-' ? kMinus : byte == '0' ? kZero : kInteger;
  thread.space = byte == '-';
  thread.state = 0;
  if (byte != '-') {
    thread.digits = 1;
    thread.number = g_.numbers[thread.alt].bounded ? byte - '0' : 0;
  }
  if (number_lives(thread)) emit(thread);
}

bool Stepper::number_complete(const Thread& thread) const {
  const bool end = thread.part == kZero || thread.part == kInteger || thread.part == kFraction ||
                   thread.part == kExponentDigits;
  const NumberAlt& alt = g_.numbers[thread.alt];
  if (!end || !alt.bounded) return end;
  const Int128 value =
      thread.number * power_of_ten(kFractionDigits - static_cast<int>(thread.extra));
  return holds(alt, thread.space == 1, value, value);
}

bool Stepper::number_lives(const Thread& thread) const {
  return number_in_bounds(thread) &&
         (looks_ahead_ || !m_.in_item(thread) || number_can_differ(thread));
}

bool Stepper::number_in_bounds(const Thread& thread) const {
  const NumberAlt& alt = g_.numbers[thread.alt];
  if (!alt.bounded) return true;
  const bool negative = thread.space == 1;
  const Int128 one = scaled_one();
  if (thread.part == kMinus) return holds(alt, negative, 0, scaled_limit() - 1);
  if (thread.part == kZero) return holds(alt, negative, 0, alt.integer ? 0 : one - 1);
  if (thread.part == kInteger) {
    Int128 unit = one;
    for (int more = 0; more + thread.digits <= kIntegerDigits; ++more, unit *= 10) {
      if (holds(alt, negative, thread.number * unit, (thread.number + 1) * unit - 1)) return true;
    }
    return false;
  }
  const Int128 unit = power_of_ten(kFractionDigits - static_cast<int>(thread.extra));
  return holds(alt, negative, thread.number * unit, (thread.number + 1) * unit - 1);
}

// A digit too small to be kept: where all that it can make of the number is within the bounds.
void Stepper::step_beyond(Thread thread) {
  const NumberAlt& alt = g_.numbers[thread.alt];
  if (!alt.bounded || alt.multiple != 1 || !alt.no_multiple_of.empty()) return;
  if (thread.digits >= kMaxDigits) return;
  ++thread.digits;
  const bool negative = thread.space == 1;
  const Int128 next = thread.number + 1;
  const bool inside =
      holds(alt, negative, thread.number, thread.number) && holds(alt, negative, next, next);
  if (inside) emit(thread);
}

std::string Stepper::rest_of_number(const Thread& thread) const {
  if (number_complete(thread)) return {};
  const NumberAlt& alt = g_.numbers[thread.alt];
  if (!alt.bounded) return "0";
  const bool negative = thread.space == 1;
  const std::size_t read =
      thread.space + thread.digits + (thread.part >= kPoint ? 1u : 0u) + thread.extra;
  const Int128 one = scaled_one();
  std::optional<std::string> best;
  const auto offer = [&](Int128 low, Int128 high, int fraction) {
    const auto text = short_number(alt, negative, low, high, fraction);
    if (text && (!best || text->size() < best->size())) best = text;
  };
  if (thread.part == kMinus) offer(0, scaled_limit() - 1, 0);
  if (thread.part == kZero) offer(0, one - 1, 0);
  if (thread.part == kInteger) {
    Int128 unit = one;
    for (int more = 0; more + thread.digits <= kIntegerDigits; ++more, unit *= 10) {
      if (best && best->size() <= read + static_cast<std::size_t>(more)) break;
      offer(thread.number * unit, (thread.number + 1) * unit - 1, 0);
    }
  }
  if (thread.part == kPoint || thread.part == kFraction) {
    const auto fraction = static_cast<int>(thread.extra);
    const Int128 unit = power_of_ten(kFractionDigits - fraction);
    offer(thread.number * unit, (thread.number + 1) * unit - 1, std::max(1, fraction));
  }
  return best && best->size() > read ? best->substr(read) : std::string();
}

void Stepper::step_number(Thread thread, std::uint8_t byte) {
  const NumberAlt& alt = g_.numbers[thread.alt];
  const auto digit = [&] {
    if (alt.bounded) thread.number = thread.number * 10 + (byte - '0');
    if (number_lives(thread)) emit(thread);
  };
  const bool point = byte == '.' && !alt.integer;
  const bool exponent = (byte | 32) == 'e' && !alt.integer && !alt.bounded;
  switch (thread.part) {
    case kMinus:
      if (!is_digit(byte)) return;
      thread.part = byte == '0' ? kZero : kInteger;
      thread.digits = 1;
      return digit();
    case kZero:
    case kInteger:
      if (is_digit(byte)) {
        if (thread.part == kZero) return;
        if (thread.digits >= (alt.bounded ? kIntegerDigits : kMaxDigits)) return;
        ++thread.digits;
        return digit();
      }
      if (point) {
        thread.part = kPoint;
        if (number_lives(thread)) emit(thread);
        return;
      }
      break;
    case kPoint:
    case kFraction:
      if (is_digit(byte)) {
        const std::uint32_t most = alt.bounded ? kFractionDigits : kMaxDigits;
        if (thread.extra >= most) return step_beyond(thread);
        thread.part = kFraction;
        ++thread.extra;
        return digit();
      }
      if (thread.part == kPoint) return;
      break;
    case kExponent:
    case kExponentSign:
      if (!is_digit(byte) && (thread.part == kExponentSign || (byte != '+' && byte != '-'))) return;
      thread.part = is_digit(byte) ? kExponentDigits : kExponentSign;
      thread.digits = is_digit(byte) ? 1 : 0;
      return emit(thread);
    case kExponentDigits:
      if (is_digit(byte)) {
        if (thread.digits >= kMaxExponentDigits) return;
        ++thread.digits;
        return emit(thread);
      }
      break;
    default:
      return;
  }
  if (exponent && thread.part != kExponentDigits) {
    thread.part = kExponent;
    thread.digits = 0;
    thread.extra = 0;
    return emit(thread);
  }
  if (looks_ahead_ || !number_complete(thread) || frame(thread.top).kind == FrameKind::kBottom)
    return;
  // The number ends in front of this byte.
  Machine::Threads behind;
  Stepper ended(m_, behind);
  m_.in_item(thread) ? ended.end_item_number(thread) : ended.end_value(thread);
  for (Thread& next : behind) step_byte(next, byte);
}

}  // namespace tessera::grammar
