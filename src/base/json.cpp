#include "base/json.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "base/utf8.h"

namespace tessera::json {

// ---------------------------------------------------------------- values

namespace {
constexpr std::size_t kHashFrom = 16;  // members from which on an object keeps a hash index
}

Object::Object() = default;
Object::Object(const Object& other) = default;
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(const Object& other) = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

std::size_t Object::index_of(std::string_view key) const {
  if (by_hash_.empty()) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (members_[i].first == key) return i;
    }
    return members_.size();
  }
  const auto [first, last] = by_hash_.equal_range(std::hash<std::string_view>{}(key));
  for (auto it = first; it != last; ++it) {
    if (members_[it->second].first == key) return it->second;
  }
  return members_.size();
}

const Value* Object::find(std::string_view key) const {
  const std::size_t index = index_of(key);
  return index == members_.size() ? nullptr : &members_[index].second;
}

Value* Object::find(std::string_view key) {
  const std::size_t index = index_of(key);
  return index == members_.size() ? nullptr : &members_[index].second;
}

Value& Object::set(std::string_view key, Value value) {
  if (Value* present = find(key)) return *present = std::move(value);
  members_.emplace_back(std::string(key), std::move(value));
  const auto index_member = [this](std::size_t i) {
    by_hash_.emplace(std::hash<std::string_view>{}(members_[i].first), i);
  };
  if (members_.size() == kHashFrom) {
    for (std::size_t i = 0; i < members_.size(); ++i) index_member(i);
  } else if (members_.size() > kHashFrom) {
    index_member(members_.size() - 1);
  }
  return members_.back().second;
}

std::size_t Object::size() const {
  return members_.size();
}
const Object::Member* Object::begin() const {
  return members_.data();
}
const Object::Member* Object::end() const {
  return members_.data() + members_.size();
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kNull:
      return "null";
    case Type::kBool:
      return "a boolean";
    case Type::kNumber:
      return "a number";
    case Type::kString:
      return "a string";
    case Type::kArray:
      return "an array";
    case Type::kObject:
      return "an object";
  }
  return "?";
}

namespace {
template <class T>
std::string number_text(T value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  CHECK(error == std::errc());
  return std::string(buffer, end);
}
}  // namespace

Value::Value(std::int64_t value) : data_(Number{number_text(value)}) {}
Value::Value(double value) : data_(Number{number_text(value)}) {
  CHECK(std::isfinite(value));
}

