// Reading typed fields out of a parsed body. Each reader takes the field's path
// ("messages[2].role") and says in its error what was expected there and what came. Range checks
// are written so that NaN fails.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "api/error.h"
#include "base/json.h"
#include "base/result.h"

namespace tessera::api {

template <class T>
using Parsed = Result<T, ApiError>;

inline Unexpected<ApiError> refuse(ErrorId id, std::string message, std::string param) {
  return Unexpected{ApiError{id, std::move(message), std::move(param)}};
}

Unexpected<ApiError> wrong_type(std::string_view expected, const json::Value& got,
                                std::string_view path);

Parsed<bool> read_bool(const json::Value& value, std::string_view path);
Parsed<std::int64_t> read_integer(const json::Value& value, std::string_view path, std::int64_t min,
                                  std::int64_t max);
Parsed<double> read_number(const json::Value& value, std::string_view path, double min, double max);
// At most `max_bytes` bytes (0: no limit).
Parsed<std::string_view> read_string(const json::Value& value, std::string_view path,
                                     std::size_t max_bytes = 0);
// Letters, digits, '_' and '-', 1 to `max_bytes` of them.
Parsed<std::string_view> read_name(const json::Value& value, std::string_view path,
                                   std::size_t max_bytes);
Parsed<const json::Array*> read_array(const json::Value& value, std::string_view path,
                                      std::size_t min, std::size_t max);
Parsed<const json::Object*> read_object(const json::Value& value, std::string_view path);
// One of `choices`; the error lists them.
Parsed<std::string_view> read_one_of(const json::Value& value, std::string_view path,
                                     std::span<const std::string_view> choices);

// The member, or an error that names the path it should have had. Null counts as absent.
Parsed<const json::Value*> require(const json::Object& object, std::string_view key,
                                   std::string_view path);
// Null when absent or JSON null.
const json::Value* optional_member(const json::Object& object, std::string_view key);

// "messages[2]" + "content" → "messages[2].content"; "messages" + 2 → "messages[2]".
std::string join(std::string_view path, std::string_view key);
std::string join(std::string_view path, std::size_t index);

}  // namespace tessera::api
