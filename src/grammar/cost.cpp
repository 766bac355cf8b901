#include "grammar/cost.h"

#include <algorithm>
#include <utility>

namespace tessera::grammar {
namespace {

// Costs above are alike.
constexpr std::uint32_t kMost = 1u << 24;
// Nodes come before those that they use, mostly: few rounds settle nearly all.
constexpr int kRounds = 16;
constexpr std::uint32_t kMemberBytes = 4;  // quotes, colon, comma
constexpr std::uint32_t kFreeKeyBytes = 1;
constexpr std::uint32_t kParameterBytes = 28;  // the tags around a value, without the name

std::uint32_t add(std::uint32_t a, std::uint32_t b) {
  return std::min(kMost, std::min(a, kMost) + std::min(b, kMost));
}

std::uint32_t times(std::uint32_t count, std::uint32_t cost) {
  const std::uint64_t product = std::uint64_t{count} * std::min(cost, kMost);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(product, kMost));
}

std::uint32_t cost_of(const Grammar& grammar, NodeId id) {
  return id == kNone ? kMost : grammar.nodes[id].cost;
}

std::uint32_t string_cost(const StringAlt& string) {
  return std::max(string.min, string.language->shortest(string.language->start()));
}

std::uint32_t array_cost(const Grammar& grammar, const ArrayAlt& array) {
  const auto tuple = static_cast<std::uint32_t>(array.prefix.size());
  std::uint32_t cost = 2;
  // Counted or not.
  const auto item_cost = [&](std::uint32_t index) {
    std::uint32_t least = kMost;
    for (std::uint32_t kind = 0; kind <= array.counted.size(); ++kind)
      least = std::min(least, cost_of(grammar, array.item_node(index, kind)));
    return add(1, least);
  };
  for (std::uint32_t i = 0; i < std::min(tuple, array.min); ++i) cost = add(cost, item_cost(i));
  if (array.min > tuple) cost = add(cost, times(array.min - tuple, item_cost(tuple)));
  for (std::size_t c = 0; c < array.counts.size(); ++c) {
    std::uint32_t least = kMost;  // of the items that count for it, perhaps for others, too
    for (std::size_t kind = 1; kind <= array.counted.size(); ++kind) {
      if ((kind >> c & 1) == 0) continue;
      const ArrayAlt::Counted& items = array.counted[kind - 1];
      least = std::min(least, cost_of(grammar, items.rest));
      for (const NodeId id : items.prefix) least = std::min(least, cost_of(grammar, id));
    }
    cost = add(cost, times(array.counts[c].min, least));
  }
  return cost;
}

std::uint32_t object_cost(const Grammar& grammar, const ObjectAlt& object) {
  std::uint32_t cost = 2;
  std::uint32_t required = 0;
  std::uint32_t optional = kMost;
  for (std::size_t i = 0; i < object.keys.size(); ++i) {
    const auto name = static_cast<std::uint32_t>(object.names[i].size());
    const std::uint32_t member = add(name + kMemberBytes, cost_of(grammar, object.keys[i].node));
    if (object.keys[i].required) {
      cost = add(cost, member);
      ++required;
    } else {
      optional = std::min(optional, member);
    }
  }
  if (required >= object.min) return cost;
  for (const auto& region : object.regions) {
    optional = std::min(optional, add(kFreeKeyBytes + kMemberBytes, cost_of(grammar, region.node)));
  }
  return add(cost, times(object.min - required, optional));
}

std::uint32_t value_cost(const Grammar& grammar, const CallAlt::Parameter& parameter) {
  std::uint32_t cost = cost_of(grammar, parameter.node);
  if (parameter.rules != kNone) cost = std::min(cost, grammar.rules[parameter.rules].cost);
  for (const std::uint32_t raw : parameter.raw) {
    cost = std::min(cost, string_cost(grammar.strings[raw]));
  }
  return add(kParameterBytes, cost);
}

std::uint32_t call_cost(const Grammar& grammar, const CallAlt& call) {
  std::uint32_t cost = 0;
  std::uint32_t required = 0;
  for (std::uint32_t i = call.last_from[0]; i < call.free_index(); i = call.last_from[i + 1]) {
    cost = add(cost, value_cost(grammar, call.parameters[i]));
    ++required;
  }
  if (required >= call.min) return cost;
  std::uint32_t least = kMost;
  const std::uint32_t end = call.free.empty() ? call.free_index() : call.end_index();
  for (std::uint32_t i = 0; i < end; ++i) least = std::min(least, parameter_cost(grammar, call, i));
  return add(cost, times(call.min - required, least));
}

std::uint32_t alt_cost(Grammar& grammar, const Alt& alt) {
  switch (alt.kind) {
    case Alt::Kind::kLiteral:
      return grammar.literals[alt.index].to_end;
    case Alt::Kind::kNumber:
      return static_cast<std::uint32_t>(grammar.numbers[alt.index].shortest.size());
    case Alt::Kind::kString:
      return add(2, string_cost(grammar.strings[alt.index]));
    case Alt::Kind::kArray: {
      ArrayAlt& array = grammar.arrays[alt.index];
      return array.cost = array_cost(grammar, array);
    }
    case Alt::Kind::kObject: {
      ObjectAlt& object = grammar.objects[alt.index];
      return object.cost = object_cost(grammar, object);
    }
  }
  return kMost;
}

// Of `step`, and of none of `but`; above `high`: none was found.
Int128 first_multiple(Int128 low, Int128 high, Int128 step, const std::vector<Int128>& but) {
  constexpr int kCandidates = 64;
  Int128 value = next_multiple(low, step);
  for (int i = 0; i < kCandidates && value <= high; ++i, value += step) {
    const auto divides = [&](Int128 other) { return value % other == 0; };
    if (std::none_of(but.begin(), but.end(), divides)) return value;
  }
  return high + 1;
}

std::string digits_of(Int128 value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value > 0);
  return digits;
}

