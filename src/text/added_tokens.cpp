#include "text/added_tokens.h"

#include <algorithm>

#include "base/check.h"

namespace tessera::text {
namespace {

constexpr std::int32_t kRoot = 0;

std::uint64_t edge_key(std::int32_t node, unsigned char byte) {
  return static_cast<std::uint64_t>(node) << 8 | byte;
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<Literal>& literals) : nodes_(1) {
  root_children_.fill(kRoot);
  for (const Literal& literal : literals) {
    CHECK(!literal.text.empty());
    std::int32_t node = kRoot;
    for (auto it = literal.text.rbegin(); it != literal.text.rend(); ++it) {
      node = add_child(node, static_cast<unsigned char>(*it));
    }
    nodes_[node].longest = static_cast<std::uint32_t>(literal.text.size());
    nodes_[node].id = literal.id;
  }
  add_fallbacks();
}

std::int32_t AddedTokens::child(std::int32_t node, unsigned char byte) const {
  if (node == kRoot) return root_children_[byte];
  const auto it = edges_.find(edge_key(node, byte));
  return it == edges_.end() ? kRoot : it->second;
}

std::int32_t AddedTokens::add_child(std::int32_t node, unsigned char byte) {
  if (const std::int32_t existing = child(node, byte); existing != kRoot) return existing;
  const auto added = static_cast<std::int32_t>(nodes_.size());
  nodes_.emplace_back();
  if (node == kRoot) {
    root_children_[byte] = added;
  } else {
    edges_.emplace(edge_key(node, byte), added);
  }
  return added;
}

void AddedTokens::add_fallbacks() {
  struct Edge {
    std::int32_t parent;
    std::int32_t child;
    unsigned char byte;
  };
  std::vector<std::vector<Edge>> children(nodes_.size());
  for (const auto& [key, node] : edges_) {
    const auto parent = static_cast<std::int32_t>(key >> 8);
    children[parent].push_back({parent, node, static_cast<unsigned char>(key)});
  }
  std::vector<std::int32_t> queue;  // breadth first: a fallback is always nearer to the root
  for (const std::int32_t node : root_children_) {
    if (node != kRoot) queue.push_back(node);
  }
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const Edge& edge : children[queue[i]]) {
      std::int32_t fallback = nodes_[edge.parent].fallback;
      while (fallback != kRoot && child(fallback, edge.byte) == kRoot) {
        fallback = nodes_[fallback].fallback;
      }
      fallback = child(fallback, edge.byte);
      Node& node = nodes_[edge.child];
      node.fallback = fallback;
      if (node.longest == 0) {
        node.longest = nodes_[fallback].longest;
        node.id = nodes_[fallback].id;
      }
      queue.push_back(edge.child);
    }
  }
}

std::vector<AddedTokens::Match> AddedTokens::find(std::string_view text) const {
  std::vector<Match> matches;  // at first every place where a literal begins, from the right
  std::int32_t node = kRoot;
  for (std::size_t i = text.size(); i-- > 0;) {
    const auto byte = static_cast<unsigned char>(text[i]);
    std::int32_t next = child(node, byte);
    while (next == kRoot && node != kRoot) {
      node = nodes_[node].fallback;
      next = child(node, byte);
    }
    node = next;
    if (nodes_[node].longest > 0) matches.push_back({i, i + nodes_[node].longest, nodes_[node].id});
  }
  std::reverse(matches.begin(), matches.end());
  std::size_t kept = 0;
  std::size_t end = 0;
  for (const Match& match : matches) {
    if (match.begin < end) continue;
    end = match.end;
    matches[kept++] = match;
  }
  matches.resize(kept);
  return matches;
}

std::optional<TokenId> AddedTokens::find_whole(std::string_view literal) const {
  std::int32_t node = kRoot;
  for (auto it = literal.rbegin(); it != literal.rend(); ++it) {
    node = child(node, static_cast<unsigned char>(*it));
    if (node == kRoot) return std::nullopt;
  }
  if (nodes_[node].longest != literal.size() || literal.empty()) return std::nullopt;
  return nodes_[node].id;
}

}  // namespace tessera::text
