// Custom tools: their input is text, not JSON. The model's template knows functions alone, so the
// model sees a function with one string parameter, whose description has the grammar; the server
// turns its calls back (docs/structured-output.md). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "chat/request.h"

namespace tessera::chat {

// The name of that parameter.
inline constexpr std::string_view kCustomInput = "input";

// {"name", "description", …} of a custom tool as the function that the model sees.
json::Value as_function(const json::Object& custom, const CustomFormat& format);
// The arguments that the function is called with.
std::string as_arguments(std::string_view input);

}  // namespace tessera::chat
