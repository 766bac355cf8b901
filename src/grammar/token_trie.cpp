#include "grammar/token_trie.h"

#include <algorithm>

namespace tessera::grammar {

TokenTrie build_trie(const std::vector<TrieEntry>& sorted) {
  TokenTrie nodes;
  std::vector<std::uint32_t> path;  // the nodes above, by depth
  std::string_view before;
  for (const auto& [text, number] : sorted) {
    if (text.empty()) continue;
    const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    auto common = static_cast<std::size_t>(differ.first - before.begin());
    while (path.size() > common) {
      nodes[path.back()].end = static_cast<std::uint32_t>(nodes.size());
      path.pop_back();
    }
    for (; common < text.size(); ++common) {
      path.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back(
          {0, -1, static_cast<std::uint8_t>(text[common]), static_cast<std::uint8_t>(common)});
    }
    if (nodes[path.back()].token < 0) nodes[path.back()].token = number;
    before = text;
  }
  for (const std::uint32_t node : path) nodes[node].end = static_cast<std::uint32_t>(nodes.size());
  return nodes;
}

}  // namespace tessera::grammar
