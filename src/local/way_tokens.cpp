#include "local/way_tokens.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"

namespace tessera::local {

WayTokens::WayTokens(std::shared_ptr<const text::Tokenizer> tokenizer,
                     grammar::VocabularyPtr vocabulary)
    : tokenizer_(std::move(tokenizer)), vocabulary_(std::move(vocabulary)) {
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    std::vector<TokenId> token;
    tokenizer_->encode_text(std::string(1, static_cast<char>(byte)), token);
    CHECK(token.size() == 1);
    bytes_[byte] = token[0];
  }
}

std::vector<TokenId> WayTokens::encode(std::span<const std::uint16_t> symbols) const {
  std::vector<TokenId> out;
  std::string text;
  for (const std::uint16_t symbol : symbols) {
    if (symbol < 256) {
      text += static_cast<char>(symbol);
      continue;
    }
    append_text(text, out);
    text.clear();
    const auto token = vocabulary_->token_of_symbol(symbol);
    CHECK(token);
    out.push_back(*token);
  }
  append_text(text, out);
  return out;
}

std::int32_t WayTokens::count(std::span<const std::uint16_t> symbols) const {
  std::size_t tokens = encode(symbols).size();
  if (!symbols.empty() && symbols[0] == grammar::kThinkClose) {
    const std::size_t close = std::min<std::size_t>(symbols.size(), 3);  // </think> and the line
    tokens = std::max(tokens,
                      encode(symbols.first(close)).size() + encode(symbols.subspan(close)).size());
  }
  return static_cast<std::int32_t>(tokens);
}

// The tokenizer normalises text; a way cannot be read with other bytes than its own.
void WayTokens::append_text(std::string_view text, std::vector<TokenId>& out) const {
  std::vector<TokenId> tokens;
  tokenizer_->encode_text(text, tokens);
  const bool exact = tokenizer_->decode(tokens) == text &&
                     std::all_of(tokens.begin(), tokens.end(),
                                 [&](TokenId token) { return vocabulary_->is_text(token); });
  if (!exact) {
    tokens.clear();
    for (const char c : text) tokens.push_back(bytes_[static_cast<std::uint8_t>(c)]);
  }
  out.insert(out.end(), tokens.begin(), tokens.end());
}

}  // namespace tessera::local
