// A tokenizer's vocabulary as the automaton needs it: a trie of the tokens' bytes, and which ids
// are control symbols. Built once per tokenizer, then immutable: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "text/tokenizer.h"

namespace tessera::grammar {

class Vocabulary {
 public:
  // Depth first; a node's children follow it. A token may share its node with others.
  struct Node {
    std::uint32_t end = 0;  // the first node that is not below this one
    TokenId token = -1;     // the first token that ends here; -1: none
    std::uint8_t byte = 0;
    std::uint8_t depth = 0;  // bytes before this one
  };

  // Tokens longer than 255 bytes are left out: none is ever needed. `end_tokens` end a turn.
  static std::shared_ptr<const Vocabulary> create(const text::Tokenizer& tokenizer,
                                                  std::span<const TokenId> end_tokens);

  std::size_t size() const { return kinds_.size(); }
  std::size_t mask_words() const { return (size() + 31) / 32; }
  using Trie = std::vector<Node>;

  // All tokens; those with and without a quote in them, and with and without a newline.
  const Trie& nodes() const { return all_; }
  const Trie& with(char separator) const { return separator == '"' ? quotes_ : newlines_; }
  const Trie& without(char separator) const { return separator == '"' ? no_quotes_ : no_newlines_; }
  // Further tokens with the same bytes.
  TokenId next_alike(TokenId token) const { return next_alike_[static_cast<std::size_t>(token)]; }
  std::string_view bytes(TokenId token) const { return bytes_[static_cast<std::size_t>(token)]; }
  // kThinkClose, kCallOpen or kCallClose; nothing for all other tokens.
  std::optional<std::uint32_t> symbol(TokenId token) const;
  std::optional<TokenId> token_of_symbol(std::uint32_t symbol) const;
  bool is_end(TokenId token) const { return kinds_[static_cast<std::size_t>(token)] == Kind::kEnd; }
  bool is_text(TokenId token) const {
    return kinds_[static_cast<std::size_t>(token)] == Kind::kText;
  }
  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  std::uint32_t longest() const { return longest_; }

  // Masks that depend on the vocabulary and a string's language alone, kept for all grammars.
  // Bounded; any thread.
  using Mask = std::shared_ptr<const std::vector<std::uint32_t>>;
  Mask find_mask(std::uint64_t key) const;
  void keep_mask(std::uint64_t key, Mask mask) const;

 private:
  enum class Kind : std::uint8_t { kText, kSymbol, kEnd, kOther };

  std::vector<Kind> kinds_;
  std::vector<std::string> bytes_;
  Trie build_trie(std::span<const TokenId> sorted);

  Trie all_, quotes_, no_quotes_, newlines_, no_newlines_;
  std::vector<TokenId> next_alike_;
  std::vector<TokenId> end_tokens_;
  std::optional<TokenId> symbols_[3];
  std::uint32_t longest_ = 0;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::uint64_t, Mask> kept_;
};

using VocabularyPtr = std::shared_ptr<const Vocabulary>;

}  // namespace tessera::grammar
