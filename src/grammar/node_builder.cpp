#include "grammar/node_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace tessera::grammar {
namespace {

constexpr std::size_t kMaxRegions = 64;          // kinds of keys that patterns tell apart
constexpr std::uint32_t kMaxFiniteNames = 1000;  // of a region with finitely many keys
constexpr std::size_t kMaxTuple = 2000;
constexpr std::size_t kMaxCounts = 3;           // rules of `contains`
constexpr std::uint32_t kMaxCountStates = 64;   // what they can have counted
constexpr std::size_t kMaxWays = 64;            // in which members that have to be there can be
constexpr std::size_t kMaxMarks = 3;            // of them under free keys
constexpr std::size_t kMaxNumberText = 1000;    // of a number in enum or const
constexpr std::size_t kMaxNameStates = 20'000;  // of a region with finitely many keys

// How a word or a number is written: as it is in the schema, and an integer without a fraction.
void append_texts(const json::Value& value, std::vector<std::string>& texts) {
  texts.push_back(json::to_text(value));
  const json::Number* number = value.if_number();
  if (number == nullptr) return;
  const Scaled scaled = scale(parse_decimal(number->text));
  if (!scaled.exact || scaled.floor % scaled_one() != 0) return;
  texts.push_back(fmt::format("{}", scaled.floor / scaled_one()));
}

// The names that propertyNames lists, in its order.
const json::Array* listed_names(const ObjectRule& rule) {
  for (const Term& term : rule.names) {
    const json::Value* list = term.positive ? term.schema->find("enum") : nullptr;
    if (list != nullptr) return list->if_array();
  }
  return nullptr;
}

// Sorts names as they are listed, what is not there behind them.
void sort_as_listed(const json::Array* listed, std::span<std::string> names) {
  const std::size_t listed_size = listed == nullptr ? 0 : listed->size();
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < listed_size; ++i) {
    if (const std::string* name = (*listed)[i].if_string()) places.emplace(*name, i);
  }
  const auto place = [&](const std::string& name) {
    const auto found = places.find(name);
    return found == places.end() ? listed_size : found->second;
  };
  std::sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    return std::pair(place(a), std::string_view(a)) < std::pair(place(b), std::string_view(b));
  });
}

NumberAlt number_alt(const NumberRule& rule) {
  NumberAlt alt{rule.integer,  rule.bounded,        rule.low, rule.high,
                step_of(rule), rule.no_multiple_of, ""};
  if (rule.multiple == 1 && rule.no_multiple_of.empty()) return alt;
  // It has to be a multiple, or none, for those who read it as a double, too.
  const Int128 one = scaled_one();
  const auto whole = [&](Int128 step) { return step % one == 0; };
  const auto& others = rule.no_multiple_of;
  if (alt.multiple == 1 && std::any_of(others.begin(), others.end(), whole)) {
    alt.multiple = power_of_ten(kFractionDigits - 6);
  }
  const Int128 limit = power_of_ten(whole(alt.multiple) ? 15 : 9) * one;
  alt.low = std::max(alt.low, -limit);
  alt.high = std::min(alt.high, limit);
  return alt;
}

}  // namespace

NodeId NodeBuilder::new_node() {
  shaper_.budget().take(sizeof(Node));
  grammar_.nodes.emplace_back();
  return static_cast<NodeId>(grammar_.nodes.size() - 1);
}

void NodeBuilder::add_alt(NodeId id, Alt::Kind kind, std::size_t index) {
  shaper_.budget().take(sizeof(Alt) + 128);
  grammar_.nodes[id].alts.push_back(static_cast<AltId>(grammar_.alts.size()));
  grammar_.alts.push_back({kind, static_cast<std::uint32_t>(index), kNone});
}

NodeId NodeBuilder::node(std::vector<Term> terms) {
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  const auto found = known_.find(terms);
  if (found != known_.end()) return found->second;
  const NodeId id = new_node();
  known_.emplace(terms, id);
  open_.emplace_back(id, std::move(terms));
  return id;
}

