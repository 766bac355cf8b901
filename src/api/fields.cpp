#include "api/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

namespace tessera::api {

Unexpected<ApiError> wrong_type(std::string_view expected, const json::Value& got,
                                std::string_view path) {
  return refuse(ErrorId::kInvalidType,
                fmt::format("Invalid type for '{}': expected {}, but got {} instead.", path,
                            expected, json::type_name(got.type())),
                std::string(path));
}

Parsed<bool> read_bool(const json::Value& value, std::string_view path) {
  if (const bool* flag = value.if_bool()) return *flag;
  return wrong_type("a boolean", value, path);
}

Parsed<std::int64_t> read_integer(const json::Value& value, std::string_view path, std::int64_t min,
                                  std::int64_t max) {
  if (value.if_number() == nullptr) return wrong_type("an integer", value, path);
  const std::optional<std::int64_t> integer = value.as_int64();
  if (!integer) {
    return refuse(ErrorId::kInvalidType,
                  fmt::format("Invalid type for '{}': expected a 64-bit integer, but got a number "
                              "with a fraction or out of range.",
                              path),
                  std::string(path));
  }
  if (*integer < min) {
    return refuse(ErrorId::kIntegerBelowMinValue,
                  fmt::format("Invalid '{}': expected a value >= {}, but got {} instead.", path,
                              min, *integer),
                  std::string(path));
  }
  if (*integer > max) {
    return refuse(ErrorId::kIntegerAboveMaxValue,
                  fmt::format("Invalid '{}': expected a value <= {}, but got {} instead.", path,
                              max, *integer),
                  std::string(path));
  }
  return *integer;
}

Parsed<double> read_number(const json::Value& value, std::string_view path, double min,
                           double max) {
  if (value.if_number() == nullptr) return wrong_type("a number", value, path);
  const std::optional<double> number = value.as_double();
  const bool negative = value.if_number()->text.starts_with('-');
  if (!number || !(*number >= min && *number <= max)) {
    const bool below = number ? !(*number >= min) : negative;
    return refuse(below ? ErrorId::kDecimalBelowMinValue : ErrorId::kDecimalAboveMaxValue,
                  fmt::format("Invalid '{}': expected a value {} {}.", path,
                              below ? ">=" : "<=", below ? min : max),
                  std::string(path));
  }
  return *number;
}

Parsed<std::string_view> read_string(const json::Value& value, std::string_view path,
                                     std::size_t max_bytes) {
  const std::string* text = value.if_string();
  if (text == nullptr) return wrong_type("a string", value, path);
  if (max_bytes != 0 && text->size() > max_bytes) {
    return refuse(
        ErrorId::kStringAboveMaxLength,
        fmt::format("Invalid '{}': a string of at most {} bytes was expected, but it has {}.", path,
                    max_bytes, text->size()),
        std::string(path));
  }
  return std::string_view(*text);
}

Parsed<std::string_view> read_name(const json::Value& value, std::string_view path,
                                   std::size_t max_bytes) {
  TRY_ASSIGN(const std::string_view name, read_string(value, path, max_bytes));
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), fits)) {
    return refuse(
        ErrorId::kInvalidValue,
        fmt::format("Invalid '{}': expected 1 to {} letters, digits, underscores or dashes.", path,
                    max_bytes),
        std::string(path));
  }
  return name;
}

Parsed<const json::Array*> read_array(const json::Value& value, std::string_view path,
                                      std::size_t min, std::size_t max) {
  const json::Array* array = value.if_array();
  if (array == nullptr) return wrong_type("an array", value, path);
  if (array->size() < min) {
    return refuse(
        ErrorId::kEmptyArray,
        fmt::format("Invalid '{}': expected at least {} element(s), but it is empty.", path, min),
        std::string(path));
  }
  if (array->size() > max) {
    return refuse(ErrorId::kArrayAboveMaxLength,
                  fmt::format("Invalid '{}': expected at most {} elements, but got {}.", path, max,
                              array->size()),
                  std::string(path));
  }
  return array;
}

Parsed<const json::Object*> read_object(const json::Value& value, std::string_view path) {
  if (const json::Object* object = value.if_object()) return object;
  return wrong_type("an object", value, path);
}

Parsed<std::string_view> read_one_of(const json::Value& value, std::string_view path,
                                     std::span<const std::string_view> choices) {
  TRY_ASSIGN(const std::string_view text, read_string(value, path));
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found == choices.end()) {
    return refuse(ErrorId::kInvalidValue,
                  fmt::format("Invalid value for '{}': expected one of '{}'.", path,
                              fmt::join(choices, "', '")),
                  std::string(path));
  }
  return *found;
}

Parsed<const json::Value*> require(const json::Object& object, std::string_view key,
                                   std::string_view path) {
  if (const json::Value* value = optional_member(object, key)) return value;
  std::string full = join(path, key);
  std::string message = fmt::format("Missing required parameter: '{}'.", full);
  return refuse(ErrorId::kMissingRequiredParameter, std::move(message), std::move(full));
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
