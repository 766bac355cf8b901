// What the `format` keyword means, as regular languages (RFC 3339, 4122, 5321 and their kin, with
// the calendar's bounds). Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::grammar {

// The anchored pattern of a format; nothing for one that we do not know, which is an annotation.
std::optional<std::string> format_pattern(std::string_view name);
// The most characters that it allows beside that.
std::uint32_t format_length(std::string_view name);

}  // namespace tessera::grammar