NodeBuilder::Step NodeBuilder::finish() {
  while (!open_.empty()) {
    const auto [id, terms] = std::move(open_.back());
    open_.pop_back();
    shaper_.budget().spend(60);
    TRY(build(id, terms));
    if (shaper_.budget().exhausted()) return too_complex();
  }
  for (const auto& [array, keyword] : unique_) unique_arrays_.insert(array);
  // Those that are made of listed items may be in others.
  std::vector<std::pair<std::size_t, const json::Value*>> differing;
  for (const auto& [array, keyword] : unique_) {
    if (!is_listed(grammar_.arrays[array])) {
      differing.emplace_back(array, keyword);
    } else {
      TRY(make_unique(array, *keyword));
    }
  }
  for (const auto& [array, keyword] : differing) TRY(make_differ(array, *keyword));
  unique_.clear();
  return {};
}

NodeBuilder::Step NodeBuilder::build(NodeId id, const std::vector<Term>& terms) {
  TRY_ASSIGN(const Shapes shapes, shaper_.shapes(terms));
  std::uint8_t words = 0;
  std::vector<std::string_view> texts;
  std::vector<std::string> scalars;
  for (const Shape& shape : shapes) {
    if (!shaper_.budget().spend(60)) return too_complex();
    if (shape.has_values) {
      TRY(add_values(id, shape, texts, scalars));
      continue;
    }
    words |= shape.types & (kNullBit | kFalseBit | kTrueBit);
    if ((shape.types & kNumberBit) != 0) {
      const NumberAlt alt = number_alt(shape.number);
      add_alt(id, Alt::Kind::kNumber, grammar_.numbers.size());
      grammar_.numbers.push_back(alt);
    }
    if ((shape.types & kStringBit) != 0) TRY(add_string(id, shape.string));
    if ((shape.types & kArrayBit) != 0) TRY(add_array(id, shape.array));
    if ((shape.types & kObjectBit) != 0) TRY(add_object(id, shape.object));
  }
  if ((words & kNullBit) != 0) scalars.emplace_back("null");
  if ((words & kFalseBit) != 0) scalars.emplace_back("false");
  if ((words & kTrueBit) != 0) scalars.emplace_back("true");
  TRY(add_literals(id, scalars));
  if (texts.empty()) return {};
  StringRule rule;
  rule.language = Language::of_texts(texts, shaper_.budget());
  if (rule.language == nullptr) return too_complex();
  return add_string(id, std::move(rule));
}

NodeBuilder::Step NodeBuilder::add_values(NodeId id, const Shape& shape,
                                          std::vector<std::string_view>& texts,
                                          std::vector<std::string>& scalars) {
  Shape rules = shape;
  rules.has_values = false;
  for (const json::Value* value : shape.values) {
    TRY_ASSIGN(const bool fits, shaper_.admits(rules, *value));
    if (!fits) continue;
    if (const std::string* text = value->if_string()) {
      texts.push_back(*text);
    } else if (value->if_array() == nullptr && value->if_object() == nullptr) {
      append_texts(*value, scalars);
    } else {
      TRY(add_literal_value(id, *value));
    }
  }
  return {};
}

NodeBuilder::Step NodeBuilder::add_literals(NodeId id, const std::vector<std::string>& texts) {
  if (texts.empty()) return {};
  auto& nodes = grammar_.literals;
  const std::size_t root = nodes.size();
  nodes.emplace_back();
  for (const std::string& text : texts) {
    if (text.size() > kMaxNumberText) return too_complex();
    if (!shaper_.budget().take(text.size() * 64)) return too_complex();
    std::size_t at = root;
    for (const char c : text) {
      const auto byte = static_cast<std::uint8_t>(c);
      const auto& edges = nodes[at].edges;
      const auto found = std::find_if(edges.begin(), edges.end(),
                                      [&](const auto& edge) { return edge.first == byte; });
      if (found != edges.end()) {
        at = found->second;
        continue;
      }
      nodes[at].edges.emplace_back(byte, static_cast<std::uint32_t>(nodes.size()));
      at = nodes.size();
      nodes.emplace_back();
    }
    if (std::exchange(nodes[at].end, true)) continue;
    at = root;
    ++nodes[at].ends_below;
    for (const char c : text) {
      const auto& edges = nodes[at].edges;
      at = std::find_if(edges.begin(), edges.end(), [&](const auto& edge) {
             return edge.first == static_cast<std::uint8_t>(c);
           })->second;
      ++nodes[at].ends_below;
    }
  }
  add_alt(id, Alt::Kind::kLiteral, root);
  return {};
}

