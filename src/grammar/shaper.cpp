#include "grammar/shaper.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>
#include <utility>

#include "grammar/formats.h"

namespace tessera::grammar {
namespace {

constexpr int kMaxExpansionDepth = 200;
constexpr std::size_t kMaxShapes = 4096;
// From here on it is worth while to look for those that no value fits.
constexpr std::size_t kManyShapes = 4;
// A longer chain of references is a circle, or as good as one.
constexpr std::size_t kMaxReferences = 100'000;

// Assertions that we cannot enforce. Keywords that nobody knows are annotations, as the
// specification says.
constexpr std::string_view kUnenforceable[] = {"extends", "disallow", "divisibleBy"};

std::optional<std::uint8_t> type_bits(std::string_view name) {
  constexpr std::pair<std::string_view, std::uint8_t> kTypes[] = {
      {"null", kNullBit},     {"boolean", kFalseBit | kTrueBit},
      {"number", kNumberBit}, {"integer", kNumberBit},
      {"float", kNumberBit},  {"string", kStringBit},
      {"array", kArrayBit},   {"object", kObjectBit}};
  for (const auto& [type, bits] : kTypes) {
    if (type == name) return bits;
  }
  return std::nullopt;
}

// What OpenAPI calls its integers.
void read_number_format(const json::Value& schema, NumberRule& rule) {
  const json::Value* format = schema.find("format");
  const std::string* name = format == nullptr ? nullptr : format->if_string();
  if (name == nullptr || (*name != "int32" && *name != "int64")) return;
  const Int128 limit = (Int128{1} << (*name == "int32" ? 31 : 63)) * scaled_one();
  rule.integer = rule.bounded = true;
  rule.low = std::max(rule.low, -limit);
  rule.high = std::min(rule.high, limit - scaled_one());
}

}  // namespace

// How many, of the keywords that count something.
Result<std::optional<std::uint32_t>, GrammarError> read_count(const SchemaDocument& document,
                                                              const json::Value& schema,
                                                              std::string_view keyword) {
  using Count = std::optional<std::uint32_t>;
  const json::Value* value = schema.find(keyword);
  if (value == nullptr) return Count();
  const json::Number* number = value->if_number();
  if (number != nullptr) {
    const Decimal decimal = parse_decimal(number->text);
    if (is_integer(decimal) && (!decimal.negative || decimal.digits.empty())) {
      const auto small = value->as_int64();
      if (!small || *small >= kUnbounded) return Count(kUnbounded - 1);
      return Count(static_cast<std::uint32_t>(*small));
    }
  }
  return document.error(GrammarErrorCode::kInvalidSchema,
                        std::string(keyword) + " must be a non-negative integer", *value);
}

Shaper::Answer Shaper::shapes(Term term) {
  TRY_ASSIGN(term.schema, follow(term.schema));
  const auto found = known_.find(term);
  if (found != known_.end()) {
    weak_ = weak_ || weak_shapes_.contains(found->second.get());
    return found->second;
  }
  if (depth_ > kMaxExpansionDepth || !budget_.spend(20)) return too_complex();
  if (!open_.insert(term).second) {
    if (!term.positive && settling_ == 0) {
      return unsupported("`not` of a schema that refers to itself", *term.schema);
    }
    met_open_ = true;
    return std::make_shared<const Shapes>();
  }
  ++depth_;
  Result<Shapes, GrammarError> expanded = Shapes();
  const bool weak =
      is_weak([&] { expanded = term.positive ? expand(*term.schema) : negate(*term.schema); });
  --depth_;
  open_.erase(term);
  if (!expanded) return Unexpected{std::move(expanded).error()};
  auto shapes = keep(*std::move(expanded));
  if (weak) weak_shapes_.insert(shapes.get());
  if (open_.empty()) met_open_ = false;
  if (!met_open_) known_.emplace(term, shapes);
  return shapes;
}

std::shared_ptr<const Shapes> Shaper::keep(Shapes shapes) {
  for (const Shape& shape : shapes) budget_.take(sizeof(Shape) + shape.weight() * 16);
  return std::make_shared<const Shapes>(std::move(shapes));
}

Result<const json::Value*, GrammarError> Shaper::follow(const json::Value* schema) {
  const json::Value* reference = schema->find("$ref");
  for (std::size_t steps = 0; reference != nullptr; ++steps) {
    const bool alone = document_.ref_stands_alone() || schema->if_object()->size() == 1;
    if (!alone || reference->if_string() == nullptr || steps > kMaxReferences) break;
    if (!budget_.spend(10)) return too_complex();
    TRY_ASSIGN(schema, document_.resolve(*reference->if_string(), *reference));
    reference = schema->find("$ref");
  }
  return schema;
}

Result<Shapes, GrammarError> Shaper::shapes(const std::vector<Term>& terms) {
  Shapes out(1);
  for (const Term& term : terms) {
    TRY_ASSIGN(const auto one, shapes(term));
    TRY(cross(out, *one));
  }
  return out;
}

Shaper::Step Shaper::cross(Shapes& into, const Shapes& with) {
  Shapes out;
  const bool many = into.size() * with.size() > kManyShapes;
  for (const Shape& a : into) {
    for (const Shape& b : with) {
      Shape both = merge(a, b, budget_);
      if (budget_.exhausted() || out.size() > kMaxShapes) return too_complex();
      if (both.types == 0) continue;
      if (many && !pruning_) {
        pruning_ = true;
        const auto empty = is_empty(both, 1);
        pruning_ = false;
        if (!empty) return Unexpected{empty.error()};
        if (*empty) continue;
      }
      out.push_back(std::move(both));
    }
  }
  into = std::move(out);
  return {};
}

Result<Shapes, GrammarError> Shaper::expand(const json::Value& schema) {
  if (const bool* all = schema.if_bool()) return *all ? Shapes(1) : Shapes();
  const json::Object* object = schema.if_object();
  if (object == nullptr) return invalid("a schema must be an object or a boolean", schema);
  Shapes out(1);
  if (const json::Value* reference = object->find("$ref");
      reference != nullptr && document_.ref_stands_alone()) {
    TRY_ASSIGN(const json::Value* target, refer("$ref", *reference));
    TRY_ASSIGN(const auto referred, shapes(Term{target, true}));
    return Shapes(*referred);
  }
  TRY(check_keywords(*object));
  Shape base;
  TRY(read_types(schema, base));
  TRY(read_values(schema, base));
  TRY(read_number(schema, base));
  TRY(read_string(schema, base));
  TRY(read_array(schema, base));
  TRY(read_object(schema, base));
  TRY(cross(out, {base}));
  // Behind the schema's own: its members come first.
  for (const std::string_view keyword : {"$ref", "$dynamicRef", "$recursiveRef"}) {
    const json::Value* reference = object->find(keyword);
    if (reference == nullptr) continue;
    TRY_ASSIGN(const json::Value* target, refer(keyword, *reference));
    TRY_ASSIGN(const auto referred, shapes(Term{target, true}));
    TRY(cross(out, *referred));
  }
  TRY(apply_lists(schema, out));
  TRY(apply_condition(schema, out));
  TRY(apply_dependencies(schema, out));
  TRY(add_rests(schema, out));
  return out;
}

Result<const json::Value*, GrammarError> Shaper::refer(std::string_view keyword,
                                                       const json::Value& reference) {
  const std::string* text = reference.if_string();
  if (text == nullptr) return invalid(std::string(keyword) + " must be a string", reference);
  if (keyword != "$ref") return document_.resolve_dynamic(keyword, *text, reference);
  return document_.resolve(*text, reference);
}

Shaper::Step Shaper::check_keywords(const json::Object& schema) {
  for (const std::string_view keyword : kUnenforceable) {
    if (const json::Value* value = schema.find(keyword)) {
      return unsupported("keyword " + std::string(keyword) + " cannot be enforced", *value);
    }
  }
  return {};
}

Shaper::Step Shaper::read_types(const json::Value& schema, Shape& shape) {
  const json::Value* type = schema.find("type");
  if (type == nullptr) return {};
  std::vector<const json::Value*> names;
  if (const json::Array* list = type->if_array()) {
    for (const json::Value& name : *list) names.push_back(&name);
    if (names.empty()) return invalid("type must name a type", *type);
  } else {
    names.push_back(type);
  }
  shape.types = 0;
  bool number = false;
  bool integer = false;
  for (const json::Value* name : names) {
    const std::string* text = name->if_string();
    const auto bits = text == nullptr ? std::nullopt : type_bits(*text);
    if (!bits) return invalid("type names no JSON type", *name);
    number = number || *text == "number" || *text == "float";
    integer = integer || *text == "integer";
    shape.types |= *bits;
  }
  shape.number.integer = integer && !number;
  return {};
}

Shaper::Step Shaper::read_values(const json::Value& schema, Shape& shape) {
  if (const json::Value* list = schema.find("enum")) {
    const json::Array* values = list->if_array();
    if (values == nullptr) return invalid("enum must be an array", *list);
    shape.has_values = true;
    if (!budget_.spend(values->size() * 10)) return too_complex();
    for (const json::Value& value : *values) shape.values.push_back(&value);
  }
  if (const json::Value* value = schema.find("const")) {
    Shape other;
    other.has_values = true;
    other.values.push_back(value);
    shape = merge(shape, other, budget_);
  }
  return {};
}

Shaper::Step Shaper::read_number(const json::Value& schema, Shape& shape) {
  NumberRule& rule = shape.number;
  for (const std::string_view keyword :
       {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}) {
    const json::Value* value = schema.find(keyword);
    if (value == nullptr) continue;
    const bool minimum = keyword == "minimum" || keyword == "exclusiveMinimum";
    bool exclusive = keyword.starts_with("exclusive");
    if (exclusive && value->if_bool() != nullptr) {  // draft 4: it qualifies its neighbour
      if (schema.find(minimum ? "minimum" : "maximum") != nullptr || !*value->if_bool()) continue;
      return invalid(std::string(keyword) + " needs its bound", *value);
    }
    const json::Number* number = value->if_number();
    if (number == nullptr) return invalid(std::string(keyword) + " must be a number", *value);
    const Scaled scaled = scale(parse_decimal(number->text));
    if (keyword == "multipleOf") {
      if (scaled.floor <= 0 && scaled.exact) return invalid("multipleOf must be positive", *value);
      if (!scaled.exact || scaled.floor <= 0) return unsupported("multipleOf of that size", *value);
      Shape with;
      with.number.multiple = scaled.floor;
      with.number.bounded = true;
      shape = merge(shape, with, budget_);
      continue;
    }
    if (!exclusive) {
      const json::Value* flag = schema.find(minimum ? "exclusiveMinimum" : "exclusiveMaximum");
      exclusive = flag != nullptr && flag->if_bool() != nullptr && *flag->if_bool();
    }
    rule.bounded = true;
    if (minimum) {
      rule.low = std::max(rule.low, scaled.floor + (exclusive || !scaled.exact ? 1 : 0));
    } else {
      rule.high = std::min(rule.high, scaled.floor - (exclusive && scaled.exact ? 1 : 0));
    }
  }
  read_number_format(schema, rule);
  if (grammar::is_empty(rule)) shape.types &= static_cast<std::uint8_t>(~kNumberBit);
  return {};
}

Shaper::Step Shaper::read_string(const json::Value& schema, Shape& shape) {
  TRY_ASSIGN(const auto min, read_count(document_, schema, "minLength"));
  TRY_ASSIGN(const auto max, read_count(document_, schema, "maxLength"));
  shape.string.min = min.value_or(0);
  shape.string.max = max.value_or(kUnbounded);
  if (const json::Value* text = schema.find("pattern")) {
    if (text->if_string() == nullptr) return invalid("pattern must be a string", *text);
    TRY_ASSIGN(shape.string.language, some_pattern(*text->if_string(), *text));
  }
  if (const json::Value* name = schema.find("format")) {
    if (name->if_string() == nullptr) return invalid("format must be a string", *name);
    if (LanguagePtr language = format_language(*name->if_string())) {
      if (shape.string.language != nullptr) {
        language = Language::intersection(*shape.string.language, *language, budget_);
        if (language == nullptr) return too_complex();
      }
      shape.string.language = language;
      shape.string.max = std::min(shape.string.max, format_length(*name->if_string()));
    }
  }
  if (grammar::is_empty(shape.string)) shape.types &= static_cast<std::uint8_t>(~kStringBit);
  return {};
}

Shaper::Step Shaper::read_array(const json::Value& schema, Shape& shape) {
  ArrayRule& rule = shape.array;
  if (schema.find("items") != nullptr || schema.find("prefixItems") != nullptr) {
    const json::Value* prefix = schema.find("prefixItems");
    if (prefix != nullptr && prefix->if_array() == nullptr) {
      return invalid("prefixItems must be an array", *prefix);
    }
    rule.parts.push_back({&schema});
  }
  TRY_ASSIGN(const auto min, read_count(document_, schema, "minItems"));
  TRY_ASSIGN(const auto max, read_count(document_, schema, "maxItems"));
  rule.min = min.value_or(0);
  rule.max = max.value_or(kUnbounded);
  if (const json::Value* unique = schema.find("uniqueItems")) {
    const bool* on = unique->if_bool();
    if (on == nullptr) return invalid("uniqueItems must be a boolean", *unique);
    if (*on) rule.unique = unique;
  }
  if (const json::Value* item = schema.find("contains")) {
    TRY_ASSIGN(const auto least, read_count(document_, schema, "minContains"));
    TRY_ASSIGN(const auto most, read_count(document_, schema, "maxContains"));
    rule.contains.push_back({{item, true}, least.value_or(1), most.value_or(kUnbounded)});
  }
  if (rule.min > rule.max) shape.types &= static_cast<std::uint8_t>(~kArrayBit);
  return {};
}

Shaper::Step Shaper::read_object(const json::Value& schema, Shape& shape) {
  ObjectRule& rule = shape.object;
  bool part = false;
  for (const std::string_view keyword : {"properties", "patternProperties"}) {
    const json::Value* members = schema.find(keyword);
    if (members == nullptr) continue;
    if (members->if_object() == nullptr) {
      return invalid(std::string(keyword) + " must be an object", *members);
    }
    if (!budget_.spend(members->if_object()->size() * 4)) return too_complex();
    part = true;
  }
  if (part || schema.find("additionalProperties") != nullptr) rule.parts.push_back({&schema});
  const json::Value* required = schema.find("required");
  if (required != nullptr && required->if_bool() == nullptr) {  // draft 3 has booleans there
    const json::Array* names = required->if_array();
    if (names == nullptr) return invalid("required must be an array", *required);
    for (const json::Value& name : *names) {
      if (name.if_string() == nullptr) return invalid("required must name members", name);
      rule.required.push_back(*name.if_string());
    }
  }
  if (const json::Value* names = schema.find("propertyNames")) rule.names.push_back({names, true});
  TRY_ASSIGN(const auto min, read_count(document_, schema, "minProperties"));
  TRY_ASSIGN(const auto max, read_count(document_, schema, "maxProperties"));
  rule.min = min.value_or(0);
  rule.max = max.value_or(kUnbounded);
  if (rule.min > rule.max) shape.types &= static_cast<std::uint8_t>(~kObjectBit);
  return {};
}

Shaper::Step Shaper::apply_lists(const json::Value& schema, Shapes& out) {
  for (const std::string_view keyword : {"allOf", "anyOf", "oneOf"}) {
    const json::Value* list = schema.find(keyword);
    if (list == nullptr) continue;
    const json::Array* branches = list->if_array();
    if (branches == nullptr || branches->empty()) {
      return invalid(std::string(keyword) + " must be an array that is not empty", *list);
    }
    if (keyword == "oneOf") {
      TRY(apply_one_of(*branches, *list, out));
      continue;
    }
    if (keyword == "allOf") {
      for (const json::Value& branch : *branches) {
        TRY_ASSIGN(const auto shapes, this->shapes(Term{&branch, true}));
        TRY(cross(out, *shapes));
      }
      continue;
    }
    const Listed listed = list_branches(*branches);
    Shapes any;
    if (listed.branches > 0) any.push_back(listed.all);
    for (const json::Value* branch : listed.rest) {
      TRY_ASSIGN(const auto shapes, this->shapes(Term{branch, true}));
      if (!budget_.spend(shapes->size() * 10)) return too_complex();
      any.insert(any.end(), shapes->begin(), shapes->end());
    }
    if (document_.has_unevaluated()) TRY(add_combinations(*branches, any));
    TRY(cross(out, any));
  }
  if (const json::Value* no = schema.find("not")) {
    TRY_ASSIGN(const auto shapes, this->shapes(Term{no, false}));
    const bool some = !out.empty();
    TRY(cross(out, *shapes));
    if (some && out.empty() && left_out_ && weak_shapes_.contains(shapes.get()))
      return Unexpected{*left_out_};
  }
  return {};
}

Result<bool, GrammarError> Shaper::disjoint(const Shapes& a, const Shapes& b) {
  for (const Shape& x : a) {
    for (const Shape& y : b) {
      const Shape both = merge(x, y, budget_);
      if (budget_.exhausted()) return too_complex();
      Result<bool, GrammarError> empty = false;
      const bool weak = is_weak([&] { empty = is_empty(both, 3); });
      if (!empty || !*empty) return empty;
      if (weak) return false;
    }
  }
  return true;
}

// Branches that list values are one, where the others have none of these.
Shaper::Step Shaper::apply_one_of(const json::Array& branches, const json::Value& at, Shapes& out) {
  const Listed listed = list_branches(branches);
  Shapes one{listed.all};
  TRY(cross(one, out));
  bool apart = listed.branches > 1;
  if (apart) {
    std::vector<bool> weak;
    TRY_ASSIGN(const auto sets, branch_shapes(listed.rest, out, weak));
    for (std::size_t i = 0; i < sets.size() && apart; ++i) {
      TRY_ASSIGN(apart, disjoint(one, sets[i]));
      apart = apart && !weak[i];
    }
  }
  std::vector<const json::Value*> rest = listed.rest;
  if (!apart) {
    rest.clear();
    for (const json::Value& branch : branches) rest.push_back(&branch);
    return apply_one_of(rest, at, out);
  }
  Shapes any{listed.once};
  TRY(cross(any, out));
  TRY(apply_one_of(rest, at, out));
  out.insert(out.begin(), any.begin(), any.end());
  return {};
}

Result<std::vector<Shapes>, GrammarError> Shaper::branch_shapes(
    const std::vector<const json::Value*>& branches, const Shapes& beside,
    std::vector<bool>& weak) {
  std::vector<Shapes> sets;
  for (const json::Value* branch : branches) {
    Shapes set = beside;
    Step step;
    weak.push_back(is_weak([&] {
      const auto shapes = this->shapes(Term{branch, true});
      step = shapes ? cross(set, **shapes) : Step(Unexpected{shapes.error()});
    }));
    TRY(std::move(step));
    sets.push_back(std::move(set));
  }
  return sets;
}

Shaper::Step Shaper::apply_one_of(const std::vector<const json::Value*>& branches,
                                  const json::Value& at, Shapes& out) {
  // What stands beside oneOf helps to tell the branches apart.
  std::vector<bool> weak;
  TRY_ASSIGN(const std::vector<Shapes> sets, branch_shapes(branches, out, weak));
  std::vector<std::vector<bool>> overlap(sets.size(), std::vector<bool>(sets.size(), false));
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      TRY_ASSIGN(const bool apart, disjoint(sets[i], sets[j]));
      overlap[i][j] = overlap[j][i] = !apart || weak[i] || weak[j];
    }
  }
  Shapes any;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    Shapes only = sets[i];
    for (std::size_t j = 0; j < sets.size(); ++j) {
      if (!overlap[i][j]) continue;
      auto others = this->shapes(Term{branches[j], false});
      if (!others) {
        if (others.error().code == GrammarErrorCode::kSchemaTooComplex) return too_complex();
        return unsupported("oneOf whose branches overlap cannot be enforced here", at);
      }
      TRY(cross(only, **others));
    }
    any.insert(any.end(), only.begin(), only.end());
    if (any.size() > kMaxShapes) return too_complex();
  }
  out = std::move(any);
  return {};
}

