#include "grammar/text_reader.h"

namespace tessera::grammar {
namespace {

constexpr std::uint32_t kHighBegin = 0xD800;
constexpr std::uint32_t kLowBegin = 0xDC00;
constexpr std::uint32_t kLowEnd = 0xDFFF;

std::uint32_t supplementary(std::uint32_t high, std::uint32_t low) {
  return 0x10000 + ((high - kHighBegin) << 10) + (low - kLowBegin);
}

int hex_value(std::uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int lower = byte | 32;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

TextReader::Range TextReader::range(const At& at) {
  switch (at.part) {
    case Part::kUtf8: {
      const std::uint32_t open = 6u * at.more;
      return {std::max(at.value << open, at.first),
              std::min(at.value << open | ((1u << open) - 1), kMaxCodePoint)};
    }
    case Part::kBackslash:
      return {0, kMaxCodePoint};
    case Part::kHex: {
      const std::uint32_t open = 4u * at.more;
      return {at.value << open, at.value << open | ((1u << open) - 1)};
    }
    default:
      return {1, 0};
  }
}

TextReader::Range TextReader::pair_range(const At& at) {
  switch (at.part) {
    case Part::kHex: {
      const auto [low, high] = range(at);
      const std::uint32_t a = std::max(low, kHighBegin);
      const std::uint32_t b = std::min(high, kLowBegin - 1);
      if (a > b) return {1, 0};
      return {supplementary(a, kLowBegin), supplementary(b, kLowEnd)};
    }
    case Part::kHighHalf:
    case Part::kHighSlash:
      return {supplementary(at.first, kLowBegin), supplementary(at.first, kLowEnd)};
    case Part::kLowHex: {
      const std::uint32_t open = 4u * at.more;
      const std::uint32_t a = std::max(at.value << open, kLowBegin);
      const std::uint32_t b = std::min(at.value << open | ((1u << open) - 1), kLowEnd);
      if (a > b) return {1, 0};
      return {supplementary(at.first, a), supplementary(at.first, b)};
    }
    default:
      return {1, 0};
  }
}

bool TextReader::step_inside(At& at, std::uint8_t byte) const {
  switch (at.part) {
    case Part::kWhole:
    case Part::kUtf8:
      return step_utf8(at, byte);
    case Part::kBackslash:
      return step_escape(at, byte);
    case Part::kHighHalf:
      at.part = Part::kHighSlash;
      return byte == '\\';
    case Part::kHighSlash:
      at.part = Part::kLowHex;
      at.more = 4;
      at.value = 0;
      return byte == 'u';
    default:
      return step_hex(at, byte);
  }
}

bool TextReader::step_utf8(At& at, std::uint8_t byte) const {
  if (at.part == Part::kWhole) {
    at.part = Part::kUtf8;
    if (byte >= 0xC2 && byte <= 0xDF) {
      at.more = 1;
      at.first = 0x80;
      at.value = byte & 0x1Fu;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      at.more = 2;
      at.first = 0x800;
      at.value = byte & 0x0Fu;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      at.more = 3;
      at.first = 0x10000;
      at.value = byte & 0x07u;
    } else {
      return false;
    }
  } else {
    if ((byte & 0xC0) != 0x80) return false;
    --at.more;
    at.value = at.value << 6 | (byte & 0x3Fu);
    if (at.more == 0) {
      const std::uint32_t c = at.value;
      const bool valid = c >= at.first && c <= kMaxCodePoint && (c < kHighBegin || c > kLowEnd);
      return valid && read_whole(at, c);
    }
  }
  return may_become(at);
}

bool TextReader::step_escape(At& at, std::uint8_t byte) const {
  switch (byte) {
    case '"':
    case '\\':
    case '/':
      return read_whole(at, byte);
    case 'b':
      return read_whole(at, '\b');
    case 'f':
      return read_whole(at, '\f');
    case 'n':
      return read_whole(at, '\n');
    case 'r':
      return read_whole(at, '\r');
    case 't':
      return read_whole(at, '\t');
    case 'u':
      at.part = Part::kHex;
      at.more = 4;
      at.value = 0;
      return true;
    default:
      return false;
  }
}

bool TextReader::step_hex(At& at, std::uint8_t byte) const {
  const int digit = hex_value(byte);
  if (digit < 0) return false;
  at.value = at.value * 16 + static_cast<std::uint32_t>(digit);
  --at.more;
  if (at.more != 0) return may_become(at);
  const std::uint32_t c = at.value;
  if (at.part == Part::kLowHex) {
    return c >= kLowBegin && c <= kLowEnd && read_whole(at, supplementary(at.first, c));
  }
  if (c < kHighBegin || c > kLowEnd) return read_whole(at, c);
  if (c >= kLowBegin) return false;
  at.part = Part::kHighHalf;
  at.first = c;
  return may_become(at);
}

}  // namespace tessera::grammar
