#include "local/answer_constraint.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace tessera::local {

using engine::NextToken;

AnswerConstraint::AnswerConstraint(grammar::GrammarPtr grammar, grammar::VocabularyPtr vocabulary,
                                   std::shared_ptr<const ThinkingPlan> budget)
    : vocabulary_(std::move(vocabulary)), matcher_(std::move(grammar), vocabulary_) {
  if (budget != nullptr) budget_.emplace(std::move(budget));
}

Result<NextToken> AnswerConstraint::next(std::span<std::uint32_t> mask) {
  if (lost_) return fail(ErrorCode::kDeadEnd, "the answer left its grammar");
  if (budget_) {
    TRY_ASSIGN(const NextToken next, budget_->next(mask));
    if (next.kind == NextToken::Kind::kForced) return next;
  }
  const std::size_t words = vocabulary_->mask_words();
  CHECK(mask.size() >= words);
  if (!matcher_.fill_mask(mask.first(words)))
    return fail(ErrorCode::kDeadEnd, "the grammar has too many readings at once");
  std::fill(mask.begin() + static_cast<std::ptrdiff_t>(words), mask.end(), 0u);
  return read_mask(mask);
}

Result<NextToken> AnswerConstraint::read_mask(std::span<const std::uint32_t> mask) const {
  std::optional<TokenId> only;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    if (only || !std::has_single_bit(mask[i])) return NextToken::masked();
    only = static_cast<TokenId>(i * 32) + std::countr_zero(mask[i]);
  }
  if (!only) return fail(ErrorCode::kDeadEnd, "no token can go on");
  return vocabulary_->is_end(*only) ? NextToken::masked() : NextToken::forced(*only);
}

void AnswerConstraint::accept(TokenId token) {
  if (budget_) budget_->accept(token);
  if (!matcher_.accept(token)) lost_ = true;
}

}  // namespace tessera::local
