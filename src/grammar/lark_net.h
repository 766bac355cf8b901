// A grammar in Lark's notation whose rules come back to themselves, as a network that the automaton
// walks with a stack: nodes with edges that read a text or a rule. No rule begins with itself,
// directly or through others (left recursion is turned round by left corners: M. Johnson,
// "Finite-state approximation of constraint-based grammars", 1998, and R. C. Moore, "Removing left
// recursion from context-free grammars", 2000), and none but the whole reads nothing, so that what
// can be read next is found without going in circles. Any thread; bounded by the budget.
#pragma once

#include <cstdint>
#include <vector>

#include "grammar/error.h"
#include "grammar/language.h"
#include "grammar/lark_parser.h"

namespace tessera::grammar {

struct TextNet {
  struct Edge {
    LanguagePtr text;        // what is read, at least a character; null: a rule is
    std::uint32_t rule = 0;  // its first node
    std::uint32_t to = 0;
  };
  struct Node {
    std::vector<Edge> edges;
    bool end = false;          // the rule may end here
    std::uint32_t height = 0;  // rules inside each other on the shallowest way to the rule's end
    std::uint32_t cost = 0;    // characters on a short way there
  };
  std::vector<Node> nodes;
  std::uint32_t start = 0;
  bool nothing = false;  // the empty text is one of the grammar's
};

// `allowed`: what every text has to be of, too; grammars that could leave it between two of their
// terminals are refused.
Result<TextNet, GrammarError> compile_net(const LarkGrammar& grammar, const Language& allowed,
                                          Budget& budget);

}  // namespace tessera::grammar
