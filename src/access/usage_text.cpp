#include "access/usage_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace tessera::access {
namespace {

// C0 and C1 control characters, DEL, and the marks that turn the direction of what follows: they
// would change what an operator's terminal shows.
bool is_unfit(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

std::string cleaned(std::string_view text, std::size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const std::string_view valid = text.substr(0, find_invalid_utf8(text));
    for (std::size_t at = 0; at < valid.size();) {
      const std::size_t start = at;
      const bool unfit = is_unfit(next_code_point(valid, at));
      const std::string_view piece = unfit ? "?" : valid.substr(start, at - start);
      if (out.size() + piece.size() > max_bytes) return out;
      out += piece;
    }
    if (valid.size() == text.size() || out.size() == max_bytes) return out;
    out += '?';
    text.remove_prefix(valid.size() + 1);
  }
  return out;
}

}  // namespace

UsageText::UsageText(std::string_view text, std::size_t max_bytes) {
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!plain) changed_ = cleaned(text, max_bytes);
  view_ = plain ? text.substr(0, max_bytes) : changed_;
}

}  // namespace tessera::access
