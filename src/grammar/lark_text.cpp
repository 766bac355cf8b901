#include "grammar/lark_text.h"

#include <algorithm>
#include <utility>

#include "grammar/language.h"

namespace tessera::grammar {
namespace {

constexpr int kMaxDepth = 200;

Unexpected<GrammarError> too_complex() {
  return fail(GrammarErrorCode::kSchemaTooComplex, "the grammar is too complex");
}

}  // namespace

LarkTexts::LarkTexts(const LarkGrammar& grammar, Budget& budget)
    : grammar_(grammar), budget_(budget), regular_(grammar.rules.size(), false) {
  // A rule is regular when all that it uses is.
  bool changed = true;
  while (changed && budget_.spend(grammar.rules.size() * 8 + 1)) {
    changed = false;
    for (std::size_t i = 0; i < grammar.rules.size(); ++i) {
      if (regular_[i] || !is_regular(grammar.rules[i])) continue;
      regular_[i] = changed = true;
    }
  }
  gap_.kind = RegexNode::Kind::kSequence;
  if (grammar.ignored.empty()) return;
  RegexNode choice;
  choice.kind = RegexNode::Kind::kChoice;
  choice.children = grammar.ignored;
  gap_.kind = RegexNode::Kind::kRepeat;
  gap_.max = kUnbounded;
  gap_.children.push_back(std::move(choice));
}

bool LarkTexts::is_regular(const LarkNode& node) const {
  budget_.spend(1);
  if (node.kind == LarkNode::Kind::kRule) return regular_[node.rule];
  return std::all_of(node.children.begin(), node.children.end(),
                     [this](const LarkNode& child) { return is_regular(child); });
}

LarkTexts::Text LarkTexts::node(const LarkNode& from, int depth) {
  const bool fits = depth <= kMaxDepth && take_copy(gap_, budget_);
  if (!fits || !budget_.spend(20) || !budget_.take(sizeof(RegexNode) + 64)) return too_complex();
  if (from.kind == LarkNode::Kind::kRule) return node(grammar_.rules[from.rule], depth + 1);
  if (from.kind == LarkNode::Kind::kText) {
    if (!take_copy(from.text, budget_)) return too_complex();
    RegexNode made;
    made.kind = RegexNode::Kind::kSequence;
    made.children = {gap_, from.text};
    return made;
  }
  RegexNode made = expression_of(from);
  for (const LarkNode& child : from.children) {
    TRY_ASSIGN(RegexNode inner, node(child, depth + 1));
    made.children.push_back(std::move(inner));
  }
  return made;
}

}  // namespace tessera::grammar