NodeBuilder::Step NodeBuilder::add_string(NodeId id, const StringRule& rule) {
  Budget& budget = shaper_.budget();
  StringAlt alt{rule.language, rule.min, rule.max};
  if (alt.language == nullptr) alt.language = Language::any();
  if (alt.min > 0 && !alt.language->is_any()) {
    const LanguagePtr length = Language::of_length(alt.min, kUnbounded, budget);
    if (length == nullptr) return too_complex();
    alt.language = Language::intersection(*alt.language, *length, budget);
    if (alt.language == nullptr) return too_complex();
    alt.min = 0;
  }
  if (alt.min > alt.max || alt.language->empty() ||
      alt.language->shortest(alt.language->start()) > alt.max) {
    return {};
  }
  add_alt(id, Alt::Kind::kString, grammar_.strings.size());
  grammar_.strings.push_back(std::move(alt));
  return {};
}

NodeBuilder::Step NodeBuilder::add_array(NodeId id, const ArrayRule& rule) {
  const std::size_t prefix = Shaper::prefix_size(rule);
  if (prefix > kMaxTuple) return too_complex();
  ArrayAlt array;
  array.min = rule.min;
  array.max = rule.max;
  std::vector<const Contains*> counted;
  for (const Contains& contains : rule.contains) {
    if (contains.min > contains.max) return {};
    if (rule.unique != nullptr) {  // they cannot be counted, but that is seldom needed
      const Counting counting = counting_of(rule, contains, prefix);
      if (counting == Counting::kNone && contains.min > 0) return {};
      if (counting == Counting::kAll) {
        if (contains.min > 0) array.min = std::max(array.min, contains.min + contains.from);
        if (contains.max != kUnbounded)
          array.max = std::min(array.max, contains.max + contains.from);
      }
      if (counting != Counting::kSome) continue;
    }
    const bool bounded = contains.max < rule.max;
    if (contains.min == 0 && !bounded) continue;
    array.min = std::max(array.min, contains.min == 0 ? 0 : contains.min + contains.from);
    array.counts.push_back({contains.min, bounded ? contains.max : kUnbounded});
    if (array.counts.back().last() >= kMaxCountStates) return too_complex();
    array.count_states *= array.counts.back().last() + 1;
    counted.push_back(&contains);
    if (counted.size() > kMaxCounts || array.count_states > kMaxCountStates) return too_complex();
  }
  if (array.min > array.max) return {};
  if (!counted.empty() && array.last_index() > kMaxTuple) {
    if (array.min > kMaxTuple) return too_complex();
    array.max = kMaxTuple;  // longer ones are not written: each place has its feasible counts
  }
  for (std::uint32_t kind = 0; kind < 1u << counted.size(); ++kind) {
    ArrayAlt::Counted made;
    for (std::uint32_t i = 0; i <= prefix; ++i) {
      std::vector<Term> terms = shaper_.item_terms(rule, i);
      bool possible = true;
      for (std::size_t c = 0; c < counted.size(); ++c) {
        const bool in = (kind >> c & 1) != 0;
        const Contains& contains = *counted[c];
        if (i < contains.from) {
          possible = possible && !in;
        } else if (in || array.counts[c].max != kUnbounded) {
          terms.push_back({contains.item.schema, contains.item.positive == in});
        }
      }
      const NodeId item = possible ? node(std::move(terms)) : kNone;
      if (i < prefix) {
        made.prefix.push_back(item);
      } else {
        made.rest = item;
      }
    }
    if (kind == 0) {
      array.prefix = std::move(made.prefix);
      array.rest = made.rest;
    } else {
      array.counted.push_back(std::move(made));
    }
  }
  if (!counted.empty() &&
      !shaper_.budget().take(std::size_t{array.last_index() + 1} * array.count_states)) {
    return too_complex();
  }
  if (rule.unique != nullptr && array.max > 1) {
    unique_.emplace_back(grammar_.arrays.size(), rule.unique);
  }
  add_alt(id, Alt::Kind::kArray, grammar_.arrays.size());
  grammar_.arrays.push_back(std::move(array));
  return {};
}

