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

// Of a pattern that is searched for: a match may begin and end anywhere; where a repeat stands
// first or last, and no anchor holds it, a text that has more of it has the least of it, too.
void trim_edge(RegexNode& node, bool first);
// Whether there were any repeats that were too long. What an assertion says stays whole: less might
// mean more.
bool shorten_repeats(RegexNode& node);

// Pays for a copy of the tree.
bool take_copy(const RegexNode& tree, Budget& budget);

}  // namespace tessera::grammar
