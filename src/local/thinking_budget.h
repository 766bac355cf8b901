// An end to the thinking: so many tokens of reasoning, </think> included, then the server closes
// the block and the answer comes.
//
// What is forced is what the template writes there, "\n</think>\n\n": no words are put into the
// model's mouth. The newline and </think> are within the budget, so that the forced close begins
// two tokens before its end (where a newline is one token); a block that the model closes itself is
// left alone. With a budget too small for both, </think> comes alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/constraint.h"
#include "text/tokenizer.h"

namespace tessera::local {

// Shared by the choices of a request, and by requests of the same budget.
struct ThinkingPlan {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::int32_t budget = 1;              // tokens, at least 1
  TokenId close = 0;                    // </think>
  std::vector<TokenId> newline;         // "\n"
  std::vector<TokenId> after_newlines;  // "\n\n", behind </think>
};

// For a choice that begins inside the think block.
class ThinkingBudget final : public engine::Constraint {
 public:
  explicit ThinkingBudget(std::shared_ptr<const ThinkingPlan> plan) : plan_(std::move(plan)) {}

  std::optional<TokenId> forced() override;
  Result<engine::NextToken> next(std::span<std::uint32_t>) override {
    return engine::NextToken::free();
  }
  TokenId accept(TokenId token) override;

 private:
  void plan_the_close();

  const std::shared_ptr<const ThinkingPlan> plan_;
  std::int32_t tokens_ = 0;      // of reasoning
  bool at_line_start_ = true;    // the prompt ends with a newline
  bool closed_ = false;          // </think> has come, or is among the forced
  std::vector<TokenId> forced_;  // to come, from next_forced_ on
  std::size_t next_forced_ = 0;
};

}  // namespace tessera::local
