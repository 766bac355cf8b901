#include "grammar/value_count.h"

#include <algorithm>
#include <array>
#include <limits>

namespace tessera::grammar {
namespace {

constexpr std::uint32_t kMostItems = 64;  // that ways are counted for
// Deeper than values nest.
constexpr int kRounds = static_cast<int>(kMaxNesting) + 2;

std::uint32_t plus(std::uint32_t a, std::uint32_t b) {
  return a > kUnbounded - b ? kUnbounded : a + b;
}

std::uint32_t values_of(const Grammar& grammar, NodeId node) {
  return node == kNone ? 0 : grammar.nodes[node].values;
}

std::uint32_t count_numbers(const NumberAlt& number) {
  if (!number.bounded) return kUnbounded;
  if (number.high < number.low) return 0;
  // Of those with a fraction the last digits make no difference (item_step.cpp).
  if (number.multiple < power_of_ten(kFractionDigits - 6)) {
    return number.high == number.low ? 1 : kUnbounded;
  }
  const Int128 first = next_multiple(number.low, number.multiple);
  if (first > number.high) return 0;
  const Int128 count = (number.high - first) / number.multiple + 1;
  return count >= kUnbounded ? kUnbounded : static_cast<std::uint32_t>(count);
}

std::uint32_t count_alt(const Grammar& grammar, const Alt& alt) {
  if (alt.height > kMaxNesting) return 0;
  switch (alt.kind) {
    case Alt::Kind::kLiteral:
      return grammar.literals[alt.index].ends_below;
    case Alt::Kind::kNumber:
      return count_numbers(grammar.numbers[alt.index]);
    case Alt::Kind::kString: {
      const StringAlt& string = grammar.strings[alt.index];
      return string.language->completions(string.language->start());
    }
    case Alt::Kind::kArray:
      return ways_to_end(grammar, grammar.arrays[alt.index], 0);
    case Alt::Kind::kObject:
      return ways_to_end(grammar, grammar.objects[alt.index], 0, 0);
  }
  return 0;
}

// Alternatives of one kind may have values in common, and so may words and numbers.
std::uint32_t count_node(const Grammar& grammar, const Node& node) {
  std::array<std::uint32_t, 5> most{};
  for (const AltId id : node.alts) {
    const Alt& alt = grammar.alts[id];
    std::uint32_t& here = most[static_cast<std::size_t>(alt.kind)];
    here = std::max(here, alt.values);
  }
  std::uint32_t& words = most[static_cast<std::size_t>(Alt::Kind::kLiteral)];
  std::uint32_t& numbers = most[static_cast<std::size_t>(Alt::Kind::kNumber)];
  if (numbers > 0) (words < numbers ? words : numbers) = 0;
  std::uint32_t sum = 0;
  for (const std::uint32_t count : most) sum = plus(sum, count);
  return sum;
}

}  // namespace

std::uint32_t times(std::uint32_t a, std::uint32_t b) {
  if (a == 0 || b == 0) return 0;
  if (a == kUnbounded || b == kUnbounded) return kUnbounded;
  const std::uint64_t product = std::uint64_t{a} * b;
  return product >= kUnbounded ? kUnbounded : static_cast<std::uint32_t>(product);
}

std::uint32_t ways_to_end(const Grammar& grammar, const ObjectAlt& object, std::uint32_t next,
                          std::uint32_t count) {
  std::uint32_t required = 0;
  std::uint32_t optional = 0;
  std::uint32_t ways = 1;
  std::uint32_t more = 1;
  for (std::size_t i = next; i < object.keys.size(); ++i) {
    const std::uint32_t values = values_of(grammar, object.keys[i].node);
    if (object.keys[i].required) {
      ways = times(ways, values);
      ++required;
    } else if (values > 0) {
      more = times(more, plus(values, 1));
      ++optional;
    }
  }
  if (ways == 0) return 0;
  const bool free =
      object.max == kUnbounded &&
      std::any_of(object.regions.begin(), object.regions.end(),
                  [&](const auto& region) { return values_of(grammar, region.node) > 0; });
  if (free) return kUnbounded;
  if (count + required < object.min) return 1;  // some of the others, too; which is not counted
  const bool all = object.max == kUnbounded || count + required + optional <= object.max;
  return all ? times(ways, more) : ways;
}

std::uint32_t ways_to_end(const Grammar& grammar, const ArrayAlt& array, std::uint32_t index) {
  // Of items that differ as wholes the array around them knows no more than that there are some.
  if (!array.counts.empty() || array.differ) return 1;
  std::uint32_t ways = index >= array.min ? 1 : 0;
  std::uint32_t row = 1;
  const std::uint32_t last = std::min(array.max, std::max(index, array.min) + kMostItems);
  for (std::uint32_t i = index; i < last; ++i) {
    std::uint32_t values = values_of(grammar, array.item_node(i, 0));
    if (array.unique && values != kUnbounded) values -= std::min(values, i);
    row = times(row, values);
    if (row == 0) break;
    if (i >= array.prefix.size() && i + 1 >= array.min && array.max == kUnbounded) {
      return kUnbounded;
    }
    if (i + 1 >= array.min) ways = plus(ways, row);
    if (ways == kUnbounded) break;
  }
  return ways;
}

void count_values(Grammar& grammar, Budget& budget) {
  bool changed = true;
  for (int round = 0; changed; ++round) {
    changed = false;
    for (Node& node : grammar.nodes) {
      if (!budget.spend(2 + node.alts.size() * 8)) return;
      for (const AltId id : node.alts) {
        Alt& alt = grammar.alts[id];
        if (alt.kind == Alt::Kind::kObject) {
          budget.spend(grammar.objects[alt.index].keys.size());
        }
        const std::uint32_t values = count_alt(grammar, alt);
        if (values == alt.values || alt.values == kUnbounded) continue;
        // What still grows nests within itself.
        alt.values = round < kRounds ? values : kUnbounded;
        changed = true;
      }
      node.values = count_node(grammar, node);
    }
  }
}

}  // namespace tessera::grammar
