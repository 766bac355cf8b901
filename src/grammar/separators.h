// The tokens of a vocabulary that are more to a text than plain characters. Of a JSON string: those
// with escapes or a quote; of a call's raw parameter: those with a newline; of both: those with a
// part of a character.
//
// What comes behind a separator ('"', or a newline) does not depend on the text that it ends, so
// that a token with one is a head, which the text has to read, and a tail, which the automaton
// behind it has to read. Tails are few, and are looked at once for all heads.
//
// Built once per vocabulary, then immutable: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "grammar/token_trie.h"

namespace tessera::grammar {

class Separators {
 public:
  // A separator in a token: its head is what lies before, its tail what lies behind.
  struct Pair {
    TokenId token = 0;
    std::uint8_t head = 0;    // bytes
    std::uint32_t entry = 0;  // the head's, if any text reads it
  };
  // What begins behind a tail's second further separator is only reached by a text that began in
  // the tail; kNowhere: there is none.
  static constexpr std::uint8_t kNowhere = 255;
  struct Tail {
    std::string text;
    std::uint32_t first_pair = 0;  // its pairs end where those of the next tail begin
    std::uint8_t second = kNowhere;
  };
  // What a text reads of a token: the whole of it, or a head. Entries ascend by their characters,
  // those of whole tokens first.
  struct Entry {
    std::uint32_t characters = 0;  // where they begin
    std::uint8_t length = 0;       // how many there are
    std::uint8_t common = 0;       // how many the entry before begins with, too
    std::uint16_t part = 0;        // of parts(); 0: it ends in front of a character
    std::uint32_t number = 0;      // the token; the pair if `head`
    bool head = false;
  };
  // What a part of a character at a token's end can become: one of two ranges, either may be empty.
  using Range = std::pair<std::uint32_t, std::uint32_t>;
  using Part = std::pair<Range, Range>;

  // `tokens` by id.
  Separators(bool raw, const std::vector<std::string>& tokens);

  const std::vector<Entry>& entries() const { return entries_; }
  // Where those of heads begin.
  std::size_t first_head() const { return first_head_; }
  // The first entry behind `entry`, or that where its kind ends, that has at most `common`
  // characters, 0 or 1, in common with it and those between.
  std::size_t skip(std::size_t entry, std::uint32_t common) const { return skips_[common][entry]; }
  // The entries, those with the most characters first, parts of characters counted.
  const std::vector<std::uint32_t>& longest_first() const { return longest_first_; }
  static std::uint32_t characters_of(const Entry& entry) {
    return entry.length + (entry.part != 0 ? 1u : 0u);
  }
  // Bits: tokens that are entries as a whole.
  const std::vector<std::uint32_t>& whole_tokens() const { return whole_tokens_; }
  const std::u32string& characters() const { return characters_; }
  std::u32string_view text(const Entry& entry) const {
    return std::u32string_view(characters_).substr(entry.characters, entry.length);
  }
  const std::vector<Part>& parts() const { return parts_; }
  const std::vector<Pair>& pairs() const { return pairs_; }  // by tail
  // Ascending, and one more that ends the last one's pairs.
  const std::vector<Tail>& tails() const { return tails_; }
  // The numbers of tails with a second further separator.
  const std::vector<std::uint32_t>& reopening() const { return reopening_; }
  // Numbers: of the tails; the empty one, the first, is not in it.
  const TokenTrie& tail_trie() const { return tail_trie_; }
  std::size_t bytes() const;

 private:
  // False: no text can read that.
  bool decode(bool raw, std::string_view text, Entry& entry, std::u32string& characters);
  void add_tails(bool raw, const std::vector<std::string>& tokens);

  void arrange_entries(std::size_t tokens);

  std::vector<Entry> entries_;
  std::size_t first_head_ = 0;
  std::vector<std::uint32_t> skips_[2];
  std::vector<std::uint32_t> longest_first_;
  std::vector<std::uint32_t> whole_tokens_;
  std::u32string characters_;
  std::vector<Part> parts_;
  std::vector<Pair> pairs_;
  std::vector<Tail> tails_;
  std::vector<std::uint32_t> reopening_;
  TokenTrie tail_trie_;
};

}  // namespace tessera::grammar
