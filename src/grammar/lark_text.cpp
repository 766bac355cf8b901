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
  const bool fits = depth <= kMaxDepth && charge(gap_);
  if (!fits || !budget_.spend(20) || !budget_.take(sizeof(RegexNode) + 64)) return too_complex();
  RegexNode made;
  switch (from.kind) {
    case LarkNode::Kind::kRule:
      return node(grammar_.rules[from.rule], depth + 1);
    case LarkNode::Kind::kText:
      if (!charge(from.text)) return too_complex();
      made.kind = RegexNode::Kind::kSequence;
      made.children = {gap_, from.text};
      return made;
    case LarkNode::Kind::kSequence:
      made.kind = RegexNode::Kind::kSequence;
      break;
    case LarkNode::Kind::kChoice:
      made.kind = RegexNode::Kind::kChoice;
      break;
    case LarkNode::Kind::kRepeat:
      made.kind = RegexNode::Kind::kRepeat;
      made.min = from.min;
      made.max = from.max;
      break;
  }
  for (const LarkNode& child : from.children) {
    TRY_ASSIGN(RegexNode inner, node(child, depth + 1));
    made.children.push_back(std::move(inner));
  }
  return made;
}

// What a copy costs.
bool LarkTexts::charge(const RegexNode& text) {
  if (!budget_.spend(10) || !budget_.take(sizeof(RegexNode) + 64)) return false;
  return std::all_of(text.children.begin(), text.children.end(),
                     [this](const RegexNode& child) { return charge(child); });
}

}  // namespace tessera::grammar
