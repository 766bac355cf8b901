// The JSON façade: a parser into a Value of our own, and writers. Parsing goes through Boost.JSON's
// basic_parser (SAX); its own DOM rounds doubles wrongly and prints 0.7 as 7E-1
// (docs/dependencies.md).
//
// What a Value keeps that others lose: the order of an object's keys, and each number's text as it
// stood in the source. What the parser refuses: invalid UTF-8, lone surrogates, duplicate keys (a
// check must never see another value than the action does), nesting over a depth. All of it is a
// Result, nothing throws. Any thread; no global state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace tessera::json {

class Value;

// Members in the order of the source. Look-up is linear below 16 members, by hash from there on.
class Object {
 public:
  using Member = std::pair<std::string, Value>;

  Object();
  Object(const Object& other);
  Object(Object&&) noexcept;
  Object& operator=(const Object& other);
  Object& operator=(Object&&) noexcept;
  ~Object();

  // Null when there is no such member.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  // Appends, or replaces the value of a key that is there.
  Value& set(std::string_view key, Value value);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  const Member* begin() const;
  const Member* end() const;

 private:
  std::size_t index_of(std::string_view key) const;  // size() when absent

  std::vector<Member> members_;
  std::unordered_multimap<std::size_t, std::size_t>
      by_hash_;  // hash of key → index; empty below 16 members
};

using Array = std::vector<Value>;

// A number as it was written, e.g. "1e400", "-0", "12345678901234567890".
struct Number {
  std::string text;
};

enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
// "null", "a boolean", "a number", "a string", "an array", "an object": for messages.
std::string_view type_name(Type type);

class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(int value) : Value(static_cast<std::int64_t>(value)) {}
  Value(std::int64_t value);
  Value(double value);  // finite; the shortest text that reads back the same
  Value(Number value) : data_(std::move(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is_null() const { return type() == Type::kNull; }

  // Null pointers when the value is of another type.
  const bool* if_bool() const { return std::get_if<bool>(&data_); }
  const Number* if_number() const { return std::get_if<Number>(&data_); }
  const std::string* if_string() const { return std::get_if<std::string>(&data_); }
  const Array* if_array() const { return std::get_if<Array>(&data_); }
  const Object* if_object() const { return std::get_if<Object>(&data_); }
  Array* if_array() { return std::get_if<Array>(&data_); }
  Object* if_object() { return std::get_if<Object>(&data_); }

  // The number as a double: nothing when it is not a number, or overflows ("1e400").
  std::optional<double> as_double() const;
  // The number as an integer: nothing when it is not a number, has a fraction, or does not fit.
  // "1.0" and "1e2" are integers.
  std::optional<std::int64_t> as_int64() const;

  // Object member by key; null when this is no object or there is no such member.
  const Value* find(std::string_view key) const {
    const Object* object = if_object();
    return object == nullptr ? nullptr : object->find(key);
  }

 private:
  std::variant<std::monostate, bool, Number, std::string, Array, Object> data_;
};

enum class ParseErrorCode {
  kInvalidJson,
  kInvalidUnicode,
  kDuplicateKey,
  kTooDeep,
  kTooManyKeys,
  kTooManyValues
};

struct ParseError {
  ParseErrorCode code = ParseErrorCode::kInvalidJson;
  std::string message;     // what was wrong and where, without the input's text
  std::size_t offset = 0;  // byte of the input at which it was noticed
};

struct ParseLimits {
  std::size_t max_depth = 64;
  std::size_t max_keys = std::numeric_limits<std::size_t>::max();  // of one object
  // Of the whole text: a value of two bytes is one of 40 in memory, and more while it grows.
  std::size_t max_values = std::numeric_limits<std::size_t>::max();
};

// Exactly one JSON text, with white space around it.
Result<Value, ParseError> parse(std::string_view text, const ParseLimits& limits = {});

// Compact: no white space, keys in order, UTF-8 as it is, control characters escaped, numbers as
// their text.
std::string to_text(const Value& value);
void append_text(const Value& value, std::string& out);
// A quoted, escaped JSON string. `text` is valid UTF-8.
void append_string(std::string_view text, std::string& out);

}  // namespace tessera::json
