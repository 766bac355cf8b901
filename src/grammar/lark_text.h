// Those parts of a grammar in Lark's notation that do not come back to themselves, as regular
// expressions. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "grammar/error.h"
#include "grammar/lark_parser.h"
#include "grammar/regex_parser.h"

namespace tessera::grammar {

class LarkTexts {
 public:
  using Text = Result<RegexNode, GrammarError>;

  LarkTexts(const LarkGrammar& grammar, Budget& budget);

  // No rule in `node`, or that it uses, comes back to itself.
  bool is_regular(const LarkNode& node) const;
  bool is_regular(std::uint32_t rule) const { return regular_[rule]; }
  // A regular node, with what may be ignored in front of each of its terminals.
  Text node(const LarkNode& from) { return node(from, 0); }
  // What may be ignored between terminals.
  const RegexNode& gap() const { return gap_; }

 private:
  Text node(const LarkNode& from, int depth);

  const LarkGrammar& grammar_;
  Budget& budget_;
  std::vector<bool> regular_;  // by rule
  RegexNode gap_;
};

}  // namespace tessera::grammar
