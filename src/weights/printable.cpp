#include "weights/printable.h"

#include <fmt/format.h>

#include <iterator>

#include "base/utf8.h"

namespace tessera::weights {

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  std::size_t valid_until = find_invalid_utf8(text);
  std::size_t i = 0;
  while (i < text.size() && out.size() < max_bytes) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (i == valid_until) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
      ++i;
      valid_until = i + find_invalid_utf8(text.substr(i));
      continue;
    }
    std::size_t next = i;
    const char32_t code_point = next_code_point(text, next);
    if (code_point == U'\n') {
      out += "\\n";
    } else if (code_point == U'\t') {
      out += "\\t";
    } else if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0)) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(code_point));
    } else {
      out.append(text.substr(i, next - i));
    }
    i = next;
  }
  if (i < text.size()) out += "...";
  return out;
}

}  // namespace tessera::weights
