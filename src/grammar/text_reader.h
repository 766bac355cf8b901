// Reads the bytes of a token inside a text, without the automaton's generality: one way to read it,
// no frames. What it lets through is what Stepper lets through (text_step.cpp), character by
// character, escapes and halves of characters included.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "grammar/language.h"
#include "grammar/text_mask.h"

namespace tessera::grammar {

class TextReader {
 public:
  enum class Part : std::uint8_t {
    kWhole,      // between characters
    kUtf8,       // `more` bytes of `value` to come
    kBackslash,  // behind one
    kHex,        // behind \u, `more` digits of `value` to come
    kHighHalf,   // behind the high surrogate `first`: a backslash must come
    kHighSlash,  // then a u
    kLowHex,     // then `more` digits
  };
  // Some bytes behind the place.
  struct At {
    Language::State state;
    std::uint32_t read;   // characters
    std::uint32_t value;  // the character's leading bits; kWhole: the last character
    std::uint32_t first;  // kUtf8: it must not be below this; kLowHex: the high surrogate
    Part part;
    std::uint8_t more;
  };

  explicit TextReader(const TextPlace& place)
      : language_(*place.language),
        left_(std::min(place.left, kFar)),
        need_(place.need),
        raw_(place.raw),
        start_{place.state, 0, 0, 0, Part::kWhole, 0} {}

  const At& start() const { return start_; }
  bool may_end(const At& at) const {
    return at.part == Part::kWhole && at.read >= need_ && language_.accepts(at.state);
  }

  // Plain: an ASCII character that is no quote and no backslash in JSON, and no newline in raw
  // texts.
  bool is_plain(std::uint8_t byte) const {
    return raw_ ? byte != '\n' : byte >= 0x20 && byte != '"' && byte != '\\';
  }
  bool read(At& at, std::uint32_t code_point) const {
    if (at.read >= left_) return false;
    at.state = language_.next(at.state, code_point);
    at.value = code_point;
    ++at.read;
    return at.state != Language::kDead && language_.shortest(at.state) <= left_ - at.read;
  }
  // What the character that is read in parts can become: one of [low, high], or of the pairs of
  // surrogates (low > high: of none).
  using Range = std::pair<std::uint32_t, std::uint32_t>;
  static Range range(const At& at);
  static Range pair_range(const At& at);

  // Any byte but one that ends the text.
  bool step(At& at, std::uint8_t byte) const {
    if (at.part == Part::kWhole && byte < 0x80) {
      if (raw_ || (byte >= 0x20 && byte != '\\')) return read(at, byte);
      if (byte != '\\') return false;
      at.part = Part::kBackslash;
      return may_become(at);
    }
    return step_inside(at, byte);
  }

 private:
  static constexpr std::uint32_t kFar = 1u << 30;

  bool may_become(const At& at, Range range) const {
    return range.first <= range.second && at.read < left_ &&
           language_.can_step_within(at.state, range.first, range.second, left_ - at.read - 1);
  }
  bool may_become(const At& at) const {
    return may_become(at, range(at)) || may_become(at, pair_range(at));
  }
  bool step_inside(At& at, std::uint8_t byte) const;
  bool step_utf8(At& at, std::uint8_t byte) const;
  bool step_escape(At& at, std::uint8_t byte) const;
  bool step_hex(At& at, std::uint8_t byte) const;
  bool read_whole(At& at, std::uint32_t code_point) const {
    at.part = Part::kWhole;
    return read(at, code_point);
  }

  const Language& language_;
  std::uint32_t left_;
  std::uint32_t need_;
  bool raw_;
  At start_;
};

}  // namespace tessera::grammar
