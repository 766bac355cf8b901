#include "grammar/token_trie.h"

#include <algorithm>

namespace tessera::grammar {

namespace {

constexpr std::uint32_t kManyChildren = 6;
constexpr std::size_t kMaxFans = 60'000;

}  // namespace

TokenTrie::TokenTrie(const std::vector<TrieEntry>& sorted) {
  std::vector<std::uint32_t> path;  // the nodes above, by depth
  std::string_view before;
  for (const auto& [text, number] : sorted) {
    if (text.empty()) continue;
    const auto differ = std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    auto common = static_cast<std::size_t>(differ.first - before.begin());
    while (path.size() > common) {
      nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
      path.pop_back();
    }
    for (; common < text.size(); ++common) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back(
          {0, -1, static_cast<std::uint8_t>(text[common]), static_cast<std::uint8_t>(common)});
    }
    if (nodes_[path.back()].token < 0) nodes_[path.back()].token = number;
    before = text;
  }
  for (const std::uint32_t node : path)
    nodes_[node].end = static_cast<std::uint32_t>(nodes_.size());
  add_fans();
}

std::uint32_t TokenTrie::find(std::string_view text) const {
  std::uint32_t node = 0;
  std::uint32_t end = static_cast<std::uint32_t>(nodes_.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i > 0) end = nodes_[node++].end;
    while (node < end && nodes_[node].byte != static_cast<std::uint8_t>(text[i])) {
      node = nodes_[node].end;
    }
    if (node >= end) return kNowhere;
  }
  return node;
}

void TokenTrie::add_fan(std::uint32_t first, std::uint32_t end) {
  for (std::uint32_t child = first; child < end; child = nodes_[child].end) {
    children_.push_back({child, nodes_[child].byte});
  }
  fans_.push_back(static_cast<std::uint32_t>(children_.size()));
}

void TokenTrie::add_fans() {
  fans_.push_back(0);
  add_fan(0, static_cast<std::uint32_t>(nodes_.size()));
  for (std::uint32_t i = 0; i < nodes_.size() && fans_.size() < kMaxFans; ++i) {
    std::uint32_t children = 0;
    for (std::uint32_t child = i + 1; child < nodes_[i].end; child = nodes_[child].end) ++children;
    if (children < kManyChildren) continue;
    nodes_[i].fan = static_cast<std::uint16_t>(fans_.size() - 1);
    add_fan(i + 1, nodes_[i].end);
  }
}

}  // namespace tessera::grammar
