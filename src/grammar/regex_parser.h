// ECMA-262 pattern text to a syntax tree. What the subset is: regex.h. Any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "grammar/char_set.h"
#include "grammar/error.h"

namespace tessera::grammar {

struct RegexNode {
  enum class Kind : std::uint8_t {
    kEmpty,
    kSet,
    kSequence,
    kChoice,
    kRepeat,      // children[0], min to max times
    kBegin,       // ^
    kEnd,         // $
    kLookAhead,   // children[0] follows (or not, when `negative`)
    kLookBehind,  // children[0] stands before
  };
  Kind kind = Kind::kEmpty;
  bool negative = false;
  std::uint32_t min = 0;
  std::uint32_t max = 0;
  CharSet set;
  std::vector<RegexNode> children;
};

Result<RegexNode, GrammarError> parse_regex(std::string_view pattern, Budget& budget);

// Pays for a copy of the tree.
bool take_copy(const RegexNode& tree, Budget& budget);

}  // namespace tessera::grammar