std::optional<double> Value::as_double() const {
  const Number* number = if_number();
  if (number == nullptr) return std::nullopt;
  const char* first = number->text.data();
  double value = 0;
  const auto [end, error] = std::from_chars(first, first + number->text.size(), value);
  if (error == std::errc::result_out_of_range)
    value = std::strtod(number->text.c_str(), nullptr);  // 0, or too large
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> Value::as_int64() const {
  const Number* number = if_number();
  if (number == nullptr) return std::nullopt;
  const char* first = number->text.data();
  const char* last = first + number->text.size();
  std::int64_t integer = 0;
  if (const auto [end, error] = std::from_chars(first, last, integer); end == last) {
    if (error == std::errc()) return integer;
    return std::nullopt;
  }
  const std::optional<double> value = as_double();
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (!value || *value != std::floor(*value) || !(*value >= -kTwoTo63 && *value < kTwoTo63))
    return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

// ---------------------------------------------------------------- parsing

namespace {

namespace bj = boost::json;
using bj::error_code;

// Builds the Value while basic_parser walks. Containers that are open stand on a stack; a finished
// value goes into the one on top.
class Builder {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  explicit Builder(const ParseLimits& limits)
      : max_keys_(limits.max_keys), values_left_(limits.max_values) {}

  Value root;
  bool duplicate_key = false;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return open(Value(Object())); }
  bool on_object_end(std::size_t, error_code& error) { return close(error); }
  bool on_array_begin(error_code&) { return open(Value(Array())); }
  bool on_array_end(std::size_t, error_code& error) { return close(error); }
  bool on_key_part(bj::string_view part, std::size_t, error_code&) { return keep(part); }
  bool on_key(bj::string_view part, std::size_t, error_code& error) {
    keep(part);
    if (stack_.back().container.find(text_) != nullptr) {
      duplicate_key = true;
      error = bj::error::syntax;
      return false;
    }
    if (stack_.back().container.if_object()->size() >= max_keys_) {
      error = bj::error::object_too_large;
      return false;
    }
    stack_.back().key = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(bj::string_view part, std::size_t, error_code&) { return keep(part); }
  bool on_string(bj::string_view part, std::size_t, error_code& error) {
    keep(part);
    return add(Value(std::exchange(text_, {})), error);
  }
  bool on_number_part(bj::string_view part, error_code&) { return keep(part); }
  bool on_int64(std::int64_t, bj::string_view part, error_code& e) { return number(part, e); }
  bool on_uint64(std::uint64_t, bj::string_view part, error_code& e) { return number(part, e); }
  bool on_double(double, bj::string_view part, error_code& e) { return number(part, e); }
  bool on_bool(bool value, error_code& error) { return add(Value(value), error); }
  bool on_null(error_code& error) { return add(Value(), error); }
  bool on_comment_part(bj::string_view, error_code&) { return true; }
  bool on_comment(bj::string_view, error_code&) { return true; }

 private:
  struct Open {
    Value container;
    std::string key;  // of the member whose value comes next
  };

  bool keep(bj::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool number(bj::string_view part, error_code& error) {
    keep(part);
    return add(Value(Number{std::exchange(text_, {})}), error);
  }
  bool open(Value container) {
    stack_.push_back({std::move(container), {}});
    return true;
  }
  bool close(error_code& error) {
    Value finished = std::move(stack_.back().container);
    stack_.pop_back();
    return add(std::move(finished), error);
  }
  bool add(Value value, error_code& error) {
    if (values_left_ == 0) {
      error = bj::error::array_too_large;
      return false;
    }
    --values_left_;
    if (stack_.empty()) {
      root = std::move(value);
    } else if (Array* array = stack_.back().container.if_array()) {
      array->push_back(std::move(value));
    } else {
      stack_.back().container.if_object()->set(stack_.back().key, std::move(value));
    }
    return true;
  }

  const std::size_t max_keys_;
  std::size_t values_left_;
  std::vector<Open> stack_;
  std::string text_;
};

// Whether the text before `offset` ends in a \uD800 to \uDBFF escape: what follows should have been
// its second half.
bool after_leading_surrogate(std::string_view text, std::size_t offset) {
  if (offset < 6) return false;
  const std::string_view escape = text.substr(offset - 6, 6);
  return escape[0] == '\\' && escape[1] == 'u' && (escape[2] | 0x20) == 'd' &&
         std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
}

ParseError describe(error_code error, std::string_view text, std::size_t offset,
                    const ParseLimits& limits) {
  if (error == bj::error::syntax && after_leading_surrogate(text, offset))
    error = bj::error::illegal_leading_surrogate;
  const auto with = [&](ParseErrorCode code, std::string message) {
    return ParseError{code, std::move(message), offset};
  };
  if (error == bj::error::too_deep) {
    return with(ParseErrorCode::kTooDeep,
                fmt::format("nested deeper than {} levels at byte {}", limits.max_depth, offset));
  }
  if (error == bj::error::object_too_large) {
    return with(ParseErrorCode::kTooManyKeys,
                fmt::format("an object has more than {} keys at byte {}", limits.max_keys, offset));
  }
  if (error == bj::error::array_too_large) {
    return with(ParseErrorCode::kTooManyValues,
                fmt::format("more than {} values in all at byte {}", limits.max_values, offset));
  }
  if (error == bj::error::illegal_leading_surrogate ||
      error == bj::error::illegal_trailing_surrogate || error == bj::error::expected_utf16_escape) {
    return with(ParseErrorCode::kInvalidUnicode,
                fmt::format("a lone UTF-16 surrogate escape near byte {}", offset));
  }
  if (error == bj::error::incomplete) {
    return with(ParseErrorCode::kInvalidJson,
                fmt::format("the text ends too early, after {} bytes", offset));
  }
  if (error == bj::error::extra_data) {
    return with(ParseErrorCode::kInvalidJson,
                fmt::format("something follows the end of the JSON value at byte {}", offset));
  }
  return with(ParseErrorCode::kInvalidJson,
              fmt::format("not JSON at byte {} ({})", offset, error.message()));
}

}  // namespace

Result<Value, ParseError> parse(std::string_view text, const ParseLimits& limits) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != text.size()) {
    return Unexpected{
        ParseError{ParseErrorCode::kInvalidJson, fmt::format("not UTF-8 at byte {}", bad), bad}};
  }
  bj::parse_options options;
  options.max_depth = limits.max_depth;
  bj::basic_parser<Builder> parser(options, limits);
  error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (parser.handler().duplicate_key) {
    return Unexpected{ParseError{ParseErrorCode::kDuplicateKey,
                                 fmt::format("an object has the same key twice, at byte {}", used),
                                 used}};
  }
  if (!error && used < text.size()) error = bj::error::extra_data;
  if (error) return Unexpected{describe(error, text, used, limits)};
  return std::move(parser.handler().root);
}

// ---------------------------------------------------------------- writing

void append_string(std::string_view text, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kDigits[c >> 4];
          out += kDigits[c & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void append_text(const Value& value, std::string& out) {
  switch (value.type()) {
    case Type::kNull:
      out += "null";
      break;
    case Type::kBool:
      out += *value.if_bool() ? "true" : "false";
      break;
    case Type::kNumber:
      out += value.if_number()->text;
      break;
    case Type::kString:
      append_string(*value.if_string(), out);
      break;
    case Type::kArray: {
      char before = '[';
      for (const Value& item : *value.if_array()) {
        out += std::exchange(before, ',');
        append_text(item, out);
      }
      out += before == '[' ? "[]" : "]";
      break;
    }
    case Type::kObject: {
      char before = '{';
      for (const auto& [key, member] : *value.if_object()) {
        out += std::exchange(before, ',');
        append_string(key, out);
        out += ':';
        append_text(member, out);
      }
      out += before == '{' ? "{}" : "}";
      break;
    }
  }
}

std::string to_text(const Value& value) {
  std::string out;
  append_text(value, out);
  return out;
}

}  // namespace tessera::json
