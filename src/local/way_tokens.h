// Ways to the end of an answer (grammar/shortest_end.h) as tokens: text as the tokenizer would have
// it, so that few tokens are needed and they are those that the model knows. Made once a service;
// any thread.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "grammar/shortest_end.h"
#include "grammar/vocabulary.h"
#include "text/tokenizer.h"

namespace tessera::local {

// Longer ways are not looked for.
inline constexpr std::size_t kLongestWay = 1 << 17;

class WayTokens {
 public:
  WayTokens(std::shared_ptr<const text::Tokenizer> tokenizer, grammar::VocabularyPtr vocabulary);

  // Tokens whose bytes are exactly `symbols`, all of them such that the grammar's matcher takes.
  std::vector<TokenId> encode(std::span<const std::uint16_t> symbols) const;
  // Of a text that must come behind `before`, where something follows that is not known: tokens as
  // the tokenizer would write both, but for the last one, which could grow into what follows.
  std::vector<TokenId> encode_forced(std::string_view before,
                                     std::span<const std::uint16_t> symbols) const;
  // How many tokens an answer needs that has this way from its beginning. Behind the reasoning an
  // empty line may come by itself.
  std::int32_t count(std::span<const std::uint16_t> symbols) const;

 private:
  void append_text(std::string_view text, std::vector<TokenId>& out) const;
  std::vector<TokenId> encode_rest(std::span<const std::uint16_t> symbols) const;
  bool spell(std::string_view text, std::span<const TokenId> tokens) const;

  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const grammar::VocabularyPtr vocabulary_;
  std::array<TokenId, 256> bytes_{};  // the token of each byte alone
};

}  // namespace tessera::local
