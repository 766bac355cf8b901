// Byte strings as a trie, depth first in one array: what a mask's walk goes through. Built once,
// then immutable: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::grammar {

// A node's children follow it.
struct TrieNode {
  std::uint32_t end = 0;    // the first node that is not below this one
  std::int32_t token = -1;  // the first of those that end here; -1: none
  std::uint8_t byte = 0;
  std::uint8_t depth = 0;  // bytes before this one
};

using TokenTrie = std::vector<TrieNode>;

// A byte string of at most 255 bytes, and its number.
using TrieEntry = std::pair<std::string_view, std::int32_t>;

// The longest token of a trie.
inline constexpr std::size_t kLongestToken = 255;

// `sorted` ascends; of equal strings the first one's number is kept.
TokenTrie build_trie(const std::vector<TrieEntry>& sorted);

}  // namespace tessera::grammar
