// Byte strings as a trie, depth first in one array: what a mask's walk goes through. Built once,
// then immutable: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::grammar {

// A byte string of at most kLongestToken bytes, and its number.
using TrieEntry = std::pair<std::string_view, std::int32_t>;

// The longest token of a trie.
inline constexpr std::size_t kLongestToken = 255;

// A node's children follow it.
struct TrieNode {
  std::uint32_t end = 0;    // the first node that is not below this one
  std::int32_t token = -1;  // the first of those that end here; -1: none
  std::uint8_t byte = 0;
  std::uint8_t depth = 0;  // bytes before this one
  std::uint16_t fan = 0;   // its children once more; 0: they are too few
};

class TokenTrie {
 public:
  // Many siblings side by side: those that nothing reads are passed by without a look at the nodes,
  // which lie far apart.
  struct Child {
    std::uint32_t node = 0;
    std::uint8_t byte = 0;
  };

  TokenTrie() = default;
  // `sorted` ascends; of equal strings the first one's number is kept.
  explicit TokenTrie(const std::vector<TrieEntry>& sorted);

  const std::vector<TrieNode>& nodes() const { return nodes_; }
  // Fan 0 is that of the beginning.
  std::span<const Child> fan(std::uint16_t number) const {
    return std::span(children_).subspan(fans_[number], fans_[number + 1u] - fans_[number]);
  }
  // The node at the end of `text`, which is not empty; kNowhere: there is none.
  static constexpr std::uint32_t kNowhere = ~0u;
  std::uint32_t find(std::string_view text) const;
  std::size_t bytes() const {
    return nodes_.size() * sizeof(TrieNode) + children_.size() * sizeof(Child) + fans_.size() * 4;
  }

 private:
  void add_fan(std::uint32_t first, std::uint32_t end);
  void add_fans();

  std::vector<TrieNode> nodes_;
  std::vector<Child> children_;
  std::vector<std::uint32_t> fans_;  // where each begins, and the end
};

}  // namespace tessera::grammar