NodeBuilder::Counting NodeBuilder::counting_of(const ArrayRule& rule, const Contains& contains,
                                               std::size_t prefix) {
  bool all = true;
  bool none = true;
  for (std::size_t i = contains.from; i <= prefix && (all || none); ++i) {
    for (const bool counts : {true, false}) {
      std::vector<Term> terms = shaper_.item_terms(rule, i);
      terms.push_back({contains.item.schema, contains.item.positive == counts});
      if (!shaper_.has_none(terms)) (counts ? none : all) = false;
    }
  }
  return none ? Counting::kNone : all ? Counting::kAll : Counting::kSome;
}

// A member that has to be there comes under one of the keys that the schema names, or under a free
// one: each way is an object of its own.
NodeBuilder::Step NodeBuilder::add_object(NodeId id, const ObjectRule& rule) {
  std::vector<std::pair<ObjectRule, std::vector<Some>>> ways(1);
  ways[0].first = rule;
  ways[0].first.some.clear();
  for (const Some& some : rule.some) {
    std::vector<std::string> names = rule.required;
    for (const Part& part : rule.parts) {
      const json::Value* properties = part.schema->find("properties");
      if (properties == nullptr) continue;
      for (const auto& [name, schema] : *properties->if_object()) names.push_back(name);
    }
    for (const auto& [name, term] : rule.members) names.push_back(name);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::erase_if(names, [&](const std::string& name) {
      shaper_.budget().spend(name.size() + 8);
      return !some.keys->matches(name);
    });
    std::vector<std::pair<ObjectRule, std::vector<Some>>> more;
    for (const auto& [way, free] : ways) {
      if (!shaper_.budget().spend((names.size() + 1) * (names.size() + 20))) return too_complex();
      for (const std::string& name : names) {
        more.emplace_back(way, free);
        more.back().first.required.push_back(name);
        more.back().first.members.emplace_back(name, some.member);
      }
      more.emplace_back(way, free);
      more.back().second.push_back(some);
    }
    ways = std::move(more);
    if (ways.size() > kMaxWays || ways.back().second.size() > kMaxMarks) return too_complex();
  }
  for (const auto& [way, free] : ways) TRY(add_object_with(id, way, free));
  return {};
}

