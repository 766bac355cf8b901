// UTF-8 (RFC 3629): what counts as valid, and walking over it. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera {

// The offset of the first byte that does not belong to a valid sequence (no overlong form, no
// surrogate, nothing above U+10FFFF, no cut end); text.size() when all of it is valid.
std::size_t find_invalid_utf8(std::string_view text);
inline bool is_valid_utf8(std::string_view text) {
  return find_invalid_utf8(text) == text.size();
}

// The code point at `offset` of valid UTF-8, and the offset moved behind it.
char32_t next_code_point(std::string_view text, std::size_t& offset);

void append_utf8(char32_t code_point, std::string& out);

}  // namespace tessera
