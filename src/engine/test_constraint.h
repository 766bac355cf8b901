// For tests: a constraint from a function of the choice's tokens so far. It holds the engine to the
// order of calls: next(), then accept() with a token that next() allows.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/constraint.h"

namespace tessera::engine {

using ConstraintRule = std::function<Result<NextToken>(std::span<const TokenId> generated,
                                                       std::span<std::uint32_t> mask)>;

inline bool is_allowed(std::span<const std::uint32_t> mask, TokenId token) {
  const auto bit = static_cast<std::size_t>(token);
  return (mask[bit / 32] >> bit % 32 & 1) != 0;
}
inline void allow_only(std::span<const TokenId> tokens, std::span<std::uint32_t> mask) {
  std::fill(mask.begin(), mask.end(), 0);
  for (const TokenId token : tokens)
    mask[static_cast<std::size_t>(token) / 32] |= std::uint32_t{1} << token % 32;
}

class TestConstraint final : public Constraint {
 public:
  // What the rule forces is told by forced() if it `tells`, else by next().
  explicit TestConstraint(ConstraintRule rule, bool tells = false)
      : rule_(std::move(rule)), tells_(tells) {}

  std::optional<TokenId> forced() override {
    if (!tells_) return std::nullopt;
    std::vector<std::uint32_t> mask(8);
    const Result<NextToken> next = rule_(generated_, mask);
    if (!next || next->kind != NextToken::Kind::kForced) return std::nullopt;
    asked_ = *next;
    return next->token;
  }
  Result<NextToken> next(std::span<std::uint32_t> mask) override {
    EXPECT_FALSE(asked_) << "asked twice for one token, or for one that is forced";
    std::fill(mask.begin(), mask.end(), 0xA5A5A5A5);  // what others may have left there
    TRY_ASSIGN(const NextToken next, rule_(generated_, mask));
    asked_ = next;
    if (next.kind == NextToken::Kind::kMasked) mask_.assign(mask.begin(), mask.end());
    return next;
  }
  TokenId accept(TokenId token) override {
    EXPECT_TRUE(asked_);
    if (!asked_) return token;
    if (asked_->kind == NextToken::Kind::kForced) EXPECT_EQ(token, asked_->token);
    if (asked_->kind == NextToken::Kind::kMasked) EXPECT_TRUE(is_allowed(mask_, token));
    asked_.reset();
    generated_.push_back(token);
    return token;
  }

 private:
  const ConstraintRule rule_;
  const bool tells_;
  std::optional<NextToken> asked_;
  std::vector<std::uint32_t> mask_;
  std::vector<TokenId> generated_;
};

inline ConstraintFactory constrain(ConstraintRule rule, bool tells = false) {
  return [rule = std::move(rule), tells](std::int32_t) {
    return std::make_unique<TestConstraint>(rule, tells);
  };
}

}  // namespace tessera::engine