std::string shortest_number(const NumberAlt& alt) {
  if (!alt.bounded) return "0";
  std::optional<std::string> best;
  for (const bool negative : {false, true}) {
    for (int digits = 1; digits <= kIntegerDigits; ++digits) {
      if (best && static_cast<std::size_t>(digits) + negative >= best->size()) break;
      const Int128 one = scaled_one();
      const Int128 low = digits == 1 ? 0 : power_of_ten(digits - 1) * one;
      const auto text = short_number(alt, negative, low, power_of_ten(digits) * one - 1, 0);
      if (text && (!best || text->size() < best->size())) best = text;
    }
  }
  return best.value_or("0");
}

// Literals are built from their ends, or from their beginnings: both directions settle at once.
void measure_literals(Grammar& grammar) {
  std::vector<LiteralNode>& literals = grammar.literals;
  for (LiteralNode& node : literals) node.to_end = node.end ? 0 : kNone;
  for (bool changed = true; changed;) {
    changed = false;
    const auto settle = [&](LiteralNode& node) {
      for (const auto& [byte, to] : node.edges) {
        if (literals[to].to_end == kNone || literals[to].to_end + 1 >= node.to_end) continue;
        node.to_end = literals[to].to_end + 1;
        changed = true;
      }
    };
    for (LiteralNode& node : literals) settle(node);
    for (auto node = literals.rbegin(); node != literals.rend(); ++node) settle(*node);
  }
}

}  // namespace

std::optional<std::string> short_number(const NumberAlt& alt, bool negative, Int128 low,
                                        Int128 high, int fraction) {
  low = std::max({low, Int128{0}, negative ? -alt.high : alt.low});
  high = std::min(high, negative ? -alt.low : alt.high);
  const Int128 one = scaled_one();
  for (int digits = fraction; digits <= (alt.integer ? 0 : kFractionDigits); ++digits) {
    const Int128 unit = power_of_ten(kFractionDigits - digits);
    Int128 a = alt.multiple;
    for (Int128 b = unit; b != 0;) {
      const Int128 rest = a % b;
      a = std::exchange(b, rest);
    }
    const Int128 factor = alt.multiple / a;  // a is the greatest common divisor
    if (factor > scaled_limit() / unit) continue;
    const Int128 value = first_multiple(low, high, factor * unit, alt.no_multiple_of);
    if (value > high) continue;
    std::string text = negative ? "-" : "";
    text += digits_of(value / one);
    if (digits == 0) return text;
    const std::string behind = digits_of(value % one / unit);
    return text + '.' + std::string(static_cast<std::size_t>(digits) - behind.size(), '0') + behind;
  }
  return std::nullopt;
}

std::uint32_t parameter_cost(const Grammar& grammar, const CallAlt& call, std::uint32_t index) {
  if (index < call.free_index()) return value_cost(grammar, call.parameters[index]);
  std::uint32_t cost = kMost;
  for (const CallAlt::Free& free : call.free) {
    const std::uint32_t name = string_cost(grammar.strings[free.name]);
    cost = std::min(cost, add(name, value_cost(grammar, free.parameter)));
  }
  return cost;
}

void measure_costs(Grammar& grammar) {
  measure_literals(grammar);
  for (NumberAlt& number : grammar.numbers) number.shortest = shortest_number(number);
  bool changed = true;
  for (int round = 0; round < kRounds && changed; ++round) {
    changed = false;
    for (auto node = grammar.nodes.rbegin(); node != grammar.nodes.rend(); ++node) {
      std::uint32_t least = kMost;
      for (const AltId id : node->alts) {
        grammar.alts[id].cost = alt_cost(grammar, grammar.alts[id]);
        least = std::min(least, grammar.alts[id].cost);
      }
      changed = changed || least != node->cost;
      node->cost = least;
    }
  }
  for (CallAlt& call : grammar.calls) {
    call.cost = call_cost(grammar, call);
    grammar.largest_cost = std::max(grammar.largest_cost, call.cost);
  }
  for (const Alt& alt : grammar.alts) {
    if (alt.cost != kNone) grammar.largest_cost = std::max(grammar.largest_cost, alt.cost);
  }
}

}  // namespace tessera::grammar
