// Shaper: what does not fit a schema. Each keyword is denied for itself; any denial will do.
#include <algorithm>
#include <utility>

#include "grammar/shaper.h"

namespace tessera::grammar {
namespace {

constexpr std::uint8_t all_but(std::uint8_t bits) {
  return static_cast<std::uint8_t>(kAllTypes & ~bits);
}

Shape of_type(std::uint8_t types) {
  Shape shape;
  shape.types = types;
  return shape;
}

// Keywords whose denial we cannot write as shapes.
constexpr std::string_view kUndeniable[] = {
    "patternProperties", "propertyNames",     "prefixItems",      "multipleOf", "contains",
    "dependencies",      "dependentRequired", "dependentSchemas", "oneOf",      "uniqueItems"};

}  // namespace

Result<Shapes, GrammarError> Shaper::negate(const json::Value& schema) {
  if (const bool* all = schema.if_bool()) return *all ? Shapes() : Shapes(1);
  const json::Object* object = schema.if_object();
  if (object == nullptr) return invalid("a schema must be an object or a boolean", schema);
  // Errors of the schema itself come first; what it says is not needed.
  TRY(shapes(Term{&schema, true}));
  Shapes out;
  const auto add = [&](Term term) -> Step {
    TRY_ASSIGN(const auto shapes, this->shapes(term));
    out.insert(out.end(), shapes->begin(), shapes->end());
    return {};
  };
  if (const json::Value* reference = object->find("$ref")) {
    TRY_ASSIGN(const json::Value* target, document_.resolve(*reference->if_string(), *reference));
    TRY(add(Term{target, false}));
    if (document_.ref_stands_alone()) return out;
  }
  for (const std::string_view keyword : kUndeniable) {
    if (const json::Value* value = object->find(keyword)) {
      return unsupported("the negation of " + std::string(keyword) + " cannot be enforced", *value);
    }
  }
  TRY(negate_simple(schema, out));
  TRY(negate_values(schema, out));
  TRY(negate_strings(schema, out));
  TRY(negate_containers(schema, out));
  if (const json::Value* list = object->find("allOf")) {
    for (const json::Value& branch : *list->if_array()) TRY(add(Term{&branch, false}));
  }
  if (const json::Value* list = object->find("anyOf")) {
    Shapes none(1);
    for (const json::Value& branch : *list->if_array()) {
      TRY_ASSIGN(const auto shapes, this->shapes(Term{&branch, false}));
      TRY(cross(none, *shapes));
    }
    out.insert(out.end(), none.begin(), none.end());
  }
  if (const json::Value* no = object->find("not")) TRY(add(Term{no, true}));
  if (const json::Value* condition = object->find("if")) {
    for (const bool holds : {true, false}) {
      const json::Value* rule = object->find(holds ? "then" : "else");
      if (rule == nullptr) continue;
      TRY_ASSIGN(Shapes denied, shapes(std::vector<Term>{{condition, holds}, {rule, false}}));
      out.insert(out.end(), denied.begin(), denied.end());
    }
  }
  return out;
}

Shaper::Step Shaper::negate_simple(const json::Value& schema, Shapes& out) {
  Shape shape;
  if (const json::Value* type = schema.find("type")) {
    TRY(read_types(schema, shape));
    if (shape.number.integer) {
      return unsupported("the negation of type integer cannot be enforced", *type);
    }
    out.push_back(of_type(all_but(shape.types)));
  }
  shape = Shape();
  TRY(read_number(schema, shape));
  if (!shape.number.bounded) return {};
  if (shape.number.low > -scaled_limit()) {
    Shape below = of_type(kNumberBit);
    below.number.bounded = true;
    below.number.high = shape.number.low - 1;
    out.push_back(std::move(below));
  }
  if (shape.number.high < scaled_limit()) {
    Shape above = of_type(kNumberBit);
    above.number.bounded = true;
    above.number.low = shape.number.high + 1;
    out.push_back(std::move(above));
  }
  return {};
}

Shaper::Step Shaper::negate_values(const json::Value& schema, Shapes& out) {
  for (const std::string_view keyword : {"enum", "const"}) {
    const json::Value* list = schema.find(keyword);
    if (list == nullptr) continue;
    std::vector<std::string_view> texts;
    std::vector<Int128> numbers;
    std::uint8_t types = kAllTypes;
    const auto exclude = [&](const json::Value& value) -> Step {
      if (value.is_null()) types &= all_but(kNullBit);
      if (const bool* bit = value.if_bool()) types &= all_but(*bit ? kTrueBit : kFalseBit);
      if (const std::string* text = value.if_string()) texts.push_back(*text);
      if (const json::Number* number = value.if_number()) {
        const Scaled scaled = scale(parse_decimal(number->text));
        if (scaled.exact) numbers.push_back(scaled.floor);  // no other number is ever written
        if (!scaled.exact) return unsupported("the negation of such a number", value);
      }
      if (value.if_array() != nullptr || value.if_object() != nullptr) {
        return unsupported("the negation of an array or object cannot be enforced", value);
      }
      return {};
    };
    if (keyword == "const") {
      TRY(exclude(*list));
    } else {
      for (const json::Value& value : *list->if_array()) TRY(exclude(value));
    }
    Shape rest = of_type(types);
    if (!texts.empty()) {
      LanguagePtr language = Language::of_texts(texts, budget_);
      if (language != nullptr) language = Language::complement(*language, budget_);
      if (language == nullptr) return too_complex();
      rest.string.language = language;
    }
    if (numbers.empty()) {
      out.push_back(std::move(rest));
      continue;
    }
    // Between the numbers.
    std::sort(numbers.begin(), numbers.end());
    numbers.push_back(scaled_limit() + 1);
    Int128 low = -scaled_limit();
    for (const Int128 number : numbers) {
      Shape gap = low == -scaled_limit() ? rest : of_type(kNumberBit);
      gap.number.bounded = true;
      gap.number.low = low;
      gap.number.high = number - 1;
      low = number + 1;
      if (gap.number.low > gap.number.high) gap.types &= all_but(kNumberBit);
      if (gap.types != 0) out.push_back(std::move(gap));
    }
  }
  return {};
}

Shaper::Step Shaper::negate_strings(const json::Value& schema, Shapes& out) {
  TRY_ASSIGN(const auto min, read_count(document_, schema, "minLength"));
  TRY_ASSIGN(const auto max, read_count(document_, schema, "maxLength"));
  if (min && *min > 0) {
    Shape shorter = of_type(kStringBit);
    shorter.string.max = *min - 1;
    out.push_back(std::move(shorter));
  }
  if (max) {
    Shape longer = of_type(kStringBit);
    longer.string.min = *max + 1;
    out.push_back(std::move(longer));
  }
  // `format` may be no more than an annotation to whoever checks: its denial promises nothing.
  if (const json::Value* text = schema.find("pattern")) {
    TRY_ASSIGN(const LanguagePtr language, pattern(*text->if_string(), *text));
    Shape other = of_type(kStringBit);
    other.string.language = Language::complement(*language, budget_);
    if (other.string.language == nullptr) return too_complex();
    if (!other.string.language->empty()) out.push_back(std::move(other));
  }
  return {};
}

Shaper::Step Shaper::negate_containers(const json::Value& schema, Shapes& out) {
  if (const json::Value* items = schema.find("items")) {
    if (items->if_array() != nullptr)
      return unsupported("the negation of a tuple cannot be enforced", *items);
    Shape one = of_type(kArrayBit);
    one.array.contains.push_back({items, false});
    out.push_back(std::move(one));
  }
  TRY_ASSIGN(const auto min_items, read_count(document_, schema, "minItems"));
  TRY_ASSIGN(const auto max_items, read_count(document_, schema, "maxItems"));
  TRY_ASSIGN(const auto min_members, read_count(document_, schema, "minProperties"));
  TRY_ASSIGN(const auto max_members, read_count(document_, schema, "maxProperties"));
  Shape shape = of_type(kArrayBit);
  if (min_items && *min_items > 0) {
    shape.array.max = *min_items - 1;
    out.push_back(shape);
  }
  shape = of_type(kArrayBit);
  if (max_items) {
    shape.array.min = *max_items + 1;
    out.push_back(shape);
  }
  shape = of_type(kObjectBit);
  if (min_members && *min_members > 0) {
    shape.object.max = *min_members - 1;
    out.push_back(shape);
  }
  shape = of_type(kObjectBit);
  if (max_members) {
    shape.object.min = *max_members + 1;
    out.push_back(shape);
  }
  const json::Value* required = schema.find("required");
  if (required != nullptr && required->if_array() != nullptr) {
    for (const json::Value& name : *required->if_array()) {
      Shape without = of_type(kObjectBit);
      without.object.forbidden.push_back(*name.if_string());
      out.push_back(std::move(without));
    }
  }
  if (const json::Value* members = schema.find("properties")) {
    for (const auto& [name, rule] : *members->if_object()) {
      Shape with = of_type(kObjectBit);
      with.object.required.push_back(name);
      with.object.members.emplace_back(name, Term{&rule, false});
      out.push_back(std::move(with));
    }
  }
  const json::Value* additional = schema.find("additionalProperties");
  const bool* all = additional == nullptr ? nullptr : additional->if_bool();
  if (additional != nullptr && (all == nullptr || !*all)) {
    return unsupported("the negation of additionalProperties cannot be enforced", *additional);
  }
  return {};
}

}  // namespace tessera::grammar
