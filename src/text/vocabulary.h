// A checkpoint's vocabulary, checked and made ready for use: the bytes of each token, the token of
// each byte, the merges, the added tokens. Immutable once built, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "text/added_tokens.h"
#include "text/merges.h"
#include "text/tokenizer.h"

namespace tessera::text {

// Added tokens are those whose text is taken literally and becomes their id only where the caller
// says so.
inline bool is_added(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUserDefined ||
         kind == TokenKind::kUnknown;
}

class Vocabulary {
 public:
  // Errors name the token or merge. What is guaranteed then: every byte value has a normal token of
  // its own; a merge joins two normal tokens into the normal token that their bytes spell; no two
  // normal tokens have the same bytes, no two added tokens the same text.
  static Result<Vocabulary> build(const TokenizerData& data);

  std::size_t size() const { return kinds_.size(); }
  TokenKind kind(TokenId token) const { return kinds_[index_of(token)]; }
  std::string_view bytes(TokenId token) const {
    const std::size_t i = index_of(token);
    return std::string_view(bytes_).substr(ends_[i], ends_[i + 1] - ends_[i]);
  }
  TokenId byte_token(char byte) const { return byte_tokens_[static_cast<unsigned char>(byte)]; }
  const MergeTable& merges() const { return merges_; }
  const AddedTokens& added() const { return added_; }

 private:
  std::size_t index_of(TokenId token) const {
    CHECK(token >= 0 && static_cast<std::size_t>(token) < kinds_.size());
    return static_cast<std::size_t>(token);
  }
  class Builder;

  std::string bytes_;              // of all tokens, by id
  std::vector<std::size_t> ends_;  // token i ends at ends_[i + 1]; ends_[0] is 0
  std::vector<TokenKind> kinds_;
  std::array<TokenId, 256> byte_tokens_{};
  MergeTable merges_;
  AddedTokens added_;
};

}  // namespace tessera::text
