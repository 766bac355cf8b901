// NodeBuilder: arrays whose items are all different. Where these are strings and values that can be
// listed, that is kept by their characters; other items are compared as wholes (item_step.cpp), for
// which their nodes are made anew.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "grammar/node_builder.h"

namespace tessera::grammar {
namespace {

constexpr Int128 kMaxListed = 1000;  // of a range of integers
// Of a language with the length of its texts in it: what would have more is not written so long.
constexpr std::uint32_t kMaxLengthStates = 20'000;
// In front of the point: doubles can tell such numbers apart.
constexpr int kItemDigits = 15;

// The integers of `number`, if they are few.
bool list_integers(const NumberAlt& number, std::vector<std::string>& texts) {
  const Int128 one = scaled_one();
  if (!number.bounded || number.multiple % one != 0) return false;
  const Int128 first = next_multiple(number.low, number.multiple);
  if (first > number.high) return true;
  if ((number.high - first) / number.multiple >= kMaxListed) return false;
  for (Int128 value = first; value <= number.high; value += number.multiple) {
    texts.push_back(fmt::format("{}", value / one));
  }
  return true;
}

// Equal values have equal texts: words, and numbers as they are usually written.
bool is_plain(std::string_view text) {
  if (text == "null" || text == "true" || text == "false") return true;
  if (text.find_first_of("eE") != std::string_view::npos) return false;
  if (text.find('.') == std::string_view::npos) return text != "-0";
  return text.back() != '0' && text.size() <= kItemDigits;
}

void list_literals(const Grammar& grammar, std::uint32_t at, std::string& prefix,
                   std::vector<std::string>& texts) {
  const LiteralNode& node = grammar.literals[at];
  if (node.end) texts.push_back(prefix);
  for (const auto& [byte, to] : node.edges) {
    prefix += static_cast<char>(byte);
    list_literals(grammar, to, prefix, texts);
    prefix.pop_back();
  }
}

}  // namespace

NodeBuilder::Step NodeBuilder::add_unique_strings(NodeId id,
                                                  const std::vector<StringAlt>& strings) {
  Budget& budget = shaper_.budget();
  LanguagePtr outside;  // of all of them
  StringAlt made;
  for (const StringAlt& string : strings) {
    made.language = string.language;
    if (string.min > 0 || string.max != kUnbounded) {
      std::uint32_t max = string.max;
      if (max != kUnbounded) {
        const auto states = static_cast<std::uint32_t>(made.language->state_count());
        max = std::min(max, string.min + kMaxLengthStates / std::max(states, 1u));
      }
      const LanguagePtr length = Language::of_length(string.min, max, budget);
      if (length == nullptr) return too_complex();
      made.language = Language::intersection(*made.language, *length, budget);
      if (made.language == nullptr) return too_complex();
    }
    if (strings.size() == 1) break;
    LanguagePtr others = Language::complement(*made.language, budget);
    if (others != nullptr && outside != nullptr) {
      others = Language::intersection(*outside, *others, budget);
    }
    if (others == nullptr) return too_complex();
    outside = std::move(others);
  }
  if (outside != nullptr) made.language = Language::complement(*outside, budget);
  if (made.language == nullptr) return too_complex();
  add_alt(id, Alt::Kind::kString, grammar_.strings.size());
  grammar_.strings.push_back(std::move(made));
  return {};
}

bool NodeBuilder::is_listed(const ArrayAlt& array) const {
  if (!array.prefix.empty() || !array.counts.empty()) return false;
  const std::vector<AltId>& alts = grammar_.nodes[array.rest].alts;
  return std::all_of(alts.begin(), alts.end(), [&](AltId id) {
    const Alt& alt = grammar_.alts[id];
    std::vector<std::string> texts;
    return alt.kind == Alt::Kind::kLiteral || alt.kind == Alt::Kind::kString ||
           (alt.kind == Alt::Kind::kNumber && list_integers(grammar_.numbers[alt.index], texts));
  });
}

NodeBuilder::Step NodeBuilder::make_unique(std::size_t index, const json::Value& keyword) {
  const NodeId id = new_node();
  std::vector<std::string> texts;
  std::uint32_t count = 0;
  std::vector<StringAlt> strings;
  const std::vector<AltId> alts = grammar_.nodes[grammar_.arrays[index].rest].alts;
  for (const AltId alt_id : alts) {
    const Alt alt = grammar_.alts[alt_id];
    std::string prefix;
    if (alt.kind == Alt::Kind::kLiteral) list_literals(grammar_, alt.index, prefix, texts);
    if (alt.kind == Alt::Kind::kNumber) list_integers(grammar_.numbers[alt.index], texts);
    if (alt.kind == Alt::Kind::kString) strings.push_back(grammar_.strings[alt.index]);
  }
  if (!strings.empty()) {
    TRY(add_unique_strings(id, strings));
    const Language& language = *grammar_.strings.back().language;
    count = language.completions(language.start());
  }
  if (!std::all_of(texts.begin(), texts.end(), is_plain)) {
    return cannot_differ("for listed numbers with a zero behind the point or an exponent", keyword);
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  TRY(add_literals(id, texts));
  ArrayAlt& made = grammar_.arrays[index];
  made.unique = true;
  made.rest = id;
  if (count != kUnbounded) {
    made.max = std::min(made.max, count + static_cast<std::uint32_t>(texts.size()));
  }
  if (made.min > made.max) made.rest = new_node();  // no value fits it: neither does the array
  return {};
}

Unexpected<GrammarError> NodeBuilder::cannot_differ(std::string_view what,
                                                    const json::Value& keyword) const {
  return fail(GrammarErrorCode::kUnsupportedSchema,
              "uniqueItems cannot be enforced " + std::string(what),
              shaper_.document().path_of(keyword));
}

NodeId NodeBuilder::item_node(NodeId from) {
  if (from == kNone) return kNone;
  const auto found = item_nodes_.find(from);
  if (found != item_nodes_.end()) return found->second;
  const NodeId made = new_node();
  item_nodes_.emplace(from, made);
  open_items_.emplace_back(from, made);
  return made;
}

NodeBuilder::Step NodeBuilder::make_differ(std::size_t index, const json::Value& keyword) {
  if (!grammar_.arrays[index].counts.empty()) return cannot_differ("beside contains", keyword);
  take_item_nodes(grammar_.arrays[index]);
  grammar_.arrays[index].differ = true;
  while (!open_items_.empty()) {
    const auto [from, to] = open_items_.back();
    open_items_.pop_back();
    const std::vector<AltId> alts = grammar_.nodes[from].alts;
    for (const AltId id : alts) {
      if (!shaper_.budget().spend(60)) return too_complex();
      TRY(add_item_alt(to, grammar_.alts[id], keyword));
    }
  }
  return {};
}

void NodeBuilder::take_item_nodes(ArrayAlt& array) {
  ArrayAlt made = array;
  for (NodeId& node : made.prefix) node = item_node(node);
  made.rest = item_node(made.rest);
  for (ArrayAlt::Counted& counted : made.counted) {
    for (NodeId& node : counted.prefix) node = item_node(node);
    counted.rest = item_node(counted.rest);
  }
  array = std::move(made);
}

NodeBuilder::Step NodeBuilder::add_item_alt(NodeId id, const Alt& from,
                                            const json::Value& keyword) {
  Budget& budget = shaper_.budget();
  switch (from.kind) {
    case Alt::Kind::kLiteral: {
      std::string prefix;
      std::vector<std::string> texts;
      list_literals(grammar_, from.index, prefix, texts);
      if (!std::all_of(texts.begin(), texts.end(), is_plain)) {
        return cannot_differ("for listed numbers with a zero behind the point or an exponent",
                             keyword);
      }
      add_alt(id, from.kind, from.index);
      return {};
    }
    case Alt::Kind::kNumber: {
      NumberAlt number = grammar_.numbers[from.index];
      if (!number.no_multiple_of.empty()) {
        return cannot_differ("for numbers that must be no multiples", keyword);
      }
      const Int128 limit = power_of_ten(kItemDigits) * scaled_one() - 1;
      number.bounded = true;
      number.low = std::max(number.low, -limit);
      number.high = std::min(number.high, limit);
      add_alt(id, from.kind, grammar_.numbers.size());
      grammar_.numbers.push_back(std::move(number));
      return {};
    }
    case Alt::Kind::kString:
      return add_unique_strings(id, {grammar_.strings[from.index]});
    case Alt::Kind::kArray: {
      ArrayAlt array = grammar_.arrays[from.index];
      if (array.differ) {  // its items' nodes were made before
        add_alt(id, from.kind, from.index);
        return {};
      }
      array.differ = unique_arrays_.contains(from.index) && !array.unique;
      if (array.differ && !array.counts.empty()) return cannot_differ("beside contains", keyword);
      if (!budget.take(array.prefix.size() * 8 + sizeof(ArrayAlt))) return too_complex();
      take_item_nodes(array);
      add_alt(id, from.kind, grammar_.arrays.size());
      grammar_.arrays.push_back(std::move(array));
      return {};
    }
    case Alt::Kind::kObject: {
      ObjectAlt object = grammar_.objects[from.index];
      if (!budget.take(object.keys.size() * 100 + sizeof(ObjectAlt))) return too_complex();
      if (object.needed != 0) return cannot_differ("for objects with a member by pattern", keyword);
      for (ObjectAlt::Key& key : object.keys) key.node = item_node(key.node);
      for (ObjectAlt::Region& region : object.regions) {
        if (!region.language->is_endless() || object.max != kUnbounded) {
          return cannot_differ("for objects whose free keys are few", keyword);
        }
        region.node = item_node(region.node);
      }
      add_alt(id, from.kind, grammar_.objects.size());
      grammar_.objects.push_back(std::move(object));
      return {};
    }
  }
  return {};
}

}  // namespace tessera::grammar
