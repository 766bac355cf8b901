// The tokens that may come inside a text (a JSON string, a call's raw parameter, a key), as far as
// the text's language alone says so: those that stay inside it, and those that may end it, of which
// the automaton has to read the tail. Almost the whole vocabulary may come in most places; the
// masks are put together of the vocabulary's sets of tokens (token_sets.h), and only what such sets
// cannot tell is read character by character.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "grammar/language.h"
#include "grammar/separators.h"

namespace tessera::grammar {

class Vocabulary;

// Between two characters of a text.
struct TextPlace {
  LanguagePtr language;
  Language::State state = Language::kDead;
  std::uint32_t left = kUnbounded;  // so many characters may still come
  std::uint32_t need = 0;           // and so many have to; only with any()
  bool raw = false;

  // Places of equal hashes have equal masks, but for long tokens where the states are others
  // (adjust_text_mask()).
  std::uint64_t hash() const;
};

struct TextMask {
  std::vector<std::uint32_t> words;         // bits by token; empty where they are few
  std::vector<TokenId> few;                 // then these
  Language::State state = Language::kDead;  // the place's
  std::vector<std::uint32_t> ends;          // bits: pairs of Separators whose head may end the text

  void add_to(std::span<std::uint32_t> mask) const;
  // As bits, few or not.
  std::vector<std::uint32_t> bits(std::size_t mask_words) const;
  std::size_t bytes() const { return (words.size() + few.size() + ends.size()) * 4 + 256; }
};

using TextMaskPtr = std::shared_ptr<const TextMask>;

// Takes from `fuel` an eighth of the trie's nodes that are looked at.
TextMaskPtr make_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                           std::int64_t& fuel);

// The same for a place with a bound or a need, from the mask of the place without them; null: it is
// made as fast without.
TextMaskPtr shorten_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                              const TextMask& free, std::int64_t& fuel);

// The same for a place of equal hash, from the mask of another one's state.
TextMaskPtr adjust_text_mask(const Vocabulary& vocabulary, const TextPlace& place,
                             const TextMask& alike, std::int64_t& fuel);

}  // namespace tessera::grammar
