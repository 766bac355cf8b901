#include "local/answer_constraint.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.h"

namespace tessera::local {

using engine::NextToken;

namespace {

// No way is looked for that has more symbols for each token than this.
constexpr std::int64_t kSymbolsPerToken = 16;
constexpr std::int64_t kMaxSymbols = kLongestWay;
// Symbols of ways that are looked at, at once and for each token: others wait meanwhile. Where that
// is used up, in forms whose ways are hard to find or change as a whole, the answer is led out
// early.
constexpr std::int64_t kFuel = 1 << 16;
constexpr std::int64_t kFuelPerToken = 1 << 10;
// Symbols of text that must come, looked at together.
constexpr std::size_t kLongestRun = 256;

}  // namespace

AnswerConstraint::AnswerConstraint(const grammar::GrammarPtr& grammar,
                                   grammar::VocabularyPtr vocabulary,
                                   std::shared_ptr<const WayTokens> ways,
                                   std::shared_ptr<const ThinkingPlan> budget, AnswerLimit limit)
    : vocabulary_(std::move(vocabulary)),
      matcher_(grammar, vocabulary_),
      ways_(std::move(ways)),
      whole_(limit.whole),
      left_(limit.tokens),
      jump_(2 * std::int64_t{grammar->largest_cost} + 64),
      fuel_(kFuel) {
  if (budget != nullptr) budget_.emplace(std::move(budget));
}

std::optional<TokenId> AnswerConstraint::forced() {
  if (lost_) return std::nullopt;
  if (budget_) {
    if (const std::optional<TokenId> token = budget_->forced()) return token;
  }
  if (way_.known && way_.left() > 0 && std::cmp_greater_equal(way_.left(), left_))
    return way_.tokens[way_.next];
  if (!run_.known) {
    const grammar::Symbols symbols = matcher_.forced(kLongestRun);
    run_ = {true, {}, 0};
    if (!symbols.empty()) run_.tokens = ways_->encode_forced(before_, symbols);
  }
  if (run_.left() > 0) return run_.tokens[run_.next];
  return std::nullopt;
}

Result<NextToken> AnswerConstraint::next(std::span<std::uint32_t> mask) {
  if (lost_) return fail(ErrorCode::kDeadEnd, "the answer left its grammar");
  const std::size_t words = vocabulary_->mask_words();
  CHECK(mask.size() >= words);
  if (!matcher_.fill_mask(mask.first(words)))
    return fail(ErrorCode::kDeadEnd, "the grammar has too many readings at once");
  std::fill(mask.begin() + static_cast<std::ptrdiff_t>(words), mask.end(), 0u);
  if (whole_) forbid_late_call(mask);
  return read_mask(mask);
}

void AnswerConstraint::forbid_late_call(std::span<std::uint32_t> mask) {
  const std::optional<TokenId> open = vocabulary_->token_of_symbol(grammar::kCallOpen);
  if (!open || !matcher_.is_free()) return;
  std::uint32_t& word = mask[static_cast<std::size_t>(*open) / 32];
  const std::uint32_t bit = 1u << (static_cast<std::size_t>(*open) % 32);
  if ((word & bit) == 0) return;
  if (!call_tokens_) {
    CHECK(matcher_.accept(*open));
    const auto way = find_way(kMaxSymbols);
    matcher_.rollback(1);
    call_tokens_ = way ? 1 + static_cast<std::int64_t>(encode_anew(*way).size()) : kMaxSymbols;
  }
  if (*call_tokens_ > left_) word &= ~bit;
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

TokenId AnswerConstraint::accept(TokenId token) {
  fuel_ = std::min(kFuel, fuel_ + kFuelPerToken);
  const bool led = way_.known && way_.left() > 0;
  if (led && fuel_ < 0) token = lead_out();
  if (way_.leads_over(token)) {
    ++way_.next;
    lost_ = !matcher_.accept(token);
  } else if (!matcher_.accept(token)) {
    lost_ = true;
  } else if (whole_) {
    Way before = std::exchange(way_, {});
    if (!fits(vocabulary_->bytes(token).size())) {
      matcher_.rollback(1);
      way_ = std::move(before);  // which fits
      token = lead_out();
      if (vocabulary_->is_end(token)) return token;
      if (way_.known) ++way_.next;
      lost_ = !matcher_.accept(token);
    }
  }
  --left_;
  before_ = vocabulary_->bytes(token);
  // What is behind a run is not looked at again: it was held back.
  run_.leads_over(token) ? static_cast<void>(++run_.next) : static_cast<void>(run_ = {});
  if (budget_) budget_->accept(token);
  return token;
}

// One token less is left then, and this one is read.
bool AnswerConstraint::fits(std::size_t token_bytes) {
  if (matcher_.is_free()) return true;  // closed in time by the budget, or nothing has to come
  // A control token has no bytes, and begins a call all the same.
  room_ -= 1 + static_cast<std::int64_t>(std::max(token_bytes, std::size_t{1})) * jump_;
  if (room_ >= 0) return true;
  if (fuel_ < 0) return false;  // too dear to look again so soon
  const std::int64_t left = left_ - 1;
  const auto symbols = find_way(std::min(kMaxSymbols, left * kSymbolsPerToken));
  if (!symbols) return false;
  const auto size = static_cast<std::int64_t>(symbols->size());
  if (size < left) {
    room_ = left - size;
    return true;
  }
  std::vector<TokenId> tokens = encode_way(*symbols);
  if (std::cmp_greater(tokens.size(), left)) tokens = encode_anew(*symbols);
  if (std::cmp_greater(tokens.size(), left)) return false;
  way_ = {true, std::move(tokens), 0};
  return true;
}

TokenId AnswerConstraint::lead_out() {
  if (!way_.known) {
    const auto symbols = find_way(kMaxSymbols);
    if (symbols) way_ = {true, encode_anew(*symbols), 0};
  }
  return way_.known && way_.left() > 0 ? way_.tokens[way_.next] : vocabulary_->end_tokens()[0];
}

std::optional<grammar::Symbols> AnswerConstraint::find_way(std::int64_t limit) {
  grammar::ShortestEnd end = matcher_.shortest_end(static_cast<std::size_t>(limit));
  fuel_ -= end.work;
  if (end.way && !end.way->empty()) shared_ = std::min(shared_, end.shared);
  return std::move(end.way);
}

std::vector<TokenId> AnswerConstraint::encode_anew(const grammar::Symbols& symbols) {
  encoded_.clear();
  return encode_way(symbols);
}

std::vector<TokenId> AnswerConstraint::encode_way(const grammar::Symbols& symbols) {
  auto tail = std::partition_point(encoded_.begin(), encoded_.end(),
                                   [this](const auto& token) { return token.second > shared_; });
  if (symbols.empty()) tail = encoded_.end();
  const std::size_t same = tail == encoded_.end() ? 0 : tail->second;
  const std::size_t fresh = symbols.size() - same;
  fuel_ -= static_cast<std::int64_t>(fresh);
  std::vector<TokenId> tokens = ways_->encode(std::span(symbols).first(fresh));
  std::vector<std::pair<TokenId, std::size_t>> encoded;
  std::size_t left = symbols.size();
  for (const TokenId token : tokens) {
    encoded.emplace_back(token, left);
    left -= vocabulary_->symbol(token) ? 1 : vocabulary_->bytes(token).size();
  }
  for (; tail != encoded_.end(); ++tail) {
    encoded.push_back(*tail);
    tokens.push_back(tail->first);
  }
  encoded_ = std::move(encoded);
  shared_ = symbols.size();
  return tokens;
}

bool AnswerConstraint::is_complete() const {
  return !lost_ && !matcher_.is_free() && matcher_.is_done();
}

}  // namespace tessera::local
