// Lark's notation for grammars to rules over texts. Taken: rules and terminals with groups, [ ], |,
// ?, *, +, ~n, ~n..m, strings, ranges, regular expressions (the subset of regex.h without
// assertions, flags i, s and u), aliases and priorities (which choose between trees and mean
// nothing here), %ignore, %import of common's terminals. Templates, %declare, %override, %extend,
// other imports and the further constructs that some engines added are refused by name. Notation:
// Lark's grammar reference. Any thread; bounded by the budget.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/error.h"
#include "grammar/regex_parser.h"

namespace tessera::grammar {

struct LarkNode {
  enum class Kind : std::uint8_t {
    kText,  // a terminal
    kRule,
    kSequence,
    kChoice,
    kRepeat,  // children[0], min to max times
  };
  Kind kind = Kind::kSequence;
  std::uint32_t rule = 0;  // kRule: its index
  std::uint32_t min = 0;
  std::uint32_t max = 0;
  RegexNode text;  // kText
  std::vector<LarkNode> children;
};

// What a sequence, a choice or a repeat is among texts, without its children.
RegexNode expression_of(const LarkNode& node);

struct LarkGrammar {
  std::vector<std::string> names;  // of the rules
  std::vector<LarkNode> rules;
  std::uint32_t start = 0;
  std::vector<RegexNode> ignored;  // any of these may stand between terminals, and at both ends
};

// The error's path is empty; its code is kInvalidGrammar, kUnsupportedGrammar, kInvalidRegex or
// kSchemaTooComplex.
Result<LarkGrammar, GrammarError> parse_lark(std::string_view definition, Budget& budget);

}  // namespace tessera::grammar
