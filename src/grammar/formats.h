// What the `format` keyword means, as regular languages (RFC 3339, 4122, 5321 and their kin, with
// the calendar's bounds). Any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/language.h"

namespace tessera::grammar {

// The texts of a format, the same object for the whole process: made when first asked for, at
// nobody's cost. Null for one that we do not know, which is an annotation.
LanguagePtr format_language(std::string_view name);
// Makes them all, so that no request has to wait for one.
void prepare_formats();
// The most characters that it allows beside that.
std::uint32_t format_length(std::string_view name);

}  // namespace tessera::grammar
