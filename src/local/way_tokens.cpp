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

std::vector<TokenId> WayTokens::encode_forced(std::string_view before,
                                              std::span<const std::uint16_t> symbols) const {
  const auto control = std::find_if(symbols.begin(), symbols.end(),
                                    [](std::uint16_t symbol) { return symbol >= 256; });
  const std::string text(symbols.begin(), control);
  std::vector<TokenId> tokens;
  tokenizer_->encode_text(std::string(before) + text, tokens);
  std::size_t at = 0;
  auto first = tokens.begin();
  while (first != tokens.end() && at < before.size()) at += tokenizer_->bytes(*first++).size();
  if (at == before.size()) {
    tokens.erase(tokens.begin(), first);
  } else {  // they would share a token, which is too late
    tokens.clear();
    tokenizer_->encode_text(text, tokens);
  }
  if (!spell(text, tokens)) return {};
  if (control == symbols.end()) {
    if (!tokens.empty()) tokens.pop_back();
    return tokens;
  }
  // A control token is a word of its own: nothing grows together with it.
  const std::vector<TokenId> rest =
      encode_rest(symbols.subspan(static_cast<std::size_t>(control - symbols.begin())));
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  return tokens;
}

// From a control symbol on.
std::vector<TokenId> WayTokens::encode_rest(std::span<const std::uint16_t> symbols) const {
  std::vector<TokenId> tokens = encode(symbols.first(1));
  if (symbols.size() == 1) return tokens;
  const std::vector<TokenId> rest = encode_forced({}, symbols.subspan(1));
  tokens.insert(tokens.end(), rest.begin(), rest.end());
  return tokens;
}

// The tokenizer normalises text; a way cannot be read with other bytes than its own.
bool WayTokens::spell(std::string_view text, std::span<const TokenId> tokens) const {
  return tokenizer_->decode(tokens) == text &&
         std::all_of(tokens.begin(), tokens.end(),
                     [&](TokenId token) { return vocabulary_->is_text(token); });
}

void WayTokens::append_text(std::string_view text, std::vector<TokenId>& out) const {
  std::vector<TokenId> tokens;
  tokenizer_->encode_text(text, tokens);
  if (!spell(text, tokens)) {
    tokens.clear();
    for (const char c : text) tokens.push_back(bytes_[static_cast<std::uint8_t>(c)]);
  }
  out.insert(out.end(), tokens.begin(), tokens.end());
}

}  // namespace tessera::local
