#include "api/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <vector>

namespace tessera::api {
namespace {

std::string type_names(Types types) {
  static constexpr std::pair<Types, std::string_view> kNames[] = {
      {kBoolean, "a boolean"}, {kInteger, "an integer"}, {kNumber, "a number"},
      {kString, "a string"},   {kArray, "an array"},     {kObject, "an object"}};
  std::vector<std::string_view> names;
  for (const auto& [type, name] : kNames)
    if ((types & type) != 0) names.push_back(name);
  return fmt::format("{}", fmt::join(names, " or "));
}

bool has_type(Types types, const json::Value& value) {
  switch (value.type()) {
    case json::Type::kNull:
      return false;
    case json::Type::kBool:
      return (types & kBoolean) != 0;
    case json::Type::kNumber:
      return (types & (kInteger | kNumber)) != 0;
    case json::Type::kString:
      return (types & kString) != 0;
    case json::Type::kArray:
      return (types & kArray) != 0;
    case json::Type::kObject:
      return (types & kObject) != 0;
  }
  return false;
}

template <class Bound>
Unexpected<ApiError> outside(ErrorId id, std::string_view relation, Bound bound,
                             std::string_view path) {
  return refuse(id, fmt::format("Invalid '{}': expected a value {} {}.", path, relation, bound),
                std::string(path));
}

Parsed<void> check_integer(const Field& field, const json::Value& value, std::string_view path) {
  const IntegerRange& range = field.integer;
  const std::optional<std::int64_t> integer = value.as_int64();
  // Beyond 2^53 every double is an integer; what as_int64() did not take is too large, then.
  const std::optional<double> number = integer ? std::nullopt : value.as_double();
  if (number && std::abs(*number) < 0x1p53) {
    return refuse(ErrorId::kInvalidType,
                  fmt::format("Invalid type for '{}': expected an integer, but got a number with a "
                              "fraction instead.",
                              path),
                  std::string(path));
  }
  const bool negative = value.if_number()->text.starts_with('-');
  if (integer ? *integer < range.min : negative)
    return outside(ErrorId::kIntegerBelowMinValue, ">=", range.min, path);
  if (integer ? *integer > range.max : !negative)
    return outside(ErrorId::kIntegerAboveMaxValue, "<=", range.max, path);
  return {};
}

Parsed<void> check_number(const Field& field, const json::Value& value, std::string_view path) {
  const std::optional<double> number = value.as_double();
  const bool negative = value.if_number()->text.starts_with('-');
  if (number ? !(*number >= field.number.min) : negative)
    return outside(ErrorId::kDecimalBelowMinValue, ">=", field.number.min, path);
  if (number ? !(*number <= field.number.max) : !negative)
    return outside(ErrorId::kDecimalAboveMaxValue, "<=", field.number.max, path);
  return {};
}

Parsed<void> check_string(const Field& field, const std::string& text, std::string_view path) {
  const auto starts_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  };
  const auto length =
      field.in_bytes
          ? text.size()
          : static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
  if (length > field.string.max) {
    return refuse(
        ErrorId::kStringAboveMaxLength,
        fmt::format("Invalid '{}': expected a string of at most {} {}, but it has {}.", path,
                    field.string.max, field.in_bytes ? "bytes" : "characters", length),
        std::string(path));
  }
  const auto invalid = [&](std::string_view expected) {
    return refuse(ErrorId::kInvalidValue, fmt::format("Invalid '{}': {}.", path, expected),
                  std::string(path));
  };
  const auto in_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  };
  if (field.letters == Letters::kName &&
      (text.empty() || !std::all_of(text.begin(), text.end(), in_name)))
    return invalid(
        fmt::format("expected 1 to {} letters, digits, underscores or dashes", field.string.max));
  if (field.letters == Letters::kNoNul && text.find('\0') != std::string::npos)
    return invalid("it must not contain the character U+0000");
  if (length < field.string.min) return invalid("it must not be empty");
  if (!field.choices.empty() &&
      std::find(field.choices.begin(), field.choices.end(), text) == field.choices.end())
    return invalid(fmt::format("expected one of '{}'", fmt::join(field.choices, "', '")));
  return {};
}

Parsed<void> check_items(const Field& field, std::size_t count, std::string_view path) {
  if (count < field.items.min) {
    return refuse(ErrorId::kEmptyArray,
                  fmt::format("Invalid '{}': expected at least {} element(s), but it is empty.",
                              path, field.items.min),
                  std::string(path));
  }
  if (count > field.items.max) {
    return refuse(ErrorId::kArrayAboveMaxLength,
                  fmt::format("Invalid '{}': expected at most {} elements, but got {}.", path,
                              field.items.max, count),
                  std::string(path));
  }
  return {};
}

}  // namespace

Parsed<void> check_field(const Field& field, const json::Value& value, std::string_view path) {
  if (field.effect == Effect::kRefused) {
    return refuse(ErrorId::kUnsupportedParameter,
                  fmt::format("Unsupported parameter: '{}' is not supported by this server.", path),
                  std::string(path));
  }
  if (field.types == kAnything) return {};
  if (!has_type(field.types, value)) {
    return refuse(field.wrong_type,
                  fmt::format("Invalid type for '{}': expected {}, but got {} instead.", path,
                              type_names(field.types), json::type_name(value.type())),
                  std::string(path));
  }
  if (value.if_number() != nullptr) {
    return (field.types & kNumber) != 0 ? check_number(field, value, path)
                                        : check_integer(field, value, path);
  }
  if (const std::string* text = value.if_string()) return check_string(field, *text, path);
  if (const json::Array* array = value.if_array()) return check_items(field, array->size(), path);
  if (const json::Object* object = value.if_object())
    return check_items(field, object->size(), path);
  return {};
}

Parsed<const json::Value*> read_member(const json::Object& object, std::string_view parent,
                                       const Field& field, bool required) {
  const std::string_view key = last_key(field.path);
  const json::Value* value = optional_member(object, key);
  if (value == nullptr) {
    if (required) return missing(join(parent, key));
    return value;
  }
  TRY(check_field(field, *value, join(parent, key)));
  return value;
}

const Field& find_field(std::span<const Field> table, std::string_view path) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Field& f) { return f.path == path; });
  CHECK(found != table.end());
  return *found;
}

const Field* find_top_field(std::span<const Field> table, std::string_view name) {
  if (!is_top_level(name)) return nullptr;
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Field& f) { return f.path == name; });
  return found == table.end() ? nullptr : &*found;
}

bool is_top_level(std::string_view path) {
  return path.find_first_of(".[") == std::string_view::npos;
}

std::string_view last_key(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

Unexpected<ApiError> missing(std::string path) {
  std::string message = fmt::format("Missing required parameter: '{}'.", path);
  return refuse(ErrorId::kMissingRequiredParameter, std::move(message), std::move(path));
}

const json::Value* optional_member(const json::Object& object, std::string_view key) {
  const json::Value* value = object.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string join(std::string_view path, std::size_t index) {
  return fmt::format("{}[{}]", path, index);
}

}  // namespace tessera::api
