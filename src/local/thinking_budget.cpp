#include "local/thinking_budget.h"

#include "base/check.h"

namespace tessera::local {

std::optional<TokenId> ThinkingBudget::forced() {
  if (!closed_) plan_the_close();
  if (next_forced_ < forced_.size()) return forced_[next_forced_];
  return std::nullopt;
}

void ThinkingBudget::plan_the_close() {
  const auto newline = static_cast<std::int32_t>(plan_->newline.size());
  const std::int32_t left = plan_->budget - tokens_;
  CHECK(left >= 1);
  if (left > newline + 1) return;
  closed_ = true;
  if (!at_line_start_ && left == newline + 1) forced_ = plan_->newline;
  forced_.push_back(plan_->close);
  forced_.insert(forced_.end(), plan_->after_newlines.begin(), plan_->after_newlines.end());
}

TokenId ThinkingBudget::accept(TokenId token) {
  if (next_forced_ < forced_.size()) ++next_forced_;
  if (closed_) return token;
  ++tokens_;
  at_line_start_ = plan_->tokenizer->bytes(token).ends_with('\n');
  closed_ = token == plan_->close;
  return token;
}

}  // namespace tessera::local
