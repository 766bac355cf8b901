// Which tokens are made of which characters, as bitmaps over the vocabulary. The mask of "the first
// character is in this class, all others are in that one, and they are at most n" is put together
// of few of them, in microseconds, whatever the classes are.
//
// Only tokens that are whole characters (valid UTF-8) are in any of the sets. Built once per
// vocabulary; any thread. What was put together lately is kept: patterns have few classes of
// characters, and different ones have the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "grammar/token_trie.h"

namespace tessera::grammar {

// A set of code points; surrogates do not matter.
struct CharacterClass {
  std::array<std::uint64_t, 2> ascii{};
  // Of those from 128 on: ascending, both ends belong to it.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> beyond;

  bool has_ascii(std::uint32_t c) const { return (ascii[c / 64] >> (c % 64) & 1) != 0; }
  bool has(std::uint32_t code_point) const;
  void add(std::uint32_t low, std::uint32_t high);  // ascending calls
  bool operator==(const CharacterClass&) const = default;
};

class TokenSets {
 public:
  using Words = std::span<std::uint32_t>;
  using Bitmap = std::vector<std::uint32_t>;
  using BitmapPtr = std::shared_ptr<const Bitmap>;

  // By id; empty ones are in no set. The strings must outlive this.
  explicit TokenSets(const std::vector<std::string>& tokens);

  // The tokens of which the first character is in `first` and all others are in `rest`.
  BitmapPtr select(const CharacterClass& first, const CharacterClass& rest) const;
  // Those of 1 to `most` characters. Where that is more than kLengths and less than kLongestToken,
  // the long ones are not among them: they are to be looked at one by one.
  const Bitmap& at_most(std::uint32_t most) const {
    return most >= kLongestToken ? whole_ : at_most_[std::min(most, kLengths)];
  }
  // Tokens of more than kLengths characters are few: how many characters, and which token. They
  // ascend by their texts.
  static constexpr std::uint32_t kLengths = 32;
  const std::vector<std::pair<std::uint32_t, TokenId>>& long_tokens() const { return long_; }
  std::size_t bytes() const;

 private:
  // Some tokens: a bitmap, or a list when they are few.
  struct Set {
    Bitmap bitmap;
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

  struct Wanted {
    CharacterClass first;
    CharacterClass rest;
    bool operator==(const Wanted&) const = default;
  };
  struct WantedHash {
    std::size_t operator()(const Wanted& wanted) const;
  };
  using Kept = std::unordered_map<Wanted, BitmapPtr, WantedHash>;

  Set make_set(const std::vector<TokenId>& tokens) const;
  void build(Index& index, std::vector<std::vector<TokenId>>& ascii,
             std::vector<std::pair<std::uint32_t, TokenId>>& beyond) const;
  void exclude_ascii(const Index& index, const CharacterClass& kept, std::uint32_t node,
                     std::uint32_t low, std::uint32_t high, std::vector<const Set*>& out) const;
  void exclude_beyond(const Index& index, const CharacterClass& kept, Words words) const;
  Bitmap put_together(const Wanted& wanted) const;
  static void take_out(std::span<const Set* const> sets, Words words);

  const std::vector<std::string>& tokens_;
  std::size_t words_;
  Bitmap whole_;
  Index first_, rest_;
  std::vector<Bitmap> at_most_;                          // of 0, 1, 2, … kLengths characters
  std::vector<std::pair<std::uint32_t, TokenId>> long_;  // characters, of those with more

  // Those asked for lately, and before: the former become the latter when they are many.
  mutable std::mutex mutex_;
  mutable Kept kept_, kept_before_;
};

}  // namespace tessera::grammar