NodeBuilder::Step NodeBuilder::add_object_with(NodeId id, const ObjectRule& rule,
                                               const std::vector<Some>& free) {
  // Names in the order of the schema; what is only required comes behind.
  std::vector<std::string> names;
  std::map<std::string, bool, std::less<>> seen;  // name → required
  const auto add_name = [&](const std::string& name, bool required) {
    shaper_.budget().spend(8);
    const auto [found, fresh] = seen.emplace(name, required);
    found->second = found->second || required;
    if (fresh) names.push_back(name);
  };
  for (const Part& part : rule.parts) {
    const json::Value* properties = part.schema->find("properties");
    if (properties == nullptr) continue;
    for (const auto& [name, schema] : *properties->if_object()) add_name(name, false);
  }
  for (const std::string& name : rule.required) add_name(name, true);
  for (const auto& [name, term] : rule.members) add_name(name, false);
  for (const std::string& name : rule.forbidden) add_name(name, false);

  ObjectAlt object;
  object.min = rule.min;
  object.max = rule.max;
  object.needed = static_cast<std::uint8_t>((1u << free.size()) - 1);
  const std::size_t named = names.size();
  TRY(add_regions(rule, free, object, names));
  const auto behind = names.begin() + static_cast<std::ptrdiff_t>(named);
  names.erase(std::remove_if(behind, names.end(),
                             [&](const std::string& name) { return seen.contains(name); }),
              names.end());
  sort_as_listed(listed_names(rule), std::span(names).subspan(named));
  LanguagePtr allowed;
  if (!rule.names.empty()) {
    TRY_ASSIGN(allowed, shaper_.names_language(rule.names));
  }
  const std::set<std::string_view> forbidden(rule.forbidden.begin(), rule.forbidden.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const bool banned = forbidden.contains(name) || (allowed != nullptr && !allowed->matches(name));
    ObjectAlt::Key key;
    const auto found = seen.find(name);
    key.required = found != seen.end() && found->second;
    // No free key can have that name either.
    if (banned && !key.required && allowed != nullptr && !allowed->matches(name)) continue;
    if (!banned) {
      TRY_ASSIGN(std::vector<Term> terms, shaper_.member_terms(rule, name));
      key.node = node(std::move(terms));
    }
    if (!shaper_.budget().take(name.size() * 80 + 64) || !shaper_.budget().spend(name.size() * 4)) {
      return too_complex();
    }
    object.keys.push_back(key);
    object.names.push_back(name);
  }
  add_alt(id, Alt::Kind::kObject, grammar_.objects.size());
  grammar_.objects.push_back(std::move(object));
  return {};
}

NodeBuilder::Step NodeBuilder::add_regions(const ObjectRule& rule, const std::vector<Some>& free,
                                           ObjectAlt& object, std::vector<std::string>& names) {
  Budget& budget = shaper_.budget();
  std::vector<LanguagePtr> patterns;
  std::vector<std::pair<const json::Value*, std::size_t>> uses;  // part, pattern
  std::vector<Term> schemas;
  for (const Part& from : rule.parts) {
    const json::Value* part = from.schema;
    const json::Value* members = part->find("patternProperties");
    if (members == nullptr) continue;
    for (const auto& [text, schema] : *members->if_object()) {
      TRY_ASSIGN(LanguagePtr language, shaper_.pattern(text, schema));
      auto found = std::find(patterns.begin(), patterns.end(), language);
      if (found == patterns.end()) found = patterns.insert(found, std::move(language));
      uses.emplace_back(part, static_cast<std::size_t>(found - patterns.begin()));
      schemas.push_back({&schema, true});
    }
  }
  LanguagePtr base = Language::any();
  if (!rule.names.empty()) {
    TRY_ASSIGN(base, shaper_.names_language(rule.names));
  }
  // Keys that match the same patterns. Each pattern splits what those before it left.
  struct Kind {
    LanguagePtr language;
    std::vector<bool> matched;  // by pattern
  };
  std::vector<Kind> kinds{{base, {}}};
  for (const LanguagePtr& pattern : patterns) {
    const LanguagePtr others = Language::complement(*pattern, budget);
    if (others == nullptr) return too_complex();
    std::vector<Kind> split;
    for (const Kind& kind : kinds) {
      for (const bool matches : {false, true}) {
        Kind part{Language::intersection(*kind.language, matches ? *pattern : *others, budget),
                  kind.matched};
        if (part.language == nullptr || split.size() > kMaxRegions) return too_complex();
        if (part.language->empty()) continue;
        part.matched.push_back(matches);
        split.push_back(std::move(part));
      }
    }
    kinds = std::move(split);
  }
  for (Kind& kind : kinds) {
    std::vector<Term> terms;
    std::set<const json::Value*> looking;  // parts whose patterns the keys match
    for (std::size_t i = 0; i < uses.size(); ++i) {
      if (!kind.matched[uses[i].second]) continue;
      terms.push_back(schemas[i]);
      looking.insert(uses[i].first);
    }
    for (const Part& part : rule.parts) {
      const json::Value* additional = part.schema->find("additionalProperties");
      if (additional != nullptr && !looking.contains(part.schema))
        terms.push_back({additional, true});
    }
    for (const Rest& rest : rule.rests) {
      const bool evaluated =
          std::any_of(rest.parts.begin(), rest.parts.end(), [&](const Part& part) {
            return looking.contains(part.schema) ||
                   part.schema->find("additionalProperties") != nullptr;
          });
      if (!evaluated) terms.push_back(rest.term);
    }
    TRY(add_marked_regions(std::move(kind.language), terms, free, object, names));
  }
  return {};
}

