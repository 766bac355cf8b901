#include "grammar/vocabulary.h"

#include <algorithm>
#include <utility>

#include "grammar/machine.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kKeptBytes = 16 << 20;

}  // namespace

VocabularyPtr Vocabulary::create(const text::Tokenizer& tokenizer,
                                 std::span<const TokenId> end_tokens) {
  const auto size = static_cast<std::size_t>(tokenizer.vocabulary_size());
  std::vector<std::string> texts(size);
  for (std::size_t i = 0; i < size; ++i) {
    const auto token = static_cast<TokenId>(i);
    const text::TokenKind kind = tokenizer.kind(token);
    const std::string_view bytes = tokenizer.bytes(token);
    const bool text = kind == text::TokenKind::kNormal || kind == text::TokenKind::kByte;
    if (text && bytes.size() <= kLongestToken) texts[i] = bytes;
  }
  const auto out = std::make_shared<Vocabulary>(std::move(texts), end_tokens);
  constexpr std::string_view kSymbols[] = {"</think>", "<tool_call>", "</tool_call>"};
  for (std::size_t i = 0; i < std::size(kSymbols); ++i) {
    const auto token = tokenizer.find_added(kSymbols[i]);
    if (!token) continue;
    out->symbols_[i] = token;
    out->kinds_[static_cast<std::size_t>(*token)] = Kind::kSymbol;
  }
  for (const TokenId token : end_tokens) out->kinds_[static_cast<std::size_t>(token)] = Kind::kEnd;
  return out;
}

Vocabulary::Vocabulary(std::vector<std::string> bytes, std::span<const TokenId> end_tokens)
    : kinds_(bytes.size(), Kind::kOther),
      bytes_(std::move(bytes)),
      end_tokens_(end_tokens.begin(), end_tokens.end()) {
  std::vector<TrieEntry> entries;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if (bytes_[i].empty()) continue;
    kinds_[i] = Kind::kText;
    entries.emplace_back(bytes_[i], static_cast<TokenId>(i));
    longest_ = std::max(longest_, static_cast<std::uint32_t>(bytes_[i].size()));
  }
  std::sort(entries.begin(), entries.end());
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i - 1].first != entries[i].first) continue;
    next_alike_.resize(bytes_.size(), -1);
    next_alike_[static_cast<std::size_t>(entries[i - 1].second)] = entries[i].second;
  }
  trie_ = TokenTrie(entries);
  sets_ = std::make_unique<const TokenSets>(bytes_);
  quotes_ = std::make_unique<const Separators>(false, bytes_);
  newlines_ = std::make_unique<const Separators>(true, bytes_);
}

TextMaskPtr Vocabulary::text_mask(const TextPlace& place, std::int64_t& fuel) const {
  const std::uint64_t key = place.hash();
  TextMaskPtr mask = find_mask(key);
  if (mask != nullptr && (mask->state == place.state || place.language->alike().exact)) return mask;
  if (mask != nullptr) return adjust_text_mask(*this, place, *mask, fuel);
  if (place.left != kUnbounded || place.need != 0) {  // quickly made, and soon another
    TextPlace free = place;
    free.left = kUnbounded;
    free.need = 0;
    mask = shorten_text_mask(*this, place, *text_mask(free, fuel), fuel);
    if (mask != nullptr) return mask;
  }
  mask = make_text_mask(*this, place, fuel);
  const std::scoped_lock lock(mutex_);
  keep(key, mask);
  return mask;
}

TextMaskPtr Vocabulary::find_mask(std::uint64_t key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = kept_.find(key);
  if (found != kept_.end()) return found->second;
  const auto before = kept_before_.find(key);
  if (before == kept_before_.end()) return nullptr;
  const TextMaskPtr mask = before->second;
  keep(key, mask);
  return mask;
}

void Vocabulary::keep(std::uint64_t key, const TextMaskPtr& mask) const {
  if (kept_bytes_ + mask->bytes() > kKeptBytes / 2) {
    kept_before_ = std::exchange(kept_, {});
    kept_bytes_ = 0;
  }
  if (kept_.emplace(key, mask).second) kept_bytes_ += mask->bytes();
}

std::size_t Vocabulary::table_bytes() const {
  std::size_t total = trie_.bytes() + sets_->bytes() + quotes_->bytes();
  total += newlines_->bytes() + kinds_.size() + next_alike_.size() * sizeof(TokenId);
  for (const std::string& text : bytes_)
    total += sizeof(std::string) + (text.size() > 15 ? text.size() : 0);
  return total;
}

std::optional<std::uint32_t> Vocabulary::symbol(TokenId token) const {
  for (std::uint32_t i = 0; i < 3; ++i) {
    if (symbols_[i] == token) return kThinkClose + i;
  }
  return std::nullopt;
}

std::optional<TokenId> Vocabulary::token_of_symbol(std::uint32_t symbol) const {
  return symbols_[symbol - kThinkClose];
}

std::span<const TokenId> Vocabulary::tokens_with(std::uint8_t byte) const {
  std::call_once(listed_, [this] {
    std::array<std::vector<TokenId>, 256> lists;
    for (TokenId token = 0; token < static_cast<TokenId>(size()); ++token) {
      const std::string_view text = bytes(token);
      if (!is_text(token) || text.size() > kLongestToken) continue;
      for (std::size_t i = 1; i < text.size(); ++i) {
        std::vector<TokenId>& list = lists[static_cast<std::uint8_t>(text[i])];
        if (list.empty() || list.back() != token) list.push_back(token);
      }
    }
    for (std::size_t i = 0; i < lists.size(); ++i) {
      with_.insert(with_.end(), lists[i].begin(), lists[i].end());
      with_begins_[i + 1] = static_cast<std::uint32_t>(with_.size());
    }
  });
  const std::uint32_t begin = with_begins_[byte];
  return std::span(with_).subspan(begin, with_begins_[byte + 1u] - begin);
}

}  // namespace tessera::grammar
