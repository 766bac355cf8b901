// Finds added tokens ("<|im_end|>") that are spelt out in a text: leftmost first, the longest of
// those that begin at the same place, none overlapping. Linear in the text and in the literals,
// whatever both are. Immutable, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"

namespace tessera::text {

class AddedTokens {
 public:
  struct Literal {
    std::string_view text;  // not empty; need not live on
    TokenId id = 0;
  };
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
    TokenId id = 0;
  };

  AddedTokens() : AddedTokens(std::vector<Literal>()) {}
  // Literals are distinct.
  explicit AddedTokens(const std::vector<Literal>& literals);

  std::vector<Match> find(std::string_view text) const;
  std::optional<TokenId> find_whole(std::string_view literal) const;

 private:
  // An Aho-Corasick automaton over the reversed literals, which reads the text from its end. In
  // each place it knows the longest literal that begins there; picking from left to right is then
  // all that is left to do.
  struct Node {
    std::int32_t fallback = 0;  // the node of the longest proper suffix that is in the trie
    std::uint32_t longest =
        0;            // bytes of the longest literal that ends (in reading order) here; 0: none
    TokenId id = -1;  // of that literal
  };
  std::int32_t child(std::int32_t node, unsigned char byte) const;
  std::int32_t add_child(std::int32_t node, unsigned char byte);
  void add_fallbacks();

  std::vector<Node> nodes_;
  std::array<std::int32_t, 256> root_children_;  // 0: none
  std::unordered_map<std::uint64_t, std::int32_t>
      edges_;  // of the other nodes: node << 8 | byte → node
};

}  // namespace tessera::text
