// Shaper: what does not fit a schema. Each keyword is denied for itself; any denial will do.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
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

// What has fewer than `min` characters, items or members, and what has more than `max`.
template <class Rule>
void add_outside(std::uint8_t type, Rule Shape::* rule, std::optional<std::uint32_t> min,
                 std::optional<std::uint32_t> max, Shapes& out) {
  if (min && *min > 0) {
    Shape fewer = of_type(type);
    (fewer.*rule).max = *min - 1;
    out.push_back(std::move(fewer));
  }
  if (max) {
    Shape more = of_type(type);
    (more.*rule).min = *max + 1;
    out.push_back(std::move(more));
  }
}

}  // namespace

const json::Value& anything() {
  static const json::Value schema(true);
  return schema;
}

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
  for (const std::string_view keyword : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json::Value* reference = object->find(keyword);
    if (reference == nullptr) continue;
    TRY_ASSIGN(const json::Value* target, refer(keyword, *reference));
    TRY(add(Term{target, false}));
    if (keyword == "$ref" && document_.ref_stands_alone()) return out;
  }
  for (const std::string_view keyword : {"unevaluatedProperties", "unevaluatedItems"}) {
    if (const json::Value* rest = object->find(keyword)) {
      leave_out("the negation of " + std::string(keyword) + " cannot be enforced", *rest);
    }
  }
  if (const json::Value* unique = object->find("uniqueItems"); unique && *unique->if_bool())
    leave_out("the negation of uniqueItems cannot be enforced", *unique);
  TRY(negate_simple(schema, out));
  TRY(negate_values(schema, out));
  TRY(negate_strings(schema, out));
  TRY(negate_arrays(schema, out));
  TRY(negate_objects(schema, out));
  TRY(negate_keys(schema, out));
  TRY(negate_dependencies(schema, out));
  TRY(negate_one_of(schema, out));
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
  for (Shape& shape : out) {
    for (Part& part : shape.array.parts) part.evaluates = false;
    for (Part& part : shape.object.parts) part.evaluates = false;
    for (Rest& rest : shape.array.rests) rest.evaluates = false;
    for (Rest& rest : shape.object.rests) rest.evaluates = false;
  }
  return out;
}

void Shaper::leave_out(std::string message, const json::Value& at) {
  weak_ = true;
  if (left_out_) return;
  left_out_ =
      GrammarError{GrammarErrorCode::kUnsupportedSchema, std::move(message), document_.path_of(at)};
}

Shaper::Step Shaper::negate_simple(const json::Value& schema, Shapes& out) {
  Shape shape;
  const auto no_multiple_of = [&](Int128 step) {
    Shape other = of_type(kNumberBit);
    other.number.no_multiple_of.push_back(step);
    other.number.bounded = true;
    out.push_back(std::move(other));
  };
  if (schema.find("type") != nullptr) {
    TRY(read_types(schema, shape));
    if (shape.number.integer) no_multiple_of(scaled_one());
    out.push_back(of_type(all_but(shape.types)));
  }
  shape = Shape();
  TRY(read_number(schema, shape));
  if (schema.find("multipleOf") != nullptr) no_multiple_of(shape.number.multiple);
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
    std::vector<const json::Value*> containers;
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
        types &= all_but(value.if_array() != nullptr ? kArrayBit : kObjectBit);
        containers.push_back(&value);
      }
      return {};
    };
    if (keyword == "const") {
      TRY(exclude(*list));
    } else {
      for (const json::Value& value : *list->if_array()) TRY(exclude(value));
    }
    for (const std::uint8_t type : {kArrayBit, kObjectBit}) {
      Shapes others{of_type(type)};
      for (const json::Value* value : containers) {
        if ((value->if_array() != nullptr) != (type == kArrayBit)) continue;
        Shapes one;
        add_others(*value, one);
        TRY(cross(others, one));
      }
      if ((types & type) == 0) out.insert(out.end(), others.begin(), others.end());
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
  add_outside(kStringBit, &Shape::string, min, max, out);
  // `format` may be no more than an annotation to whoever checks: its denial promises nothing.
  if (schema.find("format") != nullptr) weak_ = true;
  if (const json::Value* text = schema.find("pattern")) {
    TRY_ASSIGN(const LanguagePtr language, pattern(*text->if_string(), *text));
    Shape other = of_type(kStringBit);
    other.string.language = Language::complement(*language, budget_);
    if (other.string.language == nullptr) return too_complex();
    if (!other.string.language->empty()) out.push_back(std::move(other));
  }
  return {};
}

