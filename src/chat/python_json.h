// JSON as Python's json.dumps(value, ensure_ascii=False) prints what json.loads read: what the chat
// template's tojson does. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace tessera::chat {

// Separators ", " and ": ", members in order, integers of any size as they are, floats as Python's
// repr.
void append_python_json(const json::Value& value, std::string& out);

// A JSON number's text as Python prints it: "1e16" → "1e+16", "1.50" → "1.5", "-0" → "0", "-0.0" →
// "-0.0", "1e400" → "Infinity".
void append_python_number(std::string_view number, std::string& out);

}  // namespace tessera::chat
