#include "grammar/grammar.h"

#include <algorithm>

namespace tessera::grammar {

void KeyTrie::add(const std::vector<std::uint32_t>& symbols, std::uint32_t key, bool banned) {
  std::uint32_t at = 0;
  if (!banned) nodes_[at].keys.push_back(key);
  ++nodes_[at].names_below;
  for (const std::uint32_t symbol : symbols) {
    auto& edges = nodes_[at].edges;
    auto found = std::lower_bound(edges.begin(), edges.end(), std::pair(symbol, 0u));
    if (found == edges.end() || found->first != symbol) {
      const auto fresh = static_cast<std::uint32_t>(nodes_.size());
      edges.insert(found, {symbol, fresh});
      nodes_.emplace_back();
      at = fresh;
    } else {
      at = found->second;
    }
    if (!banned) nodes_[at].keys.push_back(key);
    ++nodes_[at].names_below;
  }
  nodes_[at].key = key;
}

std::uint32_t KeyTrie::next(std::uint32_t node, std::uint32_t symbol) const {
  if (node == kNone) return kNone;
  const auto& edges = nodes_[node].edges;
  const auto found = std::lower_bound(edges.begin(), edges.end(), std::pair(symbol, 0u));
  return found == edges.end() || found->first != symbol ? kNone : found->second;
}

bool KeyTrie::reaches(std::uint32_t node, std::uint32_t first, std::uint32_t last) const {
  if (node == kNone) return false;
  const auto& keys = nodes_[node].keys;
  const auto found = std::lower_bound(keys.begin(), keys.end(), first);
  return found != keys.end() && *found <= last;
}

bool KeyTrie::can_step(std::uint32_t node, std::uint32_t low, std::uint32_t high,
                       std::uint32_t first, std::uint32_t last) const {
  if (node == kNone) return false;
  const auto& edges = nodes_[node].edges;
  for (auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair(low, 0u));
       edge != edges.end() && edge->first <= high; ++edge) {
    if (reaches(edge->second, first, last)) return true;
  }
  return false;
}

void KeyTrie::list(std::uint32_t node, std::u32string& prefix,
                   std::vector<std::u32string>& out) const {
  if (nodes_[node].key != kNone || prefix.size() >= kLongestListed) out.push_back(prefix);
  if (prefix.size() >= kLongestListed) return;
  for (const auto& [symbol, to] : nodes_[node].edges) {
    prefix += static_cast<char32_t>(symbol);
    list(to, prefix, out);
    prefix.pop_back();
  }
}

std::size_t KeyTrie::bytes() const {
  std::size_t total = 0;
  for (const Node& node : nodes_) {
    total += sizeof(Node) + node.edges.size() * 8 + node.keys.size() * 4;
  }
  return total;
}

NodeId ArrayAlt::item_node(std::uint32_t index, std::uint32_t kind) const {
  const std::vector<NodeId>& tuple = kind == 0 ? prefix : counted[kind - 1].prefix;
  if (index < tuple.size()) return tuple[index];
  return kind == 0 ? rest : counted[kind - 1].rest;
}

std::uint32_t ArrayAlt::counts_behind(std::uint32_t state, std::uint32_t kind) const {
  std::uint32_t unit = 1;
  std::uint32_t out = state;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::uint32_t size = counts[i].last() + 1;
    const std::uint32_t count = state / unit % size;
    if ((kind >> i & 1) != 0) {
      if (count < counts[i].last()) {
        out += unit;
      } else if (counts[i].max != kUnbounded) {
        return kNone;
      }
    }
    unit *= size;
  }
  return out;
}

bool ArrayAlt::counts_suffice(std::uint32_t state) const {
  for (const Count& count : counts) {
    const std::uint32_t size = count.last() + 1;
    if (state % size < count.min) return false;
    state /= size;
  }
  return true;
}

void ObjectAlt::finish() {
  const std::size_t count = keys.size();
  last_from.assign(count + 1, kNone);
  required_left_.assign(count + 1, 0);
  possible_left_.assign(count + 1, 0);
  for (std::size_t i = count; i-- > 0;) {
    required_left_[i] = required_left_[i + 1] + keys[i].required;
    possible_left_[i] = possible_left_[i + 1] + (keys[i].node != kNone);
    last_from[i] = keys[i].required || last_from[i + 1] == kNone ? static_cast<std::uint32_t>(i)
                                                                 : last_from[i + 1];
  }
  required_count = required_left_[0];
}

std::size_t Grammar::bytes() const {
  std::size_t total = sizeof(Grammar);
  for (const Node& node : nodes) total += sizeof(Node) + node.alts.size() * sizeof(AltId);
  total += alts.size() * sizeof(Alt) + numbers.size() * sizeof(NumberAlt);
  // Languages that alternatives share are counted with each: an upper bound.
  for (const StringAlt& string : strings) total += sizeof(StringAlt) + string.language->bytes();
  for (const ArrayAlt& array : arrays) {
    total += sizeof(ArrayAlt) + array.prefix.size() * (1 + array.counted.size()) * sizeof(NodeId);
    total += array.feasible.size() / 8 + array.counted.size() * sizeof(ArrayAlt::Counted);
  }
  for (const ObjectAlt& object : objects) {
    total += sizeof(ObjectAlt) + object.keys.size() * 20 + object.trie.bytes();
    for (const auto& region : object.regions) total += sizeof(region) + region.language->bytes();
  }
  for (const LiteralNode& literal : literals) total += sizeof(literal) + literal.edges.size() * 8;
  for (const RuleNode& node : rules) total += sizeof(node) + node.edges.size() * 12;
  for (const CallAlt& call : calls) {
    total += sizeof(call) + call.trie.bytes();
    total += call.parameters.size() * (sizeof(CallAlt::Parameter) + 24);
    total += call.free.size() * (sizeof(CallAlt::Free) + 8);
  }
  return total + call_names.bytes();
}

}  // namespace tessera::grammar