void Shaper::add_others(const json::Value& value, Shapes& out) {
  const auto no = [&](const json::Value& part) {
    budget_.take(400 + json::to_text(part).size() * 8);
    json::Object schema;
    schema.set("const", part);
    return Term{&made_.emplace_back(std::move(schema)), false};
  };
  if (const json::Array* items = value.if_array()) {
    const auto size = static_cast<std::uint32_t>(items->size());
    Shape longer = of_type(kArrayBit);
    longer.array.min = size + 1;
    out.push_back(std::move(longer));
    if (size == 0) return;
    Shape shorter = of_type(kArrayBit);
    shorter.array.max = size - 1;
    out.push_back(std::move(shorter));
    for (std::uint32_t i = 0; i < size; ++i) {
      Shape other = of_type(kArrayBit);
      other.array.min = i + 1;
      other.array.places.emplace_back(i, no((*items)[i]));
      out.push_back(std::move(other));
    }
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& [name, member] : *value.if_object()) {
    names.push_back(name);
    Shape without = of_type(kObjectBit);
    without.object.forbidden.push_back(name);
    out.push_back(std::move(without));
    Shape other = of_type(kObjectBit);
    other.object.required.push_back(name);
    other.object.members.emplace_back(name, no(member));
    out.push_back(std::move(other));
  }
  Shape more = of_type(kObjectBit);
  more.object.min = static_cast<std::uint32_t>(names.size() + 1);
  out.push_back(std::move(more));
}

Shaper::Step Shaper::negate_arrays(const json::Value& schema, Shapes& out) {
  const auto [prefix, rest] = tuple_of(schema);
  const auto size = static_cast<std::uint32_t>(prefix == nullptr ? 0 : prefix->size());
  for (std::uint32_t i = 0; i < size; ++i) {
    Shape one = of_type(kArrayBit);
    one.array.min = i + 1;
    one.array.places.emplace_back(i, Term{&(*prefix)[i], false});
    out.push_back(std::move(one));
  }
  if (rest != nullptr) {
    Shape one = of_type(kArrayBit);
    one.array.min = size + 1;
    one.array.contains.push_back({Term{rest, false}, 1, kUnbounded, size});
    out.push_back(std::move(one));
  }
  if (const json::Value* item = schema.find("contains")) {
    TRY_ASSIGN(const auto least, read_count(document_, schema, "minContains"));
    TRY_ASSIGN(const auto most, read_count(document_, schema, "maxContains"));
    if (least.value_or(1) > 0) {
      Shape fewer = of_type(kArrayBit);
      fewer.array.contains.push_back({Term{item, true}, 0, least.value_or(1) - 1});
      out.push_back(std::move(fewer));
    }
    if (most) {
      Shape more = of_type(kArrayBit);
      more.array.contains.push_back({Term{item, true}, *most + 1});
      out.push_back(std::move(more));
    }
  }
  TRY_ASSIGN(const auto min, read_count(document_, schema, "minItems"));
  TRY_ASSIGN(const auto max, read_count(document_, schema, "maxItems"));
  add_outside(kArrayBit, &Shape::array, min, max, out);
  return {};
}

