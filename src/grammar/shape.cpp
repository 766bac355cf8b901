#include "grammar/shape.h"

#include <algorithm>
#include <numeric>

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
  for (const json::Value* value : a.values) {
    if (!budget.spend(b.values.size() * 2)) return;
    const bool common =
        std::any_of(b.values.begin(), b.values.end(),
                    [&](const json::Value* other) { return equal(*value, *other); });
    if (common) out.values.push_back(value);
  }
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
  budget.spend(24 + a.weight() + b.weight() +
               a.object.required.size() * b.object.required.size() / 4 +
               a.object.forbidden.size() * b.object.required.size() / 4);
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
  const bool contradiction =
      std::any_of(out.object.required.begin(), out.object.required.end(), [&](const auto& name) {
        const auto& no = out.object.forbidden;
        return std::find(no.begin(), no.end(), name) != no.end();
      });
  if (contradiction || out.object.min > out.object.max) {
    out.types &= static_cast<std::uint8_t>(~kObjectBit);
  }
  return out;
}

}  // namespace tessera::grammar
