// Which general category of Unicode a character has. Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace tessera::text {

// "Lu", "Nd", …; "Cn": nobody has it yet. `code_point` is at most 0x10FFFF.
std::string_view general_category(std::uint32_t code_point);

}  // namespace tessera::text
