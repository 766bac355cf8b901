// What a set of schemas asks of a value, keyword by keyword, as one conjunction: a shape. A schema
// is a list of shapes (any of them may hold); allOf, siblings and $ref are intersections of shapes,
// and each rule merges with its like. Sub-schemas stay references, so that recursive schemas end.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "grammar/decimal.h"
#include "grammar/language.h"

namespace tessera::grammar {

// "Fits the schema", or "does not fit it".
struct Term {
  const json::Value* schema = nullptr;
  bool positive = true;
  auto operator<=>(const Term&) const = default;
};

enum TypeBit : std::uint8_t {
  kNullBit = 1,
  kFalseBit = 2,
  kTrueBit = 4,
  kNumberBit = 8,
  kStringBit = 16,
  kArrayBit = 32,
  kObjectBit = 64,
  kAllTypes = 127,
};

struct NumberRule {
  bool integer = false;
  bool bounded = false;
  Int128 low = -scaled_limit();  // in units of 10^-17
  Int128 high = scaled_limit();
  Int128 multiple = 1;
  std::vector<Int128> no_multiple_of;
};

struct StringRule {
  LanguagePtr language;  // null: any
  std::uint32_t min = 0;
  std::uint32_t max = kUnbounded;
};

// So many of the items from index `from` on fit the term.
struct Contains {
  Term item;
  std::uint32_t min = 1;
  std::uint32_t max = kUnbounded;
  std::uint32_t from = 0;
  bool operator==(const Contains&) const = default;
};

// A schema that says something of members or items by their place. One that was reached through a
// denial says it, too, but does not count as having looked at them (unevaluatedProperties, …).
struct Part {
  const json::Value* schema = nullptr;
  bool evaluates = true;
  bool operator==(const Part&) const = default;
};

// unevaluatedProperties or unevaluatedItems: of what none of the parts looks at.
struct Rest {
  std::vector<Part> parts;
  Term term;
  bool evaluates = true;
  bool operator==(const Rest&) const = default;
};

struct ArrayRule {
  std::vector<Part> parts;                             // schemas with prefixItems or items
  std::vector<std::pair<std::uint32_t, Term>> places;  // of the item with this index
  std::vector<Contains> contains;
  std::vector<Rest> rests;
  std::uint32_t min = 0;
  std::uint32_t max = kUnbounded;
  const json::Value* unique = nullptr;  // the keyword that forbids equal items
};

// A member whose key is one of these fits the term.
struct Some {
  LanguagePtr keys;
  Term member;
  bool operator==(const Some&) const = default;
};

struct ObjectRule {
  std::vector<Part> parts;  // schemas with properties, patternProperties, additional…
  std::vector<Rest> rests;
  std::vector<std::pair<std::string, Term>> members;  // further rules for a name
  std::vector<Term> names;                            // of every key
  std::vector<Some> some;
  std::vector<std::string> required;
  std::vector<std::string> forbidden;
  std::uint32_t min = 0;
  std::uint32_t max = kUnbounded;
};

struct Shape {
  std::uint8_t types = kAllTypes;
  bool has_values = false;
  std::vector<const json::Value*> values;  // with has_values: one of these, if the rules admit it
  NumberRule number;
  StringRule string;
  ArrayRule array;
  ObjectRule object;

  std::size_t weight() const {
    return 8 + array.contains.size() + array.places.size() + object.some.size() + values.size() +
           array.parts.size() + object.parts.size() + object.members.size() +
           object.required.size() + object.forbidden.size();
  }
};

using Shapes = std::vector<Shape>;

// Both at once; `types` is 0 when that is seen to be impossible. Null languages when the budget is
// exhausted.
Shape merge(const Shape& a, const Shape& b, Budget& budget);
// What two lists have in common, in the order of the first.
std::vector<const json::Value*> common_values(const std::vector<const json::Value*>& a,
                                              const std::vector<const json::Value*>& b,
                                              Budget& budget);
// What the numbers are multiples of, `integer` included.
Int128 step_of(const NumberRule& rule);
// No number / no string fits.
bool is_empty(const NumberRule& rule);
bool is_empty(const StringRule& rule);
bool admits(const NumberRule& rule, const json::Number& number);
bool admits(const StringRule& rule, std::string_view text);

}  // namespace tessera::grammar
