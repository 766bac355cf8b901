#include "grammar/shape.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/utf8.h"
#include "grammar/schema.h"

namespace tessera::grammar {
namespace {

template <class T>
void append_new(std::vector<T>& to, const std::vector<T>& from) {
  for (const T& item : from) {
    if (std::find(to.begin(), to.end(), item) == to.end()) to.push_back(item);
  }
}

// Names can be a hundred thousand, in one schema.
using NameSet = std::unordered_set<std::string_view>;

NameSet set_of(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

void append_new(std::vector<std::string>& to, const std::vector<std::string>& from) {
  if (from.empty()) return;
  to.reserve(to.size() + from.size());  // what the set looks at stays where it is
  NameSet there = set_of(to);
  for (const std::string& name : from) {
    if (there.contains(name)) continue;
    to.push_back(name);
    there.insert(to.back());
  }
}

Int128 common_multiple(Int128 a, Int128 b) {
  Int128 x = a;
  Int128 y = b;
  while (y != 0) {
    const Int128 rest = x % y;
    x = y;
    y = rest;
  }
  const Int128 factor = b / x;
  return a > scaled_limit() / factor ? scaled_limit() : a * factor;  // nothing but 0 is left
}

NumberRule merge_numbers(const NumberRule& a, const NumberRule& b) {
  NumberRule out;
  out.integer = a.integer || b.integer;
  out.bounded = a.bounded || b.bounded;
  out.low = std::max(a.low, b.low);
  out.high = std::min(a.high, b.high);
  out.multiple = common_multiple(a.multiple, b.multiple);
  out.no_multiple_of = a.no_multiple_of;
  append_new(out.no_multiple_of, b.no_multiple_of);
  return out;
}

std::uint32_t count_characters(std::string_view text) {
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) next_code_point(text, at);
  return count;
}

void merge_values(Shape& out, const Shape& a, const Shape& b, Budget& budget) {
  if (!a.has_values || !b.has_values) {
    out.values = a.has_values ? a.values : b.values;
    return;
  }
  out.values = common_values(a.values, b.values, budget);
  if (out.values.empty()) out.types = 0;
}

void merge_scalars(Shape& out, const Shape& a, const Shape& b, Budget& budget) {
  out.number = merge_numbers(a.number, b.number);
  if (is_empty(out.number)) out.types &= static_cast<std::uint8_t>(~kNumberBit);
  out.string.min = std::max(a.string.min, b.string.min);
  out.string.max = std::min(a.string.max, b.string.max);
  out.string.language = a.string.language == nullptr ? b.string.language : a.string.language;
  if ((out.types & kStringBit) != 0 && a.string.language != nullptr &&
      b.string.language != nullptr && a.string.language != b.string.language) {
    out.string.language = Language::intersection(*a.string.language, *b.string.language, budget);
  }
  if (is_empty(out.string)) out.types &= static_cast<std::uint8_t>(~kStringBit);
}

// The only names that members can have, where a schema says that there are no others.
std::optional<std::vector<std::string>> all_names(const ObjectRule& rule) {
  std::optional<std::vector<std::string>> names;
  for (const Part& part : rule.parts) {
    const json::Value* additional = part.schema->find("additionalProperties");
    const bool* others = additional == nullptr ? nullptr : additional->if_bool();
    if (others == nullptr || *others || part.schema->find("patternProperties") != nullptr) continue;
    const json::Value* properties = part.schema->find("properties");
    if (!names) {
      names.emplace();
      if (properties == nullptr) return names;
      for (const auto& [name, schema] : *properties->if_object()) names->push_back(name);
    }
    std::erase_if(*names, [&](const std::string& name) {
      return properties == nullptr || properties->find(name) == nullptr;
    });
  }
  if (!names) return names;
  std::erase_if(*names, [forbidden = set_of(rule.forbidden)](const std::string& name) {
    return forbidden.contains(name);
  });
  return names;
}

// Where the names that there can be are known, most of what asks for some member asks for a certain
// one, for any at all, or for one that is asked for already.
void settle_some(Shape& shape, Budget& budget) {
  ObjectRule& rule = shape.object;
  const auto names = all_names(rule);
  if (!names) return;
  budget.spend(names->size() * (rule.parts.size() + 1));
  const auto impossible = [&] { shape.types &= static_cast<std::uint8_t>(~kObjectBit); };
  if (!rule.required.empty()) {
    budget.spend(names->size() + rule.required.size());
    const NameSet known = set_of(*names);
    for (const std::string& name : rule.required) {
      if (!known.contains(name)) return impossible();
    }
  }
  std::vector<std::vector<std::string>> asked;
  std::vector<Some> rest;
  for (const Some& some : std::exchange(rule.some, {})) {
    std::vector<std::string> among;
    for (const std::string& name : *names) {
      budget.spend(name.size() / 4 + 1);
      if (some.keys->matches(name)) among.push_back(name);
    }
    const bool* all = some.member.schema->if_bool();
    const bool any = all != nullptr && *all == some.member.positive;
    if (among.empty()) return impossible();
    if (any && among.size() == names->size()) {
      rule.min = std::max(rule.min, 1u);
    } else if (among.size() == 1) {
      append_new(rule.required, among);
      if (!any) append_new(rule.members, {{among[0], some.member}});
    } else if (!any || std::find(asked.begin(), asked.end(), among) == asked.end()) {
      rest.push_back(some);
      if (any) asked.push_back(std::move(among));
    }
  }
  rule.some = std::move(rest);
}

}  // namespace

Int128 step_of(const NumberRule& rule) {
  return rule.integer ? common_multiple(rule.multiple, scaled_one()) : rule.multiple;
}

bool is_empty(const NumberRule& rule) {
  return rule.bounded && !has_multiple(rule.low, rule.high, step_of(rule), rule.no_multiple_of);
}

bool is_empty(const StringRule& rule) {
  if (rule.min > rule.max) return true;
  if (rule.language == nullptr) return false;
  return rule.language->empty() || rule.language->shortest(rule.language->start()) > rule.max;
}

bool admits(const NumberRule& rule, const json::Number& number) {
  const Decimal value = parse_decimal(number.text);
  if (rule.integer && !is_integer(value)) return false;
  if (!rule.bounded) return true;
  const Scaled scaled = scale(value);
  if (scaled.floor < rule.low || scaled.floor > rule.high) return false;
  if (!scaled.exact && scaled.floor == rule.high && rule.high < scaled_limit()) return false;
  const bool out = std::any_of(rule.no_multiple_of.begin(), rule.no_multiple_of.end(),
                               [&](Int128 no) { return scaled.exact && scaled.floor % no == 0; });
  return !out && (rule.multiple == 1 || (scaled.exact && scaled.floor % rule.multiple == 0));
}

bool admits(const StringRule& rule, std::string_view text) {
  const std::uint32_t count = count_characters(text);
  if (count < rule.min || count > rule.max) return false;
  return rule.language == nullptr || rule.language->matches(text);
}

Shape merge(const Shape& a, const Shape& b, Budget& budget) {
  Shape out;
  budget.spend(24 + a.weight() + b.weight());
  out.types = a.types & b.types;
  if (out.types == 0) return out;
  out.has_values = a.has_values || b.has_values;
  merge_values(out, a, b, budget);

  if (out.has_values) {
    // What the rules say of words, numbers and texts is settled here.
    std::erase_if(out.values, [&](const json::Value* value) {
      const json::Number* number = value->if_number();
      const std::string* text = value->if_string();
      budget.spend(text == nullptr ? 4 : text->size() + 4);
      if (number != nullptr) return !admits(a.number, *number) || !admits(b.number, *number);
      return text != nullptr && (!admits(a.string, *text) || !admits(b.string, *text));
    });
    if (out.values.empty()) out.types = 0;
  } else {
    merge_scalars(out, a, b, budget);
  }

  out.array = a.array;
  append_new(out.array.parts, b.array.parts);
  append_new(out.array.rests, b.array.rests);
  append_new(out.array.places, b.array.places);
  append_new(out.array.contains, b.array.contains);
  out.array.min = std::max(a.array.min, b.array.min);
  out.array.max = std::min(a.array.max, b.array.max);
  if (out.array.unique == nullptr) out.array.unique = b.array.unique;
  if (out.array.min > out.array.max) out.types &= static_cast<std::uint8_t>(~kArrayBit);

  out.object = a.object;
  append_new(out.object.parts, b.object.parts);
  append_new(out.object.rests, b.object.rests);
  append_new(out.object.members, b.object.members);
  append_new(out.object.names, b.object.names);
  append_new(out.object.some, b.object.some);
  append_new(out.object.required, b.object.required);
  append_new(out.object.forbidden, b.object.forbidden);
  out.object.min = std::max(a.object.min, b.object.min);
  out.object.max = std::min(a.object.max, b.object.max);
  if (!out.object.some.empty()) settle_some(out, budget);
  const bool contradiction =
      !out.object.forbidden.empty() &&
      std::any_of(out.object.required.begin(), out.object.required.end(),
                  [forbidden = set_of(out.object.forbidden)](const std::string& name) {
                    return forbidden.contains(name);
                  });
  if (contradiction || out.object.min > out.object.max) {
    out.types &= static_cast<std::uint8_t>(~kObjectBit);
  }
  return out;
}

}  // namespace tessera::grammar
