// A grammar in Lark's notation as productions over texts and non-terminals, brought into the form
// that a network needs: nothing derives the empty text, and nothing begins with itself
// (lark_net.h). Private to lark_net.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "grammar/language.h"
#include "grammar/lark_parser.h"
#include "grammar/lark_text.h"

namespace tessera::grammar {

class LarkProductions {
 public:
  // A non-terminal's index, or kText and a text's.
  using Symbol = std::uint32_t;
  static constexpr Symbol kText = 1u << 31;
  using Production = std::vector<Symbol>;

  LarkProductions(const LarkGrammar& grammar, const Language& allowed, Budget& budget);

  Result<void, GrammarError> build();

  const std::vector<std::vector<Production>>& rules() const { return rules_; }
  const std::vector<LanguagePtr>& texts() const { return texts_; }
  Symbol start() const { return start_; }
  // The empty text is one of the grammar's.
  bool nothing() const { return nothing_; }

 private:
  using Built = Result<Symbol, GrammarError>;

  Symbol new_rule();
  void add(Symbol rule, Production production);
  Built symbol(const LarkNode& node);
  // Regular children that follow each other, or stand beside each other, become one.
  Result<std::vector<Symbol>, GrammarError> children(const LarkNode& node);
  Built repeat(const LarkNode& node);
  Built text(RegexNode tree);

  void remove_empty();
  void remove_units(const std::vector<std::uint32_t>& component);
  void turn_left_recursion();
  // Strongly connected components of "begins with", by non-terminal.
  std::vector<std::uint32_t> components() const;
  bool same(const std::vector<std::uint32_t>& component, Symbol a, Symbol b) const {
    return (b & kText) == 0 && component[a] == component[b];
  }

  const LarkGrammar& grammar_;
  const Language& allowed_;
  Budget& budget_;
  LarkTexts lark_;
  std::vector<std::vector<Production>> rules_;
  std::vector<LanguagePtr> texts_;
  std::vector<Symbol> of_rule_;  // of the grammar's rules that are not regular
  Symbol start_ = 0;
  bool nothing_ = false;
};

}  // namespace tessera::grammar
