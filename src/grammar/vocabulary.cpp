#include "grammar/vocabulary.h"

#include <algorithm>
#include <numeric>

#include "grammar/machine.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kLongestToken = 255;
constexpr std::size_t kKeptBytes = 16 << 20;

}  // namespace

VocabularyPtr Vocabulary::create(const text::Tokenizer& tokenizer,
                                 std::span<const TokenId> end_tokens) {
  auto out = std::make_shared<Vocabulary>();
  const auto size = static_cast<std::size_t>(tokenizer.vocabulary_size());
  out->kinds_.assign(size, Kind::kOther);
  out->bytes_.resize(size);
  out->next_alike_.assign(size, -1);
  out->end_tokens_.assign(end_tokens.begin(), end_tokens.end());
  std::vector<TokenId> order;
  for (std::size_t i = 0; i < size; ++i) {
    const auto token = static_cast<TokenId>(i);
    const text::TokenKind kind = tokenizer.kind(token);
    const std::string_view bytes = tokenizer.bytes(token);
    const bool text = kind == text::TokenKind::kNormal || kind == text::TokenKind::kByte;
    if (!text || bytes.empty() || bytes.size() > kLongestToken) continue;
    out->kinds_[i] = Kind::kText;
    out->bytes_[i] = bytes;
    order.push_back(token);
  }
  constexpr std::string_view kSymbols[] = {"</think>", "<tool_call>", "</tool_call>"};
  for (std::size_t i = 0; i < std::size(kSymbols); ++i) {
    const auto token = tokenizer.find_added(kSymbols[i]);
    if (!token) continue;
    out->symbols_[i] = token;
    out->kinds_[static_cast<std::size_t>(*token)] = Kind::kSymbol;
  }
  for (const TokenId token : end_tokens) out->kinds_[static_cast<std::size_t>(token)] = Kind::kEnd;
  const auto& bytes = out->bytes_;
  std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    const int difference =
        bytes[static_cast<std::size_t>(a)].compare(bytes[static_cast<std::size_t>(b)]);
    return difference != 0 ? difference < 0 : a < b;
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto before = static_cast<std::size_t>(order[i - 1]);
    if (bytes[before] == bytes[static_cast<std::size_t>(order[i])])
      out->next_alike_[before] = order[i];
  }
  out->all_ = out->build_trie(order);
  for (const char separator : {'"', '\n'}) {
    std::vector<TokenId> parts[2];
    for (const TokenId token : order) {
      parts[bytes[static_cast<std::size_t>(token)].find(separator) != std::string::npos].push_back(
          token);
    }
    (separator == '"' ? out->no_quotes_ : out->no_newlines_) = out->build_trie(parts[0]);
    (separator == '"' ? out->quotes_ : out->newlines_) = out->build_trie(parts[1]);
  }
  return out;
}

Vocabulary::Trie Vocabulary::build_trie(std::span<const TokenId> sorted) {
  Trie nodes;
  std::vector<std::uint32_t> path;  // the nodes above, by depth
  std::string_view before;
  for (const TokenId token : sorted) {
    const std::string_view text = bytes(token);
    const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    auto common = static_cast<std::size_t>(differ.first - before.begin());
    while (path.size() > common) {
      nodes[path.back()].end = static_cast<std::uint32_t>(nodes.size());
      path.pop_back();
    }
    for (; common < text.size(); ++common) {
      path.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back(
          {0, -1, static_cast<std::uint8_t>(text[common]), static_cast<std::uint8_t>(common)});
    }
    TokenId& first = nodes[path.back()].token;
    if (first < 0) first = token;  // further ones follow by next_alike()
    longest_ = std::max(longest_, static_cast<std::uint32_t>(text.size()));
    before = text;
  }
  for (const std::uint32_t node : path) nodes[node].end = static_cast<std::uint32_t>(nodes.size());
  return nodes;
}

Vocabulary::Mask Vocabulary::find_mask(std::uint64_t key) const {
  const std::scoped_lock lock(mutex_);
  const auto found = kept_.find(key);
  return found == kept_.end() ? nullptr : found->second;
}

void Vocabulary::keep_mask(std::uint64_t key, Mask mask) const {
  const std::scoped_lock lock(mutex_);
  if ((kept_.size() + 1) * mask_words() * sizeof(std::uint32_t) > kKeptBytes) kept_.clear();
  kept_[key] = std::move(mask);
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

}  // namespace tessera::grammar
