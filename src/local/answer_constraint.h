// What holds a choice to its form while it is written: the grammar's matcher, and in front of it
// the thinking budget where the request has one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/constraint.h"
#include "grammar/matcher.h"
#include "local/thinking_budget.h"

namespace tessera::local {

class AnswerConstraint final : public engine::Constraint {
 public:
  // `budget` may be null.
  AnswerConstraint(grammar::GrammarPtr grammar, grammar::VocabularyPtr vocabulary,
                   std::shared_ptr<const ThinkingPlan> budget);

  // Where one token alone may come it is forced: nothing has to be sampled.
  Result<engine::NextToken> next(std::span<std::uint32_t> mask) override;
  void accept(TokenId token) override;

 private:
  Result<engine::NextToken> read_mask(std::span<const std::uint32_t> mask) const;

  const grammar::VocabularyPtr vocabulary_;
  grammar::Matcher matcher_;
  std::optional<ThinkingBudget> budget_;
  bool lost_ = false;  // a token came that the grammar does not know how to go on from
};

}  // namespace tessera::local
