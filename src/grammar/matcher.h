// One generation under a grammar, token by token: which tokens may come, and the step each takes.
// One object a choice; one thread. The grammar and the vocabulary are shared.
//
//   matcher.fill_mask(words);   // bit (id % 32) of word id / 32: 1 when the token may come
//   matcher.accept(token);      // false, and nothing changed: it may not come
//
// Until the generation is done there is always a token that may come, as long as the vocabulary
// has all 256 single bytes and the control tokens that the grammar's plan names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/machine.h"
#include "grammar/shortest_end.h"
#include "grammar/vocabulary.h"

namespace tessera::grammar {

class Matcher {
 public:
  // How many tokens rollback() can take back.
  static constexpr std::size_t kMaxRollback = 64;

  Matcher(GrammarPtr grammar, VocabularyPtr vocabulary);

  bool accept(TokenId token);
  // Ordinary text, whole or nothing: for tests, and for text that is known in advance.
  bool accept_bytes(std::string_view bytes);
  // A control symbol (machine.h).
  bool accept_symbol(std::uint32_t symbol);
  // Takes back the last `count` accepted tokens (or texts).
  void rollback(std::size_t count);

  // `words` has vocabulary.mask_words() of them and is overwritten. False: the generation's fuel is
  // used up, and the words mean nothing. Fuel is counted in places of the vocabulary that are
  // looked at times readings of the text that are compared there; each accepted token brings some.
  // A schema has to be written for using it up: one with many readings at once, in states that
  // never come back.
  bool fill_mask(std::span<std::uint32_t> words);
  // What must come now: see Machine::forced().
  Symbols forced(std::size_t limit) { return machine_.forced(threads_, limit); }
  // A short way to an end of the text, of at most `limit` symbols; see shortest_end.h.
  ShortestEnd shortest_end(std::size_t limit) {
    return grammar::shortest_end(machine_, threads_, limit, &known_way_);
  }
  // Nothing is masked right now (free text): fill_mask() forbids control tokens at most.
  bool is_free() const;
  // The text may end here: end tokens may come.
  bool is_done() const { return machine_.may_end(threads_); }
  // An end token was accepted.
  bool ended() const { return ended_; }

 private:
  struct Past {
    Machine::Threads threads;
    bool ended = false;
  };

  bool advance(std::uint32_t symbol, Machine::Threads& threads);
  void commit(Machine::Threads threads);
  std::uint64_t state_hash() const;
  // The answer can come to where it is once more.
  bool comes_back() const;
  // Sets the bits of what the threads in levels_[depth] can read of `trie`, from node `begin` to
  // `end`, which are at that depth and below: tokens, or tails (their numbers).
  // Stops where the fuel ends.
  template <bool kTails>
  void walk(const TokenTrie& trie, std::uint32_t begin, std::uint32_t end,
            std::span<std::uint32_t> words);
  // The same for the nodes of a fan, which are at `depth`.
  template <bool kTails>
  void walk_fan(const TokenTrie& trie, std::uint16_t fan, std::uint32_t depth,
                std::span<std::uint32_t> words);
  template <bool kTails>
  void set_number(const TrieNode& node, std::span<std::uint32_t> words) const {
    if constexpr (kTails) {
      words[static_cast<std::size_t>(node.token) / 32] |= 1u << (node.token % 32);
    } else {
      vocabulary_->set_tokens(node, words);
    }
  }
  // The same for a thread in front of a character of a text.
  template <bool kTails>
  void walk_text(const TokenTrie& trie, std::uint32_t begin, std::uint32_t end,
                 const Thread& thread, std::span<std::uint32_t> words);
  // Where a thread is in its text; nothing: it is not in front of a character, or what may come
  // depends on more than the text's language.
  std::optional<TextPlace> place_of(const Thread& thread) const;
  // The same as walk() for the whole vocabulary and one thread inside a text, in one piece
  // (mask_text.cpp); false: this text is not of that kind.
  bool fill_text(const Thread& thread, std::span<std::uint32_t> words);
  // The same for one inside a rule's text, or a free parameter's name.
  bool fill_rule_text(const Thread& thread, std::span<std::uint32_t> words);
  // `mask` without what begins with one of `dead`.
  TextMaskPtr without(const Thread& thread, const TextMask& mask,
                      const std::vector<std::u32string>& dead);
  void fill_ends(const Thread& thread, const TextMask& mask,
                 const std::vector<std::u32string>& taken, std::span<std::uint32_t> words);
  // What becomes of `threads` behind `bytes`.
  Machine::Threads read(Machine::Threads threads, std::string_view bytes);
  void fill_free(std::span<std::uint32_t> words) const;
  void fill_controls(std::span<std::uint32_t> words);
  bool can_take_symbol(std::uint32_t symbol);

  VocabularyPtr vocabulary_;
  Machine machine_;
  Machine::Threads threads_;
  bool ended_ = false;
  KnownWay known_way_;
  std::int64_t fuel_;
  std::deque<Past> past_;
  std::vector<Machine::Threads> levels_;  // of the walk, by depth
  std::vector<std::size_t> marks_;
  std::vector<std::uint32_t> tails_;  // bits: that can be read behind a text
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> masks_;  // by state
  std::uint64_t last_state_ = 0;                                         // that a mask was made for
};

// Makes the masks and languages that grammars share, so that no request has to wait for them: once
// per vocabulary.
void warm_up(const VocabularyPtr& vocabulary);
// Makes masks of the grammar's patterns, so that no step of the engine has to: of the first states
// of each, as long as some milliseconds' fuel lasts. Meant for the thread that compiled it.
void prepare_masks(const Grammar& grammar, const Vocabulary& vocabulary);

}  // namespace tessera::grammar
