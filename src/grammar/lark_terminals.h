// What Lark's notation says of single terminals: the ones that its library `common` has, and the
// flags of its regular expressions. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "grammar/regex_parser.h"

namespace tessera::grammar {

// The pattern of a terminal of `common`, after Lark's documentation.
std::optional<std::string_view> common_terminal(std::string_view name);
// Adds the other case of ASCII letters.
void fold_case(RegexNode& node);
// The pattern in which dots stand for newlines as well.
std::string with_dots_for_all(std::string_view pattern);
// Whether ^, $ or a look-ahead is somewhere in it.
bool has_assertions(const RegexNode& node);

}  // namespace tessera::grammar
