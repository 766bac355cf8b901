#include "grammar/node_builder.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kMaxRegions = 64;          // kinds of keys that patterns tell apart
constexpr std::uint32_t kMaxFiniteNames = 1000;  // of a region with finitely many keys
constexpr std::size_t kMaxTuple = 2000;
constexpr std::size_t kMaxNumberText = 1000;    // of a number in enum or const
constexpr std::size_t kMaxNameStates = 20'000;  // of a region with finitely many keys

std::vector<std::uint32_t> code_points(std::string_view text) {
  std::vector<std::uint32_t> out;
  for (std::size_t at = 0; at < text.size();) out.push_back(next_code_point(text, at));
  return out;
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
  for (const auto& [array, keyword] : unique_) TRY(make_unique(array, *keyword));
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
      const NumberRule& rule = shape.number;
      NumberAlt alt{rule.integer, rule.bounded, rule.low, rule.high, step_of(rule)};
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
      scalars.push_back(json::to_text(*value));
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

NodeBuilder::Step NodeBuilder::add_string(NodeId id, StringRule rule) {
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
  if (rule.contains.size() > 1) {
    return fail(GrammarErrorCode::kUnsupportedSchema, "several `contains` cannot be enforced",
                shaper_.document().path_of(*rule.contains.back().schema));
  }
  ArrayAlt array;
  array.min = rule.min;
  array.max = rule.max;
  array.contains = !rule.contains.empty();
  for (std::size_t i = 0; i <= prefix; ++i) {
    std::vector<Term> terms = shaper_.item_terms(rule, i);
    const NodeId plain = node(terms);
    NodeId found = kNone;
    if (array.contains) {
      terms.push_back(rule.contains[0]);
      found = node(std::move(terms));
    }
    if (i < prefix) {
      array.prefix.push_back(plain);
      if (array.contains) array.found_prefix.push_back(found);
    } else {
      array.rest = plain;
      array.found_rest = found;
    }
  }
  if (array.contains) array.min = std::max(array.min, 1u);
  if (array.min > array.max) return {};
  if (rule.unique != nullptr && array.max > 1) {
    unique_.emplace_back(grammar_.arrays.size(), rule.unique);
  }
  add_alt(id, Alt::Kind::kArray, grammar_.arrays.size());
  grammar_.arrays.push_back(std::move(array));
  return {};
}

NodeBuilder::Step NodeBuilder::add_object(NodeId id, const ObjectRule& rule) {
  // Names in the order of the schema; what is only required comes behind.
  std::vector<std::string> names;
  std::map<std::string, bool, std::less<>> seen;  // name → required
  const auto add_name = [&](const std::string& name, bool required) {
    shaper_.budget().spend(8);
    const auto [found, fresh] = seen.emplace(name, required);
    found->second = found->second || required;
    if (fresh) names.push_back(name);
  };
  for (const json::Value* part : rule.parts) {
    const json::Value* properties = part->find("properties");
    if (properties == nullptr) continue;
    for (const auto& [name, schema] : *properties->if_object()) add_name(name, false);
  }
  for (const std::string& name : rule.required) add_name(name, true);
  for (const auto& [name, term] : rule.members) add_name(name, false);
  for (const std::string& name : rule.forbidden) add_name(name, false);

  ObjectAlt object;
  object.min = rule.min;
  object.max = rule.max;
  TRY(add_regions(rule, object, names));
  LanguagePtr allowed;
  if (!rule.names.empty()) {
    TRY_ASSIGN(allowed, shaper_.names_language(rule.names));
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const bool banned =
        std::find(rule.forbidden.begin(), rule.forbidden.end(), name) != rule.forbidden.end() ||
        (allowed != nullptr && !allowed->matches(name));
    ObjectAlt::Key key;
    const auto found = seen.find(name);
    key.required = found != seen.end() && found->second;
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

NodeBuilder::Step NodeBuilder::add_regions(const ObjectRule& rule, ObjectAlt& object,
                                           std::vector<std::string>& names) {
  Budget& budget = shaper_.budget();
  std::vector<LanguagePtr> patterns;
  std::vector<std::pair<const json::Value*, std::size_t>> uses;  // part, pattern
  std::vector<Term> schemas;
  for (const json::Value* part : rule.parts) {
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
    for (const json::Value* part : rule.parts) {
      bool matched = false;
      for (std::size_t i = 0; i < uses.size(); ++i) {
        if (uses[i].first != part || !kind.matched[uses[i].second]) continue;
        terms.push_back(schemas[i]);
        matched = true;
      }
      const json::Value* additional = part->find("additionalProperties");
      if (!matched && additional != nullptr) terms.push_back({additional, true});
    }
    TRY(add_region(std::move(kind.language), terms, object, names));
  }
  return {};
}

NodeBuilder::Step NodeBuilder::add_region(LanguagePtr language, const std::vector<Term>& terms,
                                          ObjectAlt& object, std::vector<std::string>& names) {
  const bool none = std::any_of(terms.begin(), terms.end(), [](const Term& term) {
    const bool* all = term.schema->if_bool();
    return all != nullptr && *all != term.positive;
  });
  if (none) return {};
  const std::uint32_t count = language->completions(language->start());
  if (count <= kMaxFiniteNames) {
    if (language->state_count() > kMaxNameStates) return too_complex();
    // Few keys: each is a name like those of the schema.
    for (std::string& name : language->texts()) {
      const bool known = std::find(names.begin(), names.end(), name) != names.end();
      if (!known) names.push_back(std::move(name));
    }
    return {};
  }
  object.regions.push_back({std::move(language), node(terms)});
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
    TRY(add_literals(id, {json::to_text(value)}));
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

namespace {

// The height of a node's value, which counts as none when it cannot be one.
std::uint32_t height_of(const Grammar& grammar, NodeId id) {
  return id == kNone ? kNone : grammar.nodes[id].height;
}

std::uint32_t array_height(const Grammar& grammar, const ArrayAlt& array) {
  std::uint32_t height = 0;
  std::uint32_t found = kNone;  // the item that `contains` asks for
  std::uint32_t before = 0;
  const std::size_t needed = std::min<std::size_t>(array.min, array.prefix.size() + 1);
  for (std::size_t i = 0; i <= array.prefix.size(); ++i) {
    const bool rest = i == array.prefix.size();
    const std::uint32_t plain = height_of(grammar, rest ? array.rest : array.prefix[i]);
    if (i < needed) height = std::max(height, plain);
    if (array.contains && i < array.max && before != kNone) {
      const std::uint32_t here =
          height_of(grammar, rest ? array.found_rest : array.found_prefix[i]);
      if (here != kNone) found = std::min(found, std::max(before, here));
    }
    before = std::max(before, plain);
  }
  if (array.contains) height = std::max(height, found);
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

std::uint32_t alt_height(const Grammar& grammar, const Alt& alt) {
  switch (alt.kind) {
    case Alt::Kind::kArray:
      return array_height(grammar, grammar.arrays[alt.index]);
    case Alt::Kind::kObject:
      return object_height(grammar, grammar.objects[alt.index]);
    case Alt::Kind::kNumber: {
      const NumberAlt& number = grammar.numbers[alt.index];
      return number.bounded && next_multiple(number.low, number.multiple) > number.high ? kNone : 0;
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
        const std::uint32_t height = alt_height(grammar, alt);
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
    for (std::size_t i = 0; i < array.prefix.size(); ++i) {
      if (height_of(grammar, array.prefix[i]) <= kMaxNesting) continue;
      array.max = std::min(array.max, static_cast<std::uint32_t>(i));
    }
    if (height_of(grammar, array.rest) > kMaxNesting) {
      array.rest = kNone;
      array.max = std::min(array.max, static_cast<std::uint32_t>(array.prefix.size()));
    }
    for (std::uint32_t i = 0; i < array.found_prefix.size(); ++i) {
      if (height_of(grammar, array.found_prefix[i]) <= kMaxNesting) array.found_until = i + 1;
    }
    if (height_of(grammar, array.found_rest) <= kMaxNesting) array.found_until = kUnbounded;
    array.found_until = std::min(array.found_until, array.max);
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
