// A tokenizer's vocabulary as the automaton needs it: the tokens' bytes as a trie, as sets by their
// characters, as heads and tails of texts, and which ids are control symbols. Built once per
// tokenizer, then immutable: any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "grammar/separators.h"
#include "grammar/text_mask.h"
#include "grammar/token_sets.h"
#include "grammar/token_trie.h"
#include "text/tokenizer.h"

namespace tessera::grammar {

class Vocabulary {
 public:
  // Tokens longer than kLongestToken bytes are left out: none is ever needed. `end_tokens` end a
  // turn.
  static std::shared_ptr<const Vocabulary> create(const text::Tokenizer& tokenizer,
                                                  std::span<const TokenId> end_tokens);
  Vocabulary(std::vector<std::string> bytes, std::span<const TokenId> end_tokens);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  std::size_t size() const { return kinds_.size(); }
  std::size_t mask_words() const { return (size() + 31) / 32; }

  // All tokens. One may share its node with others.
  const TokenTrie& trie() const { return trie_; }
  const TokenSets& sets() const { return *sets_; }
  // What a JSON string, or a raw text, can end in.
  const Separators& separators(bool raw) const { return raw ? *newlines_ : *quotes_; }
  // Calls `use` with each of the tokens that end at a node which has some.
  template <class Use>
  void for_tokens(const TrieNode& node, const Use& use) const {
    for (TokenId token = node.token; token >= 0;) {
      use(token);
      if (next_alike_.empty()) return;
      token = next_alike_[static_cast<std::size_t>(token)];
    }
  }
  void set_tokens(const TrieNode& node, std::span<std::uint32_t> words) const {
    for_tokens(node, [&](TokenId token) {
      words[static_cast<std::size_t>(token) / 32] |= 1u << (static_cast<std::size_t>(token) % 32);
    });
  }
  std::string_view bytes(TokenId token) const { return bytes_[static_cast<std::size_t>(token)]; }
  // bytes() will be asked for soon.
  void prefetch(TokenId token) const {
    __builtin_prefetch(&bytes_[static_cast<std::size_t>(token)]);
  }
  // kThinkClose, kCallOpen or kCallClose; nothing for all other tokens.
  std::optional<std::uint32_t> symbol(TokenId token) const;
  std::optional<TokenId> token_of_symbol(std::uint32_t symbol) const;
  bool is_end(TokenId token) const { return kinds_[static_cast<std::size_t>(token)] == Kind::kEnd; }
  bool is_text(TokenId token) const {
    return kinds_[static_cast<std::size_t>(token)] == Kind::kText;
  }
  std::span<const TokenId> end_tokens() const { return end_tokens_; }
  std::uint32_t longest() const { return longest_; }

  // The tokens that have this byte behind their first one. Listed when it is first asked for: any
  // thread.
  std::span<const TokenId> tokens_with(std::uint8_t byte) const;
  // The mask of a text's place, kept for all grammars: the last used ones, some 16 MiB. Any thread.
  TextMaskPtr text_mask(const TextPlace& place, std::int64_t& fuel) const;
  // Of the tables, without what is kept.
  std::size_t table_bytes() const;

 private:
  TextMaskPtr find_mask(std::uint64_t key) const;
  void keep(std::uint64_t key, const TextMaskPtr& mask) const;  // under the lock

  enum class Kind : std::uint8_t { kText, kSymbol, kEnd, kOther };

  std::vector<Kind> kinds_;
  std::vector<std::string> bytes_;
  TokenTrie trie_;
  std::unique_ptr<const TokenSets> sets_;
  std::unique_ptr<const Separators> quotes_, newlines_;
  std::vector<TokenId> next_alike_;  // further tokens with the same bytes; empty: there are none
  std::vector<TokenId> end_tokens_;
  std::optional<TokenId> symbols_[3];
  std::uint32_t longest_ = 0;

  mutable std::once_flag listed_;
  mutable std::vector<TokenId> with_;
  mutable std::array<std::uint32_t, 257> with_begins_{};

  // Those used lately, and those used before them: the former become the latter when they are many.
  using Kept = std::unordered_map<std::uint64_t, TextMaskPtr>;
  mutable std::mutex mutex_;
  mutable Kept kept_, kept_before_;
  mutable std::size_t kept_bytes_ = 0;
};

using VocabularyPtr = std::shared_ptr<const Vocabulary>;

}  // namespace tessera::grammar
