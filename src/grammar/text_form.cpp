#include "grammar/text_form.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "grammar/lark_parser.h"
#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

constexpr int kMaxDepth = 200;

// Rules that do not come back to themselves, as one regular expression.
class Flattener {
 public:
  using Text = Result<RegexNode, GrammarError>;

  Flattener(const LarkGrammar& grammar, Budget& budget)
      : grammar_(grammar), budget_(budget), open_(grammar.rules.size(), false) {
    if (grammar.ignored.empty()) return;
    RegexNode choice;
    choice.kind = RegexNode::Kind::kChoice;
    choice.children = grammar.ignored;
    gap_.kind = RegexNode::Kind::kRepeat;
    gap_.max = kUnbounded;
    gap_.children.push_back(std::move(choice));
  }

  Text flatten() {
    RegexNode whole;
    whole.kind = RegexNode::Kind::kSequence;
    TRY_ASSIGN(RegexNode start, rule(grammar_.start, 0));
    whole.children.push_back(std::move(start));
    whole.children.push_back(gap_);
    return whole;
  }

 private:
  Text rule(std::uint32_t index, int depth) {
    if (open_[index]) {
      return fail(GrammarErrorCode::kUnsupportedGrammar,
                  fmt::format("the rule '{}' comes back to itself, which cannot be enforced",
                              grammar_.names[index]));
    }
    open_[index] = true;
    TRY_ASSIGN(RegexNode made, node(grammar_.rules[index], depth + 1));
    open_[index] = false;
    return made;
  }

  Text node(const LarkNode& from, int depth) {
    const bool fits = depth <= kMaxDepth && charge(gap_);
    if (!fits || !budget_.spend(20) || !budget_.take(sizeof(RegexNode) + 64)) return too_complex();
    RegexNode made;
    switch (from.kind) {
      case LarkNode::Kind::kRule:
        return rule(from.rule, depth);
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
  bool charge(const RegexNode& text) {
    if (!budget_.spend(10) || !budget_.take(sizeof(RegexNode) + 64)) return false;
    for (const RegexNode& child : text.children) {
      if (!charge(child)) return false;
    }
    return true;
  }
  static Unexpected<GrammarError> too_complex() {
    return fail(GrammarErrorCode::kSchemaTooComplex, "the grammar is too complex");
  }

  const LarkGrammar& grammar_;
  Budget& budget_;
  std::vector<bool> open_;
  RegexNode gap_;  // what is ignored between terminals
};

Result<LanguagePtr, GrammarError> compile_lark(std::string_view definition, Budget& budget) {
  TRY_ASSIGN(const LarkGrammar grammar, parse_lark(definition, budget));
  TRY_ASSIGN(RegexNode whole, Flattener(grammar, budget).flatten());
  return compile_whole_regex(std::move(whole), budget);
}

}  // namespace

Result<LanguagePtr, GrammarError> compile_text(const TextForm& form, Budget& budget) {
  if (form.syntax == TextForm::Syntax::kAny) return Language::any();
  auto language = form.syntax == TextForm::Syntax::kLark
                      ? compile_lark(form.definition, budget)
                      : compile_whole_regex(form.definition, budget);
  if (language) return language;
  GrammarError error = std::move(language).error();
  if (error.code == GrammarErrorCode::kUnsupportedSchema)
    error.code = GrammarErrorCode::kUnsupportedGrammar;
  return Unexpected{std::move(error)};
}

}  // namespace tessera::grammar
