#include "grammar/char_set.h"

#include <algorithm>

#include "grammar/language.h"

namespace tessera::grammar {

CharSet::CharSet(std::initializer_list<Interval> intervals) : pending_(intervals) {}

void CharSet::add(const CharSet& other) {
  pending_.insert(pending_.end(), other.pending_.begin(), other.pending_.end());
}

std::vector<CharSet::Interval> CharSet::intervals() const {
  std::vector<Interval> sorted = pending_;
  std::sort(sorted.begin(), sorted.end());
  std::vector<Interval> out;
  for (const auto& [low, high] : sorted) {
    if (!out.empty() && low <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, high);
    } else {
      out.emplace_back(low, high);
    }
  }
  return out;
}

CharSet CharSet::complement() const {
  CharSet out;
  std::uint32_t begin = 0;
  for (const auto& [low, high] : intervals()) {
    if (low > begin) out.add(begin, low - 1);
    begin = high + 1;
  }
  if (begin <= kMaxCodePoint) out.add(begin, kMaxCodePoint);
  return out;
}

const CharSet& digits() {
  static const CharSet set{{'0', '9'}};
  return set;
}

const CharSet& word_characters() {
  static const CharSet set{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}

const CharSet& white_space() {
  static const CharSet set{{0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680},
                           {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                           {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return set;
}

const CharSet& line_terminators() {
  static const CharSet set{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}

}  // namespace tessera::grammar
