// Shaper: long lists of words, numbers and strings, which are compared by what they spell.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "grammar/shaper.h"

namespace tessera::grammar {
namespace {

// Beside its values, such a branch has nothing but these and names that begin with "x-".
constexpr std::string_view kSaysNothing[] = {"title",    "description", "$comment",
                                             "examples", "default",     "deprecated"};

// The same for equal values; nothing for arrays and objects.
std::string spelling_of(const json::Value& value) {
  if (const std::string* text = value.if_string()) return "s" + *text;
  if (const json::Number* number = value.if_number()) {
    const Decimal decimal = parse_decimal(number->text);
    return fmt::format("n{}{}e{}", decimal.negative ? "-" : "", decimal.digits, decimal.exponent);
  }
  if (value.if_array() != nullptr || value.if_object() != nullptr) return "";
  return "w" + json::to_text(value);
}

// `type` names the type of `value` itself.
bool is_type_of(const json::Value& type, const json::Value& value) {
  const std::string* name = type.if_string();
  if (name == nullptr) return false;
  if (value.if_string() != nullptr) return *name == "string";
  if (value.if_bool() != nullptr) return *name == "boolean";
  const json::Number* number = value.if_number();
  if (number == nullptr) return *name == "null";
  return *name == "number" || (*name == "integer" && is_integer(parse_decimal(number->text)));
}

// The values of a branch that only lists some; none if it is another one.
std::vector<const json::Value*> values_of(const json::Value& branch) {
  std::vector<const json::Value*> out;
  const json::Object* object = branch.if_object();
  if (object == nullptr) return out;
  const json::Value* one = object->find("const");
  const json::Value* list = object->find("enum");
  const json::Value* type = object->find("type");
  if ((one == nullptr) == (list == nullptr)) return out;
  if (one != nullptr) out.push_back(one);
  const json::Array* values = list == nullptr ? nullptr : list->if_array();
  for (std::size_t i = 0; values != nullptr && i < values->size(); ++i)
    out.push_back(&(*values)[i]);
  const bool plain = std::all_of(object->begin(), object->end(), [&](const auto& member) {
    const std::string& name = member.first;
    const auto* const end = std::end(kSaysNothing);
    return name == "const" || name == "enum" || name == "type" || name.starts_with("x-") ||
           std::find(std::begin(kSaysNothing), end, name) != end;
  });
  const bool fits = plain && std::all_of(out.begin(), out.end(), [&](const json::Value* value) {
                      const bool scalar =
                          value->if_array() == nullptr && value->if_object() == nullptr;
                      return scalar && (type == nullptr || is_type_of(*type, *value));
                    });
  if (!fits) out.clear();
  return out;
}

}  // namespace

std::vector<const json::Value*> common_values(const std::vector<const json::Value*>& a,
                                              const std::vector<const json::Value*>& b,
                                              Budget& budget) {
  std::vector<const json::Value*> out;
  std::unordered_multimap<std::string, const json::Value*> known;
  for (const json::Value* value : b) {
    known.emplace(spelling_of(*value), value);
    if (!budget.spend(20)) return out;
  }
  for (const json::Value* value : a) {
    const auto [begin, end] = known.equal_range(spelling_of(*value));
    const bool common = std::any_of(begin, end, [&](const auto& other) {
      budget.spend(2);
      return equal(*value, *other.second);
    });
    if (common) out.push_back(value);
    if (!budget.spend(20)) return out;
  }
  return out;
}

Shaper::Listed Shaper::list_branches(const json::Array& branches) {
  Listed out;
  std::unordered_map<std::string, std::size_t> branch_of;  // that has it; kTwice: several do
  constexpr std::size_t kTwice = ~std::size_t{0};
  std::vector<std::pair<const json::Value*, std::size_t*>> places;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const auto values = values_of(branches[i]);
    if (values.empty()) out.rest.push_back(&branches[i]);
    out.branches += values.empty() ? 0 : 1;
    for (const json::Value* value : values) {
      const auto [found, fresh] = branch_of.emplace(spelling_of(*value), i);
      if (fresh) places.emplace_back(value, &found->second);
      if (!fresh && found->second != i) found->second = kTwice;
      budget_.spend(20);
    }
  }
  out.all.has_values = out.once.has_values = true;
  for (const auto& [value, branch] : places) {
    out.all.values.push_back(value);
    if (*branch != kTwice) out.once.values.push_back(value);
  }
  if (out.once.values.empty()) out.once.types = 0;
  return out;
}

}  // namespace tessera::grammar
