#include "chat/python_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

#include "base/check.h"

namespace tessera::chat {
namespace {

// Python's repr: the shortest digits that read back the same, positional for exponents of -4 to 15.
void append_float(double value, std::string& out) {
  if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
    return;
  }
  std::array<char, 40> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  CHECK(end.ec == std::errc());
  std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  // D.DDDe±XX to the digits and the decimal exponent of the first one.
  const std::size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const std::size_t exponent_begin = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + exponent_begin, text.data() + text.size(), exponent);

  const auto magnitude = static_cast<std::size_t>(std::abs(exponent));
  const std::size_t count = digits.size();
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    out += exponent < 0 ? "e-" : "e+";
    if (magnitude < 10) out += '0';
    out += std::to_string(magnitude);
  } else if (exponent < 0) {
    out.append("0.").append(magnitude - 1, '0').append(digits);
  } else if (count <= magnitude + 1) {
    out.append(digits).append(magnitude + 1 - count, '0').append(".0");
  } else {
    out.append(digits, 0, magnitude + 1).append(".").append(digits, magnitude + 1);
  }
}

}  // namespace

void append_python_number(std::string_view number, std::string& out) {
  if (number.find_first_of(".eE") == std::string_view::npos) {
    out += number == "-0" ? "0" : number;
    return;
  }
  // strtod, not from_chars: it tells too large from too small. No part of the program sets a
  // locale.
  append_float(std::strtod(std::string(number).c_str(), nullptr), out);
}

void append_python_json(const json::Value& value, std::string& out) {
  switch (value.type()) {
    case json::Type::kNumber:
      append_python_number(value.if_number()->text, out);
      break;
    case json::Type::kArray: {
      std::string_view before = "[";
      for (const json::Value& item : *value.if_array()) {
        out += before;
        before = ", ";
        append_python_json(item, out);
      }
      out += before == "[" ? "[]" : "]";
      break;
    }
    case json::Type::kObject: {
      std::string_view before = "{";
      for (const auto& [key, member] : *value.if_object()) {
        out += before;
        before = ", ";
        json::append_string(key, out);
        out += ": ";
        append_python_json(member, out);
      }
      out += before == "{" ? "{}" : "}";
      break;
    }
    case json::Type::kNull:
    case json::Type::kBool:
    case json::Type::kString:
      json::append_text(value, out);
      break;
  }
}

}  // namespace tessera::chat
