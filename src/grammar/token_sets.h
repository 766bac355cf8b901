// Which tokens are made of which characters, as bitmaps over the vocabulary. The mask of "the first
// character is in this class, all others are in that one, and they are at most n" is put together
// of few of them, in microseconds, whatever the classes are.
//
// Only tokens that are whole characters (valid UTF-8) are in any of the sets. Built once per
// vocabulary, then immutable: any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace tessera::grammar {

// A set of code points; surrogates do not matter.
struct CharacterClass {
  std::array<std::uint64_t, 2> ascii{};
  // Of those from 128 on: ascending, both ends belong to it.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> beyond;

  bool has_ascii(std::uint32_t c) const { return (ascii[c / 64] >> (c % 64) & 1) != 0; }
  bool has(std::uint32_t code_point) const;
  void add(std::uint32_t low, std::uint32_t high);  // ascending calls
};

class TokenSets {
 public:
  using Words = std::span<std::uint32_t>;

  // By id; empty ones are in no set. The strings must outlive this.
  explicit TokenSets(const std::vector<std::string>& tokens);

  // Overwrites `words` with the tokens of 1 to `most` characters of which the first is in `first`
  // and all others are in `rest`.
  void select(const CharacterClass& first, const CharacterClass& rest, std::uint32_t most,
              Words words) const;
  // Takes out tokens of more than `most` characters.
  void keep_short(std::uint32_t most, Words words) const;
  // Tokens of more than kLengths characters are few: how many characters, and which token.
  static constexpr std::uint32_t kLengths = 32;
  const std::vector<std::pair<std::uint32_t, TokenId>>& long_tokens() const { return long_; }
  std::size_t bytes() const;

 private:
  // Some tokens: a bitmap, or a list when they are few.
  struct Set {
    std::vector<std::uint32_t> bitmap;
    std::vector<TokenId> list;
  };
  // The tokens that have a character of some set at some place (the first, or any other).
  struct Index {
    // A binary tree over ASCII: node 1 is all of it, 2n and 2n + 1 are the halves of n.
    std::array<Set, 256> ascii;
    Set beyond;  // any from 128 on
    // Those one by one: the tokens of code_points[i] begin at starts[i].
    std::vector<std::uint32_t> code_points;
    std::vector<std::uint32_t> starts;
    std::vector<TokenId> tokens;
  };

  Set make_set(const std::vector<TokenId>& tokens) const;
  void build(Index& index, std::vector<std::vector<TokenId>>& ascii,
             std::vector<std::pair<std::uint32_t, TokenId>>& beyond) const;
  void exclude_ascii(const Index& index, const CharacterClass& kept, std::uint32_t node,
                     std::uint32_t low, std::uint32_t high, std::vector<const Set*>& out) const;
  void exclude_beyond(const Index& index, const CharacterClass& kept, Words words) const;
  static void take_out(std::span<const Set* const> sets, Words words);

  const std::vector<std::string>& tokens_;
  std::size_t words_;
  std::vector<std::uint32_t> whole_;
  Index first_, rest_;
  std::vector<std::vector<std::uint32_t>> at_most_;      // of 1, 2, … kLengths characters
  std::vector<std::pair<std::uint32_t, TokenId>> long_;  // characters, of those with more
};

}  // namespace tessera::grammar
