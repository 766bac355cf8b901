#include "grammar/vocabulary.h"

#include <algorithm>
#include <numeric>

#include "grammar/machine.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kLongestToken = 255;

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
  // Char comparison is by unsigned bytes: equal prefixes lie together.
  std::vector<std::uint32_t> path;  // the nodes above, by depth
  std::string_view before;
  auto& nodes = out->nodes_;
  for (const TokenId token : order) {
    const std::string_view text = bytes[static_cast<std::size_t>(token)];
    const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    std::size_t common = static_cast<std::size_t>(differ.first - before.begin());
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
    out->next_alike_[static_cast<std::size_t>(token)] = first;
    first = token;
    out->longest_ = std::max(out->longest_, static_cast<std::uint32_t>(text.size()));
    before = text;
  }
  for (const std::uint32_t node : path) nodes[node].end = static_cast<std::uint32_t>(nodes.size());
  return out;
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