Shaper::Step Shaper::negate_objects(const json::Value& schema, Shapes& out) {
  TRY_ASSIGN(const auto min, read_count(document_, schema, "minProperties"));
  TRY_ASSIGN(const auto max, read_count(document_, schema, "maxProperties"));
  add_outside(kObjectBit, &Shape::object, min, max, out);
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
  return {};
}

Shaper::Step Shaper::negate_keys(const json::Value& schema, Shapes& out) {
  const auto add = [&](LanguagePtr keys, Term member) {
    Shape some = of_type(kObjectBit);
    some.object.min = 1;
    some.object.some.push_back({std::move(keys), member});
    out.push_back(std::move(some));
  };
  LanguagePtr others = Language::any();  // keys that additionalProperties is about
  const auto exclude = [&](const Language& language) {
    const LanguagePtr outside = Language::complement(language, budget_);
    if (outside != nullptr) others = Language::intersection(*others, *outside, budget_);
    return outside != nullptr && others != nullptr;
  };
  if (const json::Value* patterns = schema.find("patternProperties")) {
    for (const auto& [text, rule] : *patterns->if_object()) {
      TRY_ASSIGN(const LanguagePtr language, pattern(text, rule));
      add(language, Term{&rule, false});
      if (!exclude(*language)) return too_complex();
    }
  }
  if (const json::Value* additional = schema.find("additionalProperties")) {
    std::vector<std::string_view> names;
    if (const json::Value* members = schema.find("properties")) {
      for (const auto& [name, rule] : *members->if_object()) names.push_back(name);
    }
    const LanguagePtr named = Language::of_texts(names, budget_);
    if (named == nullptr || !exclude(*named)) return too_complex();
    const bool* all = additional->if_bool();
    if (all == nullptr || !*all) add(others, Term{additional, false});
  }
  if (const json::Value* rule = schema.find("propertyNames")) {
    Result<LanguagePtr, GrammarError> names = LanguagePtr();
    const bool weak = is_weak([&] { names = names_language({Term{rule, true}}); });
    if (!names) return Unexpected{names.error()};
    LanguagePtr outside = Language::complement(**names, budget_);
    if (outside == nullptr) return too_complex();
    if (!weak) add(std::move(outside), Term{&anything(), true});
  }
  return {};
}

Shaper::Step Shaper::negate_dependencies(const json::Value& schema, Shapes& out) {
  for (const std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const json::Value* rules = schema.find(keyword);
    if (rules == nullptr) continue;
    for (const auto& [name, rule] : *rules->if_object()) {
      Shape present = of_type(kObjectBit);
      present.object.required.push_back(name);
      if (const json::Array* others = rule.if_array()) {
        for (const json::Value& other : *others) {
          Shape alone = present;
          alone.object.forbidden.push_back(*other.if_string());
          if (*other.if_string() != name) out.push_back(std::move(alone));
        }
        continue;
      }
      Shapes denied{present};
      TRY_ASSIGN(const auto shapes, this->shapes(Term{&rule, false}));
      TRY(cross(denied, *shapes));
      out.insert(out.end(), denied.begin(), denied.end());
    }
  }
  return {};
}

Shaper::Step Shaper::negate_one_of(const json::Value& schema, Shapes& out) {
  const json::Value* list = schema.find("oneOf");
  if (list == nullptr) return {};
  Shapes none(1);
  const json::Array& branches = *list->if_array();
  for (std::size_t i = 0; i < branches.size(); ++i) {
    TRY_ASSIGN(const auto denied, this->shapes(Term{&branches[i], false}));
    TRY(cross(none, *denied));
    for (std::size_t j = 0; j < i; ++j) {
      TRY_ASSIGN(const Shapes both,
                 shapes(std::vector<Term>{{&branches[i], true}, {&branches[j], true}}));
      out.insert(out.end(), both.begin(), both.end());
      if (!budget_.spend(both.size() * 4)) return too_complex();
    }
  }
  out.insert(out.end(), none.begin(), none.end());
  return {};
}

}  // namespace tessera::grammar
