// How masks of texts are made (text_mask.h): what one place's mask takes. Private to text_mask.cpp
// and text_mask_rows.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "grammar/text_mask.h"
#include "grammar/text_reader.h"
#include "grammar/token_sets.h"
#include "grammar/vocabulary.h"

namespace tessera::grammar {

class TextMaskMaker {
 public:
  using State = Language::State;
  // Of the vocabulary's places and of its words, to one unit of fuel.
  static constexpr std::int64_t kPlacesPerFuel = 8;
  static constexpr std::uint32_t kLongest = kLongestToken;

  TextMaskMaker(const Vocabulary& vocabulary, const TextPlace& place, std::int64_t& fuel)
      : vocabulary_(vocabulary),
        place_(place),
        language_(*place.language),
        reader_(place),
        fuel_(fuel),
        out_(std::make_shared<TextMask>()) {}

  TextMaskPtr shorten(const TextMask& free);
  TextMaskPtr adjust(const TextMask& alike);
  TextMaskPtr make();

 private:
  // A set of the language's classes of characters.
  using Classes = std::vector<bool>;

  // Tokens whose first character is of one class and all others of another go through the same
  // states, one a character.
  struct Row {
    CharacterClass first;
    CharacterClass rest;
    std::uint32_t reach = 0;  // up to so many characters may come
    bool ends = false;        // and none of more
    // Of the language's classes: the first, the rest, and what leads away from the rest.
    Classes begin, kept, exits;
  };

  // A next state, and what leads to it.
  struct Branch {
    State to = Language::kDead;
    std::uint32_t weight = 0;
    Classes classes;
  };

  // What the characters from 128 on lead to from a state.
  struct Beyond {
    State state = Language::kDead;
    bool all = false;   // each of them on
    bool some = false;  // one of them
  };

  TextMaskPtr finished();
  void fill_dense();
  void fill_row(const Row& row, const Classes& ever, std::vector<std::uint32_t>& others);
  void read_others(std::span<const std::uint32_t> others);
  static std::vector<TokenId> listed(std::span<const std::uint32_t> bits, std::size_t most);
  void read_each(std::span<const TokenId> tokens);
  std::vector<TokenId> plain_long_tokens() const;
  void read_long(std::span<const TokenId> tokens);
  Row total_row() const;
  Row make_row(const Branch& branch, const std::vector<std::uint32_t>& weights);
  void extend(Row& row, State state, const std::vector<std::uint32_t>& weights);
  bool alike(State a, State b);
  std::uint32_t reach_of_total() const;
  // Where characters lead to from a state; what most of them do comes first.
  std::vector<Branch> branches(State state, const std::vector<std::uint32_t>& weights);
  std::vector<std::uint32_t> class_weights() const;
  Classes ever_living(State state) const;
  CharacterClass characters(const Classes& classes) const;
  struct PlainWalk {
    const TokenTrie& trie;
    TextReader::At* levels;
    std::size_t read;  // nodes
    std::size_t most;
  };
  bool walk_plain(std::size_t most);
  void walk_plain(PlainWalk& walk, std::uint32_t index, std::uint8_t byte, std::uint32_t depth);
  void read_special();
  void shorten_special(const TextMask& free, std::uint32_t sure);
  std::size_t behind_dead(const Separators& separators, std::size_t entry) const;
  bool reads_plain(TokenId token) const;
  bool is_special(TokenId token) const;
  bool reads(const Separators::Entry& entry);
  bool may_become(State state, std::uint32_t read, const Separators::Part& part);
  Beyond beyond_ascii(State state) const;
  void set_entry(const Separators::Entry& entry);

  const Vocabulary& vocabulary_;
  const TextPlace& place_;
  const Language& language_;
  TextReader reader_;
  std::int64_t& fuel_;
  const std::vector<std::uint64_t>* alike_ = nullptr;
  Beyond beyond_;             // of the state that was asked for last
  bool approximate_ = false;  // states were taken for one that are not
  std::shared_ptr<TextMask> out_;
};

}  // namespace tessera::grammar