// Where one member decides, its absence is told from its values: of many conditions about it, few
// then hold together.
Shapes Shaper::split_by_presence(const json::Value& condition, const Shapes& when) {
  const json::Value* members = condition.find("properties");
  const json::Object* object = members == nullptr ? nullptr : members->if_object();
  if (object == nullptr || object->size() != 1) return when;
  const std::string& name = object->begin()->first;
  Shapes out;
  for (const Shape& shape : when) {
    Shape absent;
    absent.object.forbidden.push_back(name);
    Shape present;
    present.types = kObjectBit;
    present.object.required.push_back(name);
    for (const Shape& side : {absent, present}) {
      Shape both = merge(shape, side, budget_);
      if (both.types != 0) out.push_back(std::move(both));
    }
  }
  return out;
}

Shaper::Step Shaper::apply_condition(const json::Value& schema, Shapes& out) {
  const json::Value* condition = schema.find("if");
  if (condition == nullptr) return {};
  const json::Value* then = schema.find("then");
  const json::Value* otherwise = schema.find("else");
  const bool plain = then == nullptr && otherwise == nullptr;
  if (plain && !document_.has_unevaluated()) return {};
  Shapes any;
  for (const bool holds : {true, false}) {
    TRY_ASSIGN(const auto when, shapes(Term{condition, holds}));
    Shapes branch = out;
    TRY(cross(branch, holds ? split_by_presence(*condition, *when) : *when));
    if (const json::Value* rule = holds ? then : otherwise) {
      TRY_ASSIGN(const auto what, shapes(Term{rule, true}));
      TRY(cross(branch, *what));
    }
    any.insert(any.end(), branch.begin(), branch.end());
  }
  out = std::move(any);
  return {};
}

Shaper::Step Shaper::apply_dependencies(const json::Value& schema, Shapes& out) {
  for (const std::string_view keyword : {"dependentRequired", "dependentSchemas", "dependencies"}) {
    const json::Value* rules = schema.find(keyword);
    if (rules == nullptr) continue;
    if (rules->if_object() == nullptr)
      return invalid(std::string(keyword) + " must be an object", *rules);
    for (const auto& [name, rule] : *rules->if_object()) {
      Shape without;
      without.object.forbidden.push_back(name);
      Shape with;
      with.types = kObjectBit;
      // What it needs comes first: so it is mostly written, where `properties` says nothing.
      if (const json::Array* names = rule.if_array()) {
        for (const json::Value& other : *names) {
          if (other.if_string() == nullptr)
            return invalid(std::string(keyword) + " must name members", other);
          with.object.required.push_back(*other.if_string());
        }
      }
      with.object.required.push_back(name);
      Shapes present{with};
      if (rule.if_array() == nullptr) {
        TRY_ASSIGN(const auto shapes, this->shapes(Term{&rule, true}));
        TRY(cross(present, *shapes));
      }
      present.push_back(without);
      TRY(cross(out, present));
    }
  }
  return {};
}

}  // namespace tessera::grammar
