// The character classes of \p{…}: general categories of Unicode by their short and long names, and
// Any, ASCII, Assigned. Scripts and other properties are not known here. Any thread.
#pragma once

#include <optional>
#include <string_view>

#include "grammar/char_set.h"

namespace tessera::grammar {

// What stands between the braces: "L", "Letter", "gc=Lu", "General_Category=Nd". Nothing: unknown.
std::optional<CharSet> property_set(std::string_view name);

}  // namespace tessera::grammar
