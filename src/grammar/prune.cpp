// Heights of nodes, and what they rule out.
#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "grammar/node_builder.h"

namespace tessera::grammar {
namespace {

std::vector<std::uint32_t> code_points(std::string_view text) {
  std::vector<std::uint32_t> out;
  for (std::size_t at = 0; at < text.size();) out.push_back(next_code_point(text, at));
  return out;
}

// The height of a node's value, which counts as none when it cannot be one.
std::uint32_t height_of(const Grammar& grammar, NodeId id) {
  return id == kNone ? kNone : grammar.nodes[id].height;
}

// Fills in what can still be counted to an end with items no higher than `height`; whether an empty
// array can.
bool find_feasible(const Grammar& grammar, std::uint32_t height, ArrayAlt& array, Budget& budget) {
  const std::uint32_t last = array.last_index();
  const std::uint32_t kinds = static_cast<std::uint32_t>(array.counted.size()) + 1;
  array.feasible.assign(std::size_t{last + 1} * array.count_states, false);
  budget.spend(array.feasible.size() * kinds * 2);
  const auto settle = [&](std::uint32_t index) {
    bool changed = false;
    for (std::uint32_t state = 0; state < array.count_states; ++state) {
      const std::size_t at = std::size_t{index} * array.count_states + state;
      if (array.feasible[at]) continue;
      bool ends = index >= array.min && array.counts_suffice(state);
      for (std::uint32_t kind = 0; kind < kinds && !ends && index < array.max; ++kind) {
        const std::uint32_t behind = array.counts_behind(state, kind);
        ends = behind != kNone && height_of(grammar, array.item_node(index, kind)) <= height &&
               array.is_feasible(index + 1, behind);
      }
      array.feasible[at] = ends;
      changed = changed || ends;
    }
    return changed;
  };
  while (settle(last) && array.max == kUnbounded) {
  }
  for (std::uint32_t index = last; index-- > 0;) settle(index);
  return array.feasible[0];
}

// With the lowest items that do.
std::uint32_t counted_height(const Grammar& grammar, ArrayAlt& array, Budget& budget) {
  std::set<std::uint32_t> heights{0};
  for (std::uint32_t kind = 0; kind <= array.counted.size(); ++kind) {
    for (std::uint32_t i = 0; i <= array.prefix.size(); ++i) {
      heights.insert(height_of(grammar, array.item_node(i, kind)));
    }
  }
  for (const std::uint32_t height : heights) {
    if (height > kMaxNesting || budget.exhausted()) break;
    if (find_feasible(grammar, height, array, budget)) return height + 1;
  }
  return kNone;
}

std::uint32_t array_height(const Grammar& grammar, ArrayAlt& array, Budget& budget) {
  if (!array.counts.empty()) return counted_height(grammar, array, budget);
  std::uint32_t height = 0;
  const std::size_t needed = std::min<std::size_t>(array.min, array.prefix.size() + 1);
  for (std::uint32_t i = 0; i < needed; ++i) {
    height = std::max(height, height_of(grammar, array.item_node(i, 0)));
  }
  return height == kNone ? kNone : height + 1;
}

std::uint32_t object_height(const Grammar& grammar, const ObjectAlt& object) {
  std::uint32_t height = 0;
  std::uint32_t count = 0;
  std::vector<std::uint32_t> optional;
  for (const auto& key : object.keys) {
    const std::uint32_t here = height_of(grammar, key.node);
    if (key.required) {
      height = std::max(height, here);
      ++count;
    } else if (here != kNone) {
      optional.push_back(here);
    }
  }
  for (std::uint8_t mark = 1; mark != 0 && (object.needed & mark) != 0; mark <<= 1) {
    std::uint32_t least = kNone;
    for (const auto& region : object.regions) {
      if ((region.marks & mark) != 0) least = std::min(least, height_of(grammar, region.node));
    }
    height = std::max(height, least);
    ++count;
  }
  if (height == kNone || count > object.max) return kNone;
  if (count < object.min) {
    // The shallowest of what is optional; a region has as many keys as one likes.
    std::uint32_t more = kNone;
    for (const auto& region : object.regions)
      more = std::min(more, height_of(grammar, region.node));
    std::sort(optional.begin(), optional.end());
    const std::uint32_t missing = object.min - count;
    if (missing <= optional.size()) more = std::min(more, optional[missing - 1]);
    height = std::max(height, more);
  }
  return height == kNone ? kNone : height + 1;
}

std::uint32_t alt_height(Grammar& grammar, const Alt& alt, Budget& budget) {
  switch (alt.kind) {
    case Alt::Kind::kArray:
      return array_height(grammar, grammar.arrays[alt.index], budget);
    case Alt::Kind::kObject:
      return object_height(grammar, grammar.objects[alt.index]);
    case Alt::Kind::kNumber: {
      const NumberAlt& number = grammar.numbers[alt.index];
      const bool some = !number.bounded || has_multiple(number.low, number.high, number.multiple,
                                                        number.no_multiple_of);
      return some ? 0 : kNone;
    }
    case Alt::Kind::kLiteral:
    case Alt::Kind::kString:
      return 0;
  }
  return kNone;
}

}  // namespace

void prune(Grammar& grammar, Budget& budget) {
  // Heights only go down from "none"; each round settles one more level.
  for (bool changed = true; changed;) {
    changed = false;
    for (Node& node : grammar.nodes) {
      if (!budget.spend(2 + node.alts.size() * 8)) return;
      for (const AltId id : node.alts) {
        Alt& alt = grammar.alts[id];
        if (alt.kind == Alt::Kind::kObject) {
          budget.spend(grammar.objects[alt.index].keys.size());
        }
        const std::uint32_t height = alt_height(grammar, alt, budget);
        if (height >= alt.height) continue;
        alt.height = height;
        if (height < node.height) {
          node.height = height;
          changed = true;
        }
      }
    }
  }
  for (Node& node : grammar.nodes) {
    std::erase_if(node.alts, [&](AltId id) { return grammar.alts[id].height > kMaxNesting; });
  }
  for (ArrayAlt& array : grammar.arrays) {
    if (!array.counts.empty()) continue;  // what is feasible says it
    for (std::size_t i = 0; i < array.prefix.size(); ++i) {
      if (height_of(grammar, array.prefix[i]) <= kMaxNesting) continue;
      array.max = std::min(array.max, static_cast<std::uint32_t>(i));
    }
    if (height_of(grammar, array.rest) > kMaxNesting) {
      array.rest = kNone;
      array.max = std::min(array.max, static_cast<std::uint32_t>(array.prefix.size()));
    }
  }
  for (ObjectAlt& object : grammar.objects) {
    for (auto& key : object.keys) {
      if (height_of(grammar, key.node) > kMaxNesting) key.node = kNone;
    }
    std::erase_if(object.regions, [&](const auto& region) {
      return height_of(grammar, region.node) > kMaxNesting;
    });
    for (std::uint32_t i = 0; i < object.keys.size(); ++i) {
      object.trie.add(code_points(object.names[i]), i, object.keys[i].node == kNone);
    }
    object.finish();
  }
}

}  // namespace tessera::grammar
