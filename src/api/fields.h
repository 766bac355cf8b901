// What a request's fields are: rows of a table, one for each field, nested ones included. From the
// rows come the checks (check_field), the tables of docs/api.md, the schemas of /openapi.json and
// the negative tests (tests/api/fields_test.py), so that all of them say the same.
//
// A field's path is written as in refusals, with [] for an element: "messages[].content[].type".
// Null counts as absent everywhere. Numbers are checked so that NaN and infinity fail; an integer
// may be written 1.0 or 1e2.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "api/error.h"
#include "base/json.h"
#include "base/result.h"

namespace tessera::api {

template <class T>
using Parsed = Result<T, ApiError>;

// The JSON types that a field takes, or-ed.
using Types = unsigned;
constexpr Types kBoolean = 1;
constexpr Types kInteger = 2;
constexpr Types kNumber = 4;
constexpr Types kString = 8;
constexpr Types kArray = 16;
constexpr Types kObject = 32;
constexpr Types kAnything = 63;

enum class Effect : std::uint8_t { kSupported, kNoEffect, kRefused };

enum class Letters : std::uint8_t {
  kAll,
  kNoNul,  // no U+0000
  kName    // letters, digits, '_' and '-', at least one
};

struct IntegerRange {
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};
struct NumberRange {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};
struct LengthRange {
  std::size_t min = 0;
  std::size_t max = std::numeric_limits<std::size_t>::max();
};

struct Context;
struct Field;
// Takes what the row's checks have let through: keeps it, and checks what concerns this field
// alone and no column says.
using Read = Parsed<void> (*)(const json::Value& value, const Field& field, Context& context);

struct Field {
  std::string_view path;
  Types types = kAnything;
  Effect effect = Effect::kSupported;
  bool required = false;
  IntegerRange integer = {};
  NumberRange number = {};
  LengthRange string = {};  // in characters
  bool in_bytes = false;    // ... or in bytes
  LengthRange items = {};   // elements of an array, members of an object
  Letters letters = Letters::kAll;
  std::span<const std::string_view> choices = {};  // of a string
  ErrorId wrong_type = ErrorId::kInvalidType;
  std::string_view more = {};    // codes that a value may get which these columns let through
  std::string_view absent = {};  // what happens without it
  std::string_view note = {};
  Read read = nullptr;  // null: nothing to keep, or read by the row of the field around it
};

inline Unexpected<ApiError> refuse(ErrorId id, std::string message, std::string param) {
  return Unexpected{ApiError{id, std::move(message), std::move(param)}};
}

// All that the row's columns say about `value`, which is not null. `path`: where it is.
Parsed<void> check_field(const Field& field, const json::Value& value, std::string_view path);

// The checked member that `field` describes of the object at `parent`; null when it is absent or
// null. It must be there if `required`.
Parsed<const json::Value*> read_member(const json::Object& object, std::string_view parent,
                                       const Field& field, bool required);
inline Parsed<const json::Value*> read_member(const json::Object& object, std::string_view parent,
                                              const Field& field) {
  return read_member(object, parent, field, field.required);
}

// The row of `path`, which is there; the row of the top-level field `name`, or null.
const Field& find_field(std::span<const Field> table, std::string_view path);
const Field* find_top_field(std::span<const Field> table, std::string_view name);
// "temperature" is a top-level field; "stop[]" and "metadata.x" are not.
bool is_top_level(std::string_view path);
// What follows the last '.' of the path.
std::string_view last_key(std::string_view path);

Unexpected<ApiError> missing(std::string path);
// Null when absent or JSON null.
const json::Value* optional_member(const json::Object& object, std::string_view key);

// "messages[2]" + "content" → "messages[2].content"; "messages" + 2 → "messages[2]".
std::string join(std::string_view path, std::string_view key);
std::string join(std::string_view path, std::size_t index);

}  // namespace tessera::api
