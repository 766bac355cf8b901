#include "grammar/char_property.h"

#include <cstdint>
#include <map>
#include <string>

#include "grammar/language.h"
#include "text/unicode_class.h"

namespace tessera::grammar {
namespace {

using Sets = std::map<std::string, CharSet, std::less<>>;

// One walk through all characters, at the first use.
const Sets& categories() {
  static const Sets made = [] {
    Sets sets;
    std::uint32_t begin = 0;
    std::string_view open = text::general_category(0);
    for (std::uint32_t c = 1; c <= kMaxCodePoint + 1; ++c) {
      const std::string_view here = c > kMaxCodePoint ? "" : text::general_category(c);
      if (here == open) continue;
      sets[std::string(open)].add(begin, c - 1);
      sets[std::string(open.substr(0, 1))].add(begin, c - 1);
      if (open == "Lu" || open == "Ll" || open == "Lt") sets["LC"].add(begin, c - 1);
      open = here;
      begin = c;
    }
    for (auto& [name, set] : sets) {  // sorted, and joined where they touch
      CharSet joined;
      for (const auto& [low, high] : set.intervals()) joined.add(low, high);
      set = joined;
    }
    sets["Any"] = CharSet{{0, kMaxCodePoint}};
    sets["ASCII"] = CharSet{{0, 0x7F}};
    sets["Assigned"] = sets["Cn"].complement();
    return sets;
  }();
  return made;
}

// The long names, and those that Unicode has for the same thing.
constexpr std::pair<std::string_view, std::string_view> kLongNames[] = {
    {"Letter", "L"},
    {"Cased_Letter", "LC"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
};

}  // namespace

std::optional<CharSet> property_set(std::string_view name) {
  for (const std::string_view prefix : {"General_Category=", "gc="}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  for (const auto& [long_name, short_name] : kLongNames) {
    if (long_name == name) name = short_name;
  }
  const auto found = categories().find(name);
  if (found == categories().end()) return std::nullopt;
  return found->second;
}

}  // namespace tessera::grammar