NodeBuilder::Step NodeBuilder::add_marked_regions(LanguagePtr language,
                                                  const std::vector<Term>& terms,
                                                  const std::vector<Some>& free, ObjectAlt& object,
                                                  std::vector<std::string>& names) {
  for (std::uint32_t marks = 1; marks < 1u << free.size(); ++marks) {
    LanguagePtr part = language;
    std::vector<Term> all = terms;
    for (std::size_t i = 0; i < free.size(); ++i) {
      if ((marks >> i & 1) == 0) continue;
      part = Language::intersection(*part, *free[i].keys, shaper_.budget());
      if (part == nullptr) return too_complex();
      all.push_back(free[i].member);
    }
    if (part->empty()) continue;
    TRY(add_region(std::move(part), all, static_cast<std::uint8_t>(marks), object, names));
  }
  return add_region(std::move(language), terms, 0, object, names);
}

NodeBuilder::Step NodeBuilder::add_region(LanguagePtr language, const std::vector<Term>& terms,
                                          std::uint8_t marks, ObjectAlt& object,
                                          std::vector<std::string>& names) {
  const bool none = std::any_of(terms.begin(), terms.end(), [](const Term& term) {
    const bool* all = term.schema->if_bool();
    return all != nullptr && *all != term.positive;
  });
  if (none) return {};
  const std::uint32_t count = language->completions(language->start());
  if (count <= kMaxFiniteNames) {
    // That one of these has to be there is not kept: it would have to be asked of names.
    if (marks != 0) return too_complex();
    if (language->state_count() > kMaxNameStates) return too_complex();
    // Few keys: each is a name like those of the schema.
    for (std::string& name : language->texts()) names.push_back(std::move(name));
    return {};
  }
  object.regions.push_back({std::move(language), node(terms), marks});
  return {};
}

Result<NodeId, GrammarError> NodeBuilder::literal_node(const json::Value& value) {
  const NodeId id = new_node();
  if (const std::string* text = value.if_string()) {
    StringRule rule;
    rule.language = Language::of_texts({*text}, shaper_.budget());
    if (rule.language == nullptr) return too_complex();
    TRY(add_string(id, std::move(rule)));
  } else if (value.if_array() == nullptr && value.if_object() == nullptr) {
    std::vector<std::string> texts;
    append_texts(value, texts);
    TRY(add_literals(id, texts));
  } else {
    TRY(add_literal_value(id, value));
  }
  return id;
}

NodeBuilder::Step NodeBuilder::add_literal_value(NodeId id, const json::Value& value) {
  if (!shaper_.budget().spend(50)) return too_complex();
  if (const json::Array* items = value.if_array()) {
    ArrayAlt array;
    for (const json::Value& item : *items) {
      TRY_ASSIGN(const NodeId child, literal_node(item));
      array.prefix.push_back(child);
    }
    array.min = array.max = static_cast<std::uint32_t>(items->size());
    add_alt(id, Alt::Kind::kArray, grammar_.arrays.size());
    grammar_.arrays.push_back(std::move(array));
    return {};
  }
  ObjectAlt object;
  for (const auto& [name, member] : *value.if_object()) {
    TRY_ASSIGN(const NodeId child, literal_node(member));
    object.names.push_back(name);
    object.keys.push_back({child, true});
  }
  add_alt(id, Alt::Kind::kObject, grammar_.objects.size());
  grammar_.objects.push_back(std::move(object));
  return {};
}

}  // namespace tessera::grammar
