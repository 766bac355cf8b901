// Stepper: strings, keys and raw texts. A character comes as UTF-8 or as an escape; while it is
// read, `low` and `high` are what it can still become.
#include <algorithm>
#include <iterator>
#include <utility>

#include "grammar/stepper.h"

namespace tessera::grammar {
namespace {

constexpr std::uint32_t kHighBegin = 0xD800;
constexpr std::uint32_t kLowBegin = 0xDC00;
constexpr std::uint32_t kLowEnd = 0xDFFF;

int hex_value(std::uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const auto lower = byte | 32;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::uint32_t supplementary(std::uint32_t high, std::uint32_t low) {
  return 0x10000 + ((high - kHighBegin) << 10) + (low - kLowBegin);
}

}  // namespace

const LanguagePtr& Machine::region_language(const Thread& thread) const {
  const Frame& at = arena_[thread.top];
  if (at.kind == FrameKind::kArray || is_item_string(thread))
    return grammar_->strings[thread.alt].language;
  return grammar_->objects[at.alt].regions[thread.alt].language;
}

const Language& Stepper::region_language(const Thread& thread) const {
  return *m_.region_language(thread);
}

bool Stepper::can_read(const Thread& thread, std::uint32_t low, std::uint32_t high) const {
  switch (thread.phase) {
    case Phase::kString:
    case Phase::kRaw:
    case Phase::kFreeName: {
      const StringAlt& string = g_.strings[thread.alt];
      if (thread.count >= string.max) return false;
      if (string.language->is_any()) return low < kHighBegin || high > kLowEnd;
      const std::uint32_t left =
          string.max == kUnbounded ? kUnbounded - 1 : string.max - thread.count - 1;
      return string.language->can_step_within(thread.state, low, high, left);
    }
    case Phase::kRuleText:
      return g_.strings[thread.alt].language->can_step(thread.state, low, high);
    case Phase::kKey: {
      const Frame& at = frame(thread.top);
      const KeyTrie& trie = g_.objects[at.alt].trie;
      for (const auto& [symbol, to] : trie.node(thread.state).edges) {
        if (symbol >= low && symbol <= high && reaches(at, to)) return true;
      }
      return false;
    }
    default:
      return can_read_free_key(thread, low, high);
  }
}

bool Stepper::free_key_lives(const Thread& thread, Language::State state, std::uint32_t trie_node,
                             std::uint32_t characters) const {
  if (state == Language::kDead) return false;
  if (is_item_string(thread)) return item_text_lives(thread, state, characters);
  const std::uint32_t left = region_language(thread).completions(state);
  if (left == kUnbounded) return true;
  const Frame& at = frame(thread.top);
  std::uint64_t taken = used_below(at, characters);
  if (trie_node != kNone) {
    const auto& node = g_.objects[at.alt].trie.node(trie_node);
    taken += node.names_below;
  }
  return left > taken;
}

bool Stepper::can_escape(const Thread& thread, std::uint32_t low, std::uint32_t high) const {
  if (thread.phase != Phase::kKey) return can_read(thread, low, high);
  constexpr std::pair<std::uint32_t, std::uint32_t> kEscaped[] = {
      {0, 0x1F}, {'"', '"'}, {'\\', '\\'}, {0x7F, kMaxCodePoint}};
  return std::any_of(std::begin(kEscaped), std::end(kEscaped), [&](const auto& range) {
    const std::uint32_t a = std::max(low, range.first);
    const std::uint32_t b = std::min(high, range.second);
    return a <= b && can_read(thread, a, b);
  });
}

bool Stepper::can_read_free_key(const Thread& thread, std::uint32_t low, std::uint32_t high) const {
  const Language& language = region_language(thread);
  if (!language.can_step(thread.state, low, high)) return false;
  if (language.is_endless()) return true;
  // Near the end of a finite tail each character has to be looked at: few are taken, so that one
  // that is free comes soon.
  const std::size_t mark = m_.mark();
  bool lives = false;
  for (std::uint32_t c = low; c <= high && !lives; ++c) {
    if (c >= kHighBegin && c <= kLowEnd) continue;
    const Language::State to = language.next(thread.state, c);
    if (to == Language::kDead) {
      c = language.last_like(c);
      continue;
    }
    if (language.completions(to) == kUnbounded) {
      lives = true;
      continue;
    }
    Stepper& self = const_cast<Stepper&>(*this);
    const std::uint32_t characters = self.push_character(thread.extra, c);
    lives = free_key_lives(thread, to, next_name(thread, c), characters);
    m_.release(mark);
  }
  return lives;
}

std::uint32_t Stepper::next_name(const Thread& thread, std::uint32_t code_point) const {
  if (thread.count == kNone) return kNone;
  return g_.objects[frame(thread.top).alt].trie.next(thread.count, code_point);
}

std::uint32_t Stepper::push_character(std::uint32_t characters, std::uint32_t code_point) {
  Frame character;
  character.kind = FrameKind::kCharacter;
  character.parent = characters;
  character.depth = frame(characters).depth + 1;
  character.alt = code_point;
  return push(character);
}

void Stepper::read(Thread thread, std::uint32_t code_point) {
  thread.part = kWhole;
  thread.digits = 0;
  thread.low = thread.high = 0;
  switch (thread.phase) {
    case Phase::kString:
    case Phase::kRaw:
    case Phase::kFreeName: {
      const StringAlt& string = g_.strings[thread.alt];
      if (thread.count >= string.max) return;
      thread.state = string.language->next(thread.state, code_point);
      if (string.max != kUnbounded || thread.count < string.min) ++thread.count;
      const std::uint32_t shortest = string.language->shortest(thread.state);
      if (thread.state == Language::kDead) return;
      if (string.max != kUnbounded && shortest > string.max - thread.count) return;
      return emit(thread);
    }
    case Phase::kRuleText:
      return read_rule_text(thread, code_point);
    case Phase::kKey:
      thread.state = g_.objects[frame(thread.top).alt].trie.next(thread.state, code_point);
      if (reaches(frame(thread.top), thread.state)) emit(thread);
      return;
    default: {
      thread.state = region_language(thread).next(thread.state, code_point);
      thread.count = next_name(thread, code_point);
      const std::size_t mark = m_.mark();
      thread.extra = push_character(thread.extra, code_point);
      if (!free_key_lives(thread, thread.state, thread.count, thread.extra)) {
        m_.release(mark);
        return;
      }
      return emit(thread);
    }
  }
}

void Stepper::end_text(Thread thread) {
  if (thread.phase == Phase::kKey) return end_key(thread);
  if (thread.phase == Phase::kFreeKey) return end_free_key(thread);
  const StringAlt& string = g_.strings[thread.alt];
  if (thread.count < string.min || !string.language->accepts(thread.state)) return;
  end_value(thread);
}

Thread Stepper::behind_name(const Thread& thread) {
  Thread behind;
  behind.top = thread.top;
  behind.phase = Phase::kFixed;
  behind.state = kNameEnd;
  behind.extra = thread.extra;
  return behind;
}

void Stepper::leave_text(Thread thread) {
  if (is_item_string(thread)) return leave_item_text(thread);
  if (thread.phase == Phase::kFreeKey) return leave_free_key(thread);
  if (thread.phase == Phase::kRuleText) return enter_rules(thread.top, thread.count);
  if (thread.phase == Phase::kFreeName) return emit(behind_name(thread));
  if (thread.phase != Phase::kRaw) return end_value(thread);
  const std::uint32_t top = thread.top;
  thread = Thread();
  thread.top = top;
  thread.phase = Phase::kFixed;
  thread.state = kParameterEnd;
  step_fixed(thread, '\n');
}

void Stepper::step_text(Thread thread, std::uint8_t byte) {
  switch (thread.part) {
    case kWhole:
      break;
    case kBackslash:
      return step_escape(thread, byte);
    case kUtf8:
      return step_utf8(thread, byte);
    default:
      return step_hex(thread, byte);
  }
  const bool raw = thread.phase == Phase::kRaw;
  if (raw && byte == '\n') {  // the end of the value, or a part of it
    const StringAlt& string = g_.strings[thread.alt];
    if (thread.count >= string.min && string.language->accepts(thread.state)) leave_text(thread);
  }
  if (byte >= 0x80) return begin_utf8(thread, byte);
  const bool name = thread.phase == Phase::kFreeName;
  if (name && byte == '>') {
    if (!g_.strings[thread.alt].language->accepts(thread.state)) return;
    return step_fixed(behind_name(thread), byte);
  }
  if (raw || name || thread.phase == Phase::kRuleText) return read(thread, byte);
  if (byte == '"') return end_text(thread);
  if (byte < 0x20) return;
  if (byte != '\\') return read(thread, byte);
  if (!can_escape(thread, 0, kMaxCodePoint)) return;
  thread.part = kBackslash;
  emit(thread);
}

void Stepper::step_escape(Thread thread, std::uint8_t byte) {
  switch (byte) {
    case '/':
      if (thread.phase == Phase::kKey) return;
      return read(thread, byte);
    case '"':
    case '\\':
      return read(thread, byte);
    case 'b':
      return read(thread, '\b');
    case 'f':
      return read(thread, '\f');
    case 'n':
      return read(thread, '\n');
    case 'r':
      return read(thread, '\r');
    case 't':
      return read(thread, '\t');
    case 'u':
      break;
    default:
      return;
  }
  thread.part = kHex;
  emit(thread);
}

void Stepper::step_hex(Thread thread, std::uint8_t byte) {
  if (thread.part == kHighHalf || thread.part == kHighSlash) {
    const char expected = thread.part == kHighHalf ? '\\' : 'u';
    if (byte != static_cast<std::uint8_t>(expected)) return;
    thread.part = thread.part == kHighHalf ? kHighSlash : kLowHex;
    return emit(thread);
  }
  const int digit = hex_value(byte);
  if (digit < 0) return;
  const bool second = thread.part == kLowHex;
  std::uint32_t& value = second ? thread.high : thread.low;
  value = value * 16 + static_cast<std::uint32_t>(digit);
  ++thread.digits;
  const std::uint32_t open = 4u * (4u - thread.digits);
  const std::uint32_t low = value << open;
  const std::uint32_t high = low | ((1u << open) - 1);
  if (second) {
    const std::uint32_t a = std::max(low, kLowBegin);
    const std::uint32_t b = std::min(high, kLowEnd);
    if (a > b) return;
    if (open == 0) return read(thread, supplementary(thread.low, value));
    if (can_read(thread, supplementary(thread.low, a), supplementary(thread.low, b))) emit(thread);
    return;
  }
  bool lives = can_escape(thread, low, high);
  if (open == 0 && (value < kHighBegin || value > kLowEnd)) {
    if (lives) read(thread, value);
    return;
  }
  const std::uint32_t a = std::max(low, kHighBegin);
  const std::uint32_t b = std::min(high, kLowBegin - 1);
  const bool pair =
      a <= b && can_read(thread, supplementary(a, kLowBegin), supplementary(b, kLowEnd));
  if (open == 0) {
    if (!pair) return;
    thread.part = kHighHalf;
    thread.digits = 0;
    lives = true;
  }
  if (lives || pair) emit(thread);
}

void Stepper::begin_utf8(Thread thread, std::uint8_t byte) {
  std::uint32_t bits = 0;
  std::uint32_t least = 0;
  if (byte >= 0xC2 && byte <= 0xDF) {
    thread.digits = 1;
    bits = byte & 0x1F;
  } else if (byte >= 0xE0 && byte <= 0xEF) {
    thread.digits = 2;
    bits = byte & 0x0F;
    least = 0x800;
  } else if (byte >= 0xF0 && byte <= 0xF4) {
    thread.digits = 3;
    bits = byte & 0x07;
    least = 0x10000;
  } else {
    return;
  }
  thread.part = kUtf8;
  const std::uint32_t open = 6u * thread.digits;
  thread.low = std::max(bits << open, least);
  thread.high = std::min((bits << open) | ((1u << open) - 1), kMaxCodePoint);
  if (thread.high >= kHighBegin && thread.high <= kLowEnd) thread.high = kHighBegin - 1;
  if (can_read(thread, thread.low, thread.high)) emit(thread);
}

void Stepper::step_utf8(Thread thread, std::uint8_t byte) {
  if ((byte & 0xC0) != 0x80) return;
  --thread.digits;
  const std::uint32_t open = 6u * thread.digits;
  // The bits above those of this byte are the same at both ends.
  const std::uint32_t above = thread.high >> (open + 6) << 6 | (byte & 0x3Fu);
  const std::uint32_t low = std::max(thread.low, above << open);
  const std::uint32_t high = std::min(thread.high, (above << open) | ((1u << open) - 1));
  if (low > high) return;
  if (open == 0) return read(thread, low);
  thread.low = low;
  thread.high = high;
  if (can_read(thread, low, high)) emit(thread);
}

}  // namespace tessera::grammar
