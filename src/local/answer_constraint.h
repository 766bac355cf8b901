// What holds a choice to its form while it is written: the grammar's matcher, and in front of it
// the thinking budget where the request has one.
//
// And what brings it to an end within max_tokens: a token behind which the shortest way to the end
// would not fit any more does not come; the first one of that way comes in its place. When as many
// tokens are left as the way has, the way is what comes. A choice whose max_tokens had room for the
// shortest answer is therefore always whole.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/constraint.h"
#include "grammar/matcher.h"
#include "local/thinking_budget.h"
#include "local/way_tokens.h"

namespace tessera::local {

// How many tokens there are for an answer that has to be whole.
struct AnswerLimit {
  std::int32_t tokens = 0;
  std::shared_ptr<const WayTokens> ways;  // null: it is cut where the tokens end
};

class AnswerConstraint final : public engine::Constraint {
 public:
  // `budget` may be null. With a limit, an answer that begins inside the think block has one that
  // leaves room for what must come behind it.
  AnswerConstraint(grammar::GrammarPtr grammar, grammar::VocabularyPtr vocabulary,
                   std::shared_ptr<const ThinkingPlan> budget, AnswerLimit limit);

  std::optional<TokenId> forced() override;
  // Where one token alone may come it is forced: nothing has to be sampled.
  Result<engine::NextToken> next(std::span<std::uint32_t> mask) override;
  TokenId accept(TokenId token) override;
  bool is_complete() const override;

 private:
  // A way to the end from where the answer is; it need not be known.
  struct Way {
    bool known = false;
    std::vector<TokenId> tokens;
    std::size_t next = 0;
    std::size_t left() const { return tokens.size() - next; }
  };

  Result<engine::NextToken> read_mask(std::span<const std::uint32_t> mask) const;
  // Forbids to begin a call that would not come to its end.
  void forbid_late_call(std::span<std::uint32_t> mask);
  // Whether the answer, behind the token that was read last, still comes to its end; notes the way
  // where there is little room.
  bool fits(std::size_t token_bytes);
  std::optional<std::vector<TokenId>> find_way();
  // The token that leads from here to the end.
  TokenId lead_out();

  const grammar::VocabularyPtr vocabulary_;
  grammar::Matcher matcher_;
  std::optional<ThinkingBudget> budget_;
  const std::shared_ptr<const WayTokens> ways_;
  std::int64_t left_;                        // tokens that may still come
  Way way_;                                  // from here on
  const std::int64_t jump_;                  // by so much one more byte can make the way longer
  std::int64_t room_ = 0;                    // the way was checked; it has become longer by less
  std::int64_t fuel_;                        // for looking for ways
  std::optional<std::int64_t> call_tokens_;  // of the shortest call
  bool lost_ = false;  // a token came that the grammar does not know how to go on from
};

}  // namespace tessera::local
