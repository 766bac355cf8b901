#include "grammar/lark_terminals.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tessera::grammar {
namespace {

constexpr std::pair<std::string_view, std::string_view> kCommon[] = {
    {"DIGIT", "[0-9]"},
    {"HEXDIGIT", "[0-9a-fA-F]"},
    {"INT", "[0-9]+"},
    {"SIGNED_INT", "[+-]?[0-9]+"},
    {"DECIMAL", "[0-9]+\\.[0-9]*|\\.[0-9]+"},
    {"FLOAT", "[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"},
    {"SIGNED_FLOAT", "[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)"},
    {"NUMBER", "[0-9]+([eE][+-]?[0-9]+)?|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"},
    {"SIGNED_NUMBER",
     "[+-]?([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)"},
    {"ESCAPED_STRING", "\"([^\"\\\\\\n]|\\\\[^\\n])*\""},
    {"LCASE_LETTER", "[a-z]"},
    {"UCASE_LETTER", "[A-Z]"},
    {"LETTER", "[a-zA-Z]"},
    {"WORD", "[a-zA-Z]+"},
    {"CNAME", "[_a-zA-Z][_a-zA-Z0-9]*"},
    {"WS_INLINE", "[ \\t]+"},
    {"WS", "[ \\t\\f\\r\\n]+"},
    {"CR", "\\r"},
    {"LF", "\\n"},
    {"NEWLINE", "(\\r?\\n)+"},
    {"SH_COMMENT", "#[^\\n]*"},
    {"CPP_COMMENT", "//[^\\n]*"},
    {"C_COMMENT", "/\\*([^*]|\\*+[^*/])*\\*+/"},
    {"SQL_COMMENT", "--[^\\n]*"},
};

}  // namespace

std::optional<std::string_view> common_terminal(std::string_view name) {
  const auto* found = std::find_if(std::begin(kCommon), std::end(kCommon),
                                   [&](const auto& entry) { return entry.first == name; });
  if (found == std::end(kCommon)) return std::nullopt;
  return found->second;
}

void fold_case(RegexNode& node) {
  for (const CharSet::Interval& interval : node.set.intervals()) {
    const auto add = [&](std::uint32_t from, std::uint32_t to, int shift) {
      const std::uint32_t low = std::max(interval.first, from);
      const std::uint32_t high = std::min(interval.second, to);
      if (low > high) return;
      node.set.add(static_cast<std::uint32_t>(static_cast<int>(low) + shift),
                   static_cast<std::uint32_t>(static_cast<int>(high) + shift));
    };
    add('a', 'z', -32);
    add('A', 'Z', 32);
  }
  for (RegexNode& child : node.children) fold_case(child);
}

std::string with_dots_for_all(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      out += c;
      out += pattern[++i];
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    c == '.' && !in_class ? out += "[^]" : out += c;
  }
  return out;
}

bool has_assertions(const RegexNode& node) {
  using Kind = RegexNode::Kind;
  if (node.kind == Kind::kBegin || node.kind == Kind::kEnd || node.kind == Kind::kLookAhead ||
      node.kind == Kind::kLookBehind)
    return true;
  return std::any_of(node.children.begin(), node.children.end(), has_assertions);
}

}  // namespace tessera::grammar
