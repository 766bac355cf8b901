// What holds a choice to its form while it is written: the grammar's matcher, and in front of it
// the thinking budget where the request has one.
//
// And what brings it to an end within max_tokens: a token behind which the shortest way to the end
// would not fit any more does not come; the first one of that way comes in its place. When as many
// tokens are left as the way has, the way is what comes. A choice whose max_tokens had room for the
// shortest answer is therefore always whole.
//
// Text that must come (tags, names and literals that are the only ones) is forced as the tokenizer
// would write it, as far as it cannot grow together with what follows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/constraint.h"
#include "grammar/matcher.h"
#include "local/thinking_budget.h"
#include "local/way_tokens.h"

namespace tessera::local {

struct AnswerLimit {
  std::int32_t tokens = 0;
  bool whole = true;  // false: it is cut where the tokens end
};

class AnswerConstraint final : public engine::Constraint {
 public:
  // `budget` may be null. An answer that has to be whole and begins inside the think block has one
  // that leaves room for what must come behind it.
  AnswerConstraint(const grammar::GrammarPtr& grammar, grammar::VocabularyPtr vocabulary,
                   std::shared_ptr<const WayTokens> ways,
                   std::shared_ptr<const ThinkingPlan> budget, AnswerLimit limit);

  std::optional<TokenId> forced() override;
  // Where one token alone may come it is forced: nothing has to be sampled.
  Result<engine::NextToken> next(std::span<std::uint32_t> mask) override;
  TokenId accept(TokenId token) override;
  bool is_complete() const override;

 private:
  // Tokens that lead on from where the answer is; they need not be known.
  struct Way {
    bool known = false;
    std::vector<TokenId> tokens;
    std::size_t next = 0;
    std::size_t left() const { return tokens.size() - next; }
    bool leads_over(TokenId token) const { return known && left() > 0 && tokens[next] == token; }
  };

  Result<engine::NextToken> read_mask(std::span<const std::uint32_t> mask) const;
  // Forbids to begin a call that would not come to its end.
  void forbid_late_call(std::span<std::uint32_t> mask);
  // Whether the answer, behind the token that was read last, still comes to its end; notes the way
  // where there is little room.
  bool fits(std::size_t token_bytes);
  // The token that leads from here to the end.
  TokenId lead_out();
  // The shortest way to the end, and what it takes to look.
  std::optional<grammar::Symbols> find_way(std::int64_t limit);
  // Its tokens, as the tokenizer writes them.
  std::vector<TokenId> encode_anew(const grammar::Symbols& symbols);
  // Of a way that ends as the one before, only the beginning is looked at: perhaps a token more.
  std::vector<TokenId> encode_way(const grammar::Symbols& symbols);

  const grammar::VocabularyPtr vocabulary_;
  grammar::Matcher matcher_;
  std::optional<ThinkingBudget> budget_;
  const std::shared_ptr<const WayTokens> ways_;
  const bool whole_;
  std::int64_t left_;        // tokens that may still come
  Way way_;                  // to the end
  Way run_;                  // of what must come now
  std::string_view before_;  // the text of the last token
  const std::int64_t jump_;  // by so much one more byte can make the way longer
  std::int64_t room_ = 0;    // the way was checked; it has become longer by less
  std::int64_t fuel_;        // for looking for ways
  // The way that was encoded last: each token, and how many symbols are left in front of it; and
  // how many of its last symbols the way that was found last has, too.
  std::vector<std::pair<TokenId, std::size_t>> encoded_;
  std::size_t shared_ = 0;
  std::optional<std::int64_t> call_tokens_;  // of the shortest call
  bool lost_ = false;  // a token came that the grammar does not know how to go on from
};

}  // namespace tessera::local
