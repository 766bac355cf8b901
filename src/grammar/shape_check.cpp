// Shaper: questions about shapes.
#include <algorithm>
#include <set>
#include <utility>

#include "grammar/regex.h"
#include "grammar/shaper.h"

namespace tessera::grammar {
namespace {

std::uint8_t bit_of(const json::Value& value) {
  switch (value.type()) {
    case json::Type::kNull:
      return kNullBit;
    case json::Type::kBool:
      return *value.if_bool() ? kTrueBit : kFalseBit;
    case json::Type::kNumber:
      return kNumberBit;
    case json::Type::kString:
      return kStringBit;
    case json::Type::kArray:
      return kArrayBit;
    case json::Type::kObject:
      return kObjectBit;
  }
  return 0;
}

}  // namespace

std::pair<const json::Array*, const json::Value*> Shaper::tuple_of(const json::Value& schema) {
  const json::Value* items = schema.find("items");
  if (const json::Value* prefix = schema.find("prefixItems")) return {prefix->if_array(), items};
  if (items != nullptr && items->if_array() != nullptr) {
    return {items->if_array(), schema.find("additionalItems")};
  }
  return {nullptr, items};
}

std::size_t Shaper::prefix_size(const ArrayRule& rule) {
  std::size_t size = 0;
  for (const Part& part : rule.parts) {
    const json::Array* prefix = tuple_of(*part.schema).first;
    if (prefix != nullptr) size = std::max(size, prefix->size());
  }
  for (const auto& [index, term] : rule.places) size = std::max<std::size_t>(size, index + 1);
  for (const Contains& contains : rule.contains) {
    size = std::max<std::size_t>(size, contains.from);
  }
  return size;
}

std::vector<Term> Shaper::item_terms(const ArrayRule& rule, std::size_t index) {
  std::vector<Term> terms;
  for (const Part& part : rule.parts) {
    const auto [prefix, rest] = tuple_of(*part.schema);
    if (prefix != nullptr && index < prefix->size()) {
      terms.push_back({&(*prefix)[index], true});
    } else if (rest != nullptr) {
      terms.push_back({rest, true});
    }
  }
  for (const auto& [place, term] : rule.places) {
    if (place == index) terms.push_back(term);
  }
  for (const Rest& rest : rule.rests) {
    const bool evaluated = std::any_of(rest.parts.begin(), rest.parts.end(), [&](const Part& part) {
      const auto [prefix, behind] = tuple_of(*part.schema);
      return behind != nullptr || (prefix != nullptr && index < prefix->size());
    });
    if (!evaluated) terms.push_back(rest.term);
  }
  return terms;
}

Result<std::vector<Term>, GrammarError> Shaper::member_terms(const ObjectRule& rule,
                                                             const std::string& name) {
  std::vector<Term> terms;
  std::set<const json::Value*> looking;  // parts that say something of this name
  for (const Part& from : rule.parts) {
    const json::Value* part = from.schema;
    const json::Value* properties = part->find("properties");
    if (const json::Value* member = properties == nullptr ? nullptr : properties->find(name)) {
      terms.push_back({member, true});
      looking.insert(part);
    }
    if (const json::Value* patterns = part->find("patternProperties")) {
      for (const auto& [text, schema] : *patterns->if_object()) {
        TRY_ASSIGN(const LanguagePtr language, pattern(text, schema));
        if (!budget_.spend(name.size() + 1)) return too_complex();
        if (!language->matches(name)) continue;
        terms.push_back({&schema, true});
        looking.insert(part);
      }
    }
    const json::Value* additional = part->find("additionalProperties");
    if (additional == nullptr) continue;
    if (!looking.contains(part)) terms.push_back({additional, true});
  }
  for (const Rest& rest : rule.rests) {
    const bool evaluated = std::any_of(rest.parts.begin(), rest.parts.end(), [&](const Part& part) {
      return looking.contains(part.schema) || part.schema->find("additionalProperties") != nullptr;
    });
    if (!evaluated) terms.push_back(rest.term);
  }
  for (const auto& [member, term] : rule.members) {
    if (member == name) terms.push_back(term);
  }
  return terms;
}

Result<LanguagePtr, GrammarError> Shaper::pattern(const std::string& text, const json::Value& at) {
  const auto found = patterns_.whole.find(text);
  if (found != patterns_.whole.end()) return found->second;
  auto language = compile_regex(text, budget_);
  if (!language) {
    GrammarError error = std::move(language).error();
    error.path = document_.path_of(at);
    return Unexpected{std::move(error)};
  }
  patterns_.whole.emplace(text, *language);
  return *std::move(language);
}

Result<LanguagePtr, GrammarError> Shaper::some_pattern(const std::string& text,
                                                       const json::Value& at) {
  const auto found = patterns_.whole.find(text);
  if (found != patterns_.whole.end()) return found->second;
  auto known = patterns_.fewer.find(text);
  if (known == patterns_.fewer.end()) {
    auto made = compile_some_regex(text, budget_);
    if (!made) {
      GrammarError error = std::move(made).error();
      error.path = document_.path_of(at);
      return Unexpected{std::move(error)};
    }
    auto& kept = made->all ? patterns_.whole : patterns_.fewer;
    known = kept.emplace(text, made->language).first;
    if (made->all) return known->second;
  }
  leave_out("a pattern with so many repeats cannot be enforced here", at);
  return known->second;
}

Result<LanguagePtr, GrammarError> Shaper::names_language(const std::vector<Term>& terms) {
  TRY_ASSIGN(const Shapes all, shapes(terms));
  LanguagePtr outside = Language::any();
  for (const Shape& shape : all) {
    if ((shape.types & kStringBit) == 0) continue;
    LanguagePtr one = shape.string.language == nullptr ? Language::any() : shape.string.language;
    if (shape.has_values) {
      std::vector<std::string_view> texts;
      for (const json::Value* value : shape.values) {
        const std::string* text = value->if_string();
        if (text != nullptr && grammar::admits(shape.string, *text)) texts.push_back(*text);
      }
      one = Language::of_texts(texts, budget_);
    } else if (shape.string.min > 0 || shape.string.max != kUnbounded) {
      const LanguagePtr length = Language::of_length(shape.string.min, shape.string.max, budget_);
      if (length == nullptr) return too_complex();
      one = Language::intersection(*one, *length, budget_);
    }
    if (one != nullptr) one = Language::complement(*one, budget_);
    if (one != nullptr) outside = Language::intersection(*outside, *one, budget_);
    if (one == nullptr || outside == nullptr) return too_complex();
  }
  LanguagePtr inside = Language::complement(*outside, budget_);
  if (inside == nullptr) return too_complex();
  return inside;
}

Shaper::Answer Shaper::settled_shapes(const std::vector<Term>& terms) {
  const auto known = known_sets_.find(terms);
  if (known != known_sets_.end()) {
    weak_ = weak_ || weak_shapes_.contains(known->second.get());
    return known->second;
  }
  const bool met_before = std::exchange(met_open_, false);
  ++settling_;
  Result<Shapes, GrammarError> fresh = Shapes();
  const bool weak = is_weak([&] { fresh = shapes(terms); });
  --settling_;
  const bool settled = !met_open_;
  met_open_ = met_before;
  if (!fresh) return Unexpected{std::move(fresh).error()};
  if (!settled) return std::shared_ptr<const Shapes>();
  auto made = keep(*std::move(fresh));
  if (weak) weak_shapes_.insert(made.get());
  known_sets_.emplace(terms, made);
  return made;
}

bool Shaper::has_none(const std::vector<Term>& terms) {
  bool none = true;
  const bool weak = is_weak([&] {
    const auto all = settled_shapes(terms);
    none = all && *all != nullptr;
    for (std::size_t i = 0; none && i < (*all)->size(); ++i) {
      const auto empty = is_empty((**all)[i], 2);
      none = empty && *empty;
    }
  });
  return none && !weak;
}

Result<bool, GrammarError> Shaper::admits(const std::vector<Term>& terms,
                                          const json::Value& value) {
  TRY_ASSIGN(const auto all, settled_shapes(terms));
  if (all == nullptr) return true;
  for (const Shape& shape : *all) {
    TRY_ASSIGN(const bool fits, admits(shape, value));
    if (fits) return true;
  }
  return false;
}

Result<bool, GrammarError> Shaper::admits(const Shape& shape, const json::Value& value) {
  if (!budget_.spend(20)) return too_complex();
  if ((shape.types & bit_of(value)) == 0) return false;
  if (shape.has_values) {
    budget_.spend(shape.values.size() * 2);
    const bool listed =
        std::any_of(shape.values.begin(), shape.values.end(),
                    [&](const json::Value* v) { return v == &value || equal(*v, value); });
    if (!listed) return false;
  }
  if (const json::Number* number = value.if_number()) return grammar::admits(shape.number, *number);
  if (const std::string* text = value.if_string()) {
    budget_.spend(text->size());
    return grammar::admits(shape.string, *text);
  }
  if (const json::Array* items = value.if_array()) {
    const ArrayRule& rule = shape.array;
    if (items->size() < rule.min || items->size() > rule.max) return false;
    for (std::size_t i = 0; i < items->size(); ++i) {
      TRY_ASSIGN(const bool fits, admits(item_terms(rule, i), (*items)[i]));
      if (!fits) return false;
    }
    for (std::size_t i = 0; rule.unique != nullptr && i < items->size(); ++i) {
      if (!budget_.spend(2 * i)) return too_complex();
      const auto here = items->begin() + static_cast<std::ptrdiff_t>(i);
      const bool twice = std::any_of(items->begin(), here,
                                     [&](const json::Value& other) { return equal(other, *here); });
      if (twice) return false;
    }
    for (const Contains& contains : rule.contains) {
      std::uint32_t found = 0;
      for (std::size_t i = contains.from; i < items->size(); ++i) {
        TRY_ASSIGN(const bool fits, admits(std::vector<Term>{contains.item}, (*items)[i]));
        found += fits;
      }
      if (found < contains.min || found > contains.max) return false;
    }
    return true;
  }
  const json::Object* members = value.if_object();
  if (members == nullptr) return true;
  const ObjectRule& rule = shape.object;
  if (members->size() < rule.min || members->size() > rule.max) return false;
  for (const std::string& name : rule.required) {
    if (!members->contains(name)) return false;
  }
  for (const std::string& name : rule.forbidden) {
    if (members->contains(name)) return false;
  }
  for (const Some& some : rule.some) {
    bool found = false;
    for (const auto& [name, member] : *members) {
      if (found || !some.keys->matches(name)) continue;
      TRY_ASSIGN(found, admits(std::vector<Term>{some.member}, member));
    }
    if (!found) return false;
  }
  for (const auto& [name, member] : *members) {
    TRY_ASSIGN(const std::vector<Term> terms, member_terms(rule, name));
    TRY_ASSIGN(const bool fits, admits(terms, member));
    if (!fits) return false;
    if (rule.names.empty()) continue;
    TRY_ASSIGN(const bool named, admits(rule.names, json::Value(name)));
    if (!named) return false;
  }
  return true;
}

Result<bool, GrammarError> Shaper::is_empty(const Shape& shape, int depth) {
  if (shape.types == 0) return true;
  if (shape.has_values) {
    Shape rules = shape;
    rules.has_values = false;
    for (const json::Value* value : shape.values) {
      TRY_ASSIGN(const bool fits, admits(rules, *value));
      if (fits) return false;
    }
    return true;
  }
  if ((shape.types & ~(kArrayBit | kObjectBit)) != 0 || depth == 0) return false;
  const auto none = [&](const std::vector<Term>& terms) -> Result<bool, GrammarError> {
    TRY_ASSIGN(const auto all, settled_shapes(terms));
    if (all == nullptr) return false;
    for (const Shape& one : *all) {
      TRY_ASSIGN(const bool empty, is_empty(one, depth - 1));
      if (!empty) return false;
    }
    return true;
  };
  if ((shape.types & kArrayBit) != 0) {
    bool dead = false;
    const std::size_t count = std::min<std::size_t>(shape.array.min, prefix_size(shape.array) + 1);
    for (std::size_t i = 0; i < count && !dead; ++i) {
      TRY_ASSIGN(dead, none(item_terms(shape.array, i)));
    }
    if (!dead) return false;
  }
  if ((shape.types & kObjectBit) != 0) {
    bool dead = false;
    for (const std::string& name : shape.object.required) {
      if (!budget_.spend(16 + 8 * shape.object.parts.size())) return too_complex();
      TRY_ASSIGN(std::vector<Term> terms, member_terms(shape.object, name));
      TRY_ASSIGN(dead, none(terms));
      if (dead) break;
    }
    if (!dead) return false;
  }
  return true;
}

}  // namespace tessera::grammar
