// NodeBuilder: arrays whose items are all different. That is kept by their characters, so that only
// strings and values that can be listed may be items.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "grammar/node_builder.h"

namespace tessera::grammar {
namespace {

constexpr Int128 kMaxListed = 1000;  // of a range of integers

// The integers of `number`, if they are few.
bool list_integers(const NumberAlt& number, std::vector<std::string>& texts) {
  const Int128 one = scaled_one();
  if (!number.bounded || number.multiple % one != 0) return false;
  const Int128 first = next_multiple(number.low, number.multiple);
  if (first > number.high) return true;
  if ((number.high - first) / number.multiple >= kMaxListed) return false;
  for (Int128 value = first; value <= number.high; value += number.multiple) {
    texts.push_back(fmt::format("{}", value / one));
  }
  return true;
}

// Equal values have equal texts: words, and integers as they are usually written.
bool is_plain(std::string_view text) {
  if (text == "null" || text == "true" || text == "false") return true;
  return text != "-0" && text.find_first_of(".eE") == std::string_view::npos;
}

void list_literals(const Grammar& grammar, std::uint32_t at, std::string& prefix,
                   std::vector<std::string>& texts) {
  const LiteralNode& node = grammar.literals[at];
  if (node.end) texts.push_back(prefix);
  for (const auto& [byte, to] : node.edges) {
    prefix += static_cast<char>(byte);
    list_literals(grammar, to, prefix, texts);
    prefix.pop_back();
  }
}

}  // namespace

NodeBuilder::Step NodeBuilder::add_unique_strings(NodeId id,
                                                  const std::vector<StringAlt>& strings) {
  Budget& budget = shaper_.budget();
  LanguagePtr outside;  // of all of them
  StringAlt made;
  for (const StringAlt& string : strings) {
    made.language = string.language;
    if (string.min > 0 || string.max != kUnbounded) {
      const LanguagePtr length = Language::of_length(string.min, string.max, budget);
      if (length == nullptr) return too_complex();
      made.language = Language::intersection(*made.language, *length, budget);
      if (made.language == nullptr) return too_complex();
    }
    if (strings.size() == 1) break;
    LanguagePtr others = Language::complement(*made.language, budget);
    if (others != nullptr && outside != nullptr) {
      others = Language::intersection(*outside, *others, budget);
    }
    if (others == nullptr) return too_complex();
    outside = std::move(others);
  }
  if (outside != nullptr) made.language = Language::complement(*outside, budget);
  if (made.language == nullptr) return too_complex();
  add_alt(id, Alt::Kind::kString, grammar_.strings.size());
  grammar_.strings.push_back(std::move(made));
  return {};
}

NodeBuilder::Step NodeBuilder::make_unique(std::size_t index, const json::Value& keyword) {
  const auto refuse = [&](std::string_view what) {
    return fail(GrammarErrorCode::kUnsupportedSchema,
                "uniqueItems cannot be enforced " + std::string(what),
                shaper_.document().path_of(keyword));
  };
  const ArrayAlt& array = grammar_.arrays[index];
  if (!array.counts.empty() || !array.prefix.empty()) return refuse("beside contains or a tuple");
  const NodeId id = new_node();
  std::vector<std::string> texts;
  std::uint32_t count = 0;
  std::vector<StringAlt> strings;
  const std::vector<AltId> alts = grammar_.nodes[array.rest].alts;
  for (const AltId alt_id : alts) {
    const Alt alt = grammar_.alts[alt_id];
    std::string prefix;
    switch (alt.kind) {
      case Alt::Kind::kLiteral:
        list_literals(grammar_, alt.index, prefix, texts);
        break;
      case Alt::Kind::kNumber:
        if (!list_integers(grammar_.numbers[alt.index], texts)) {
          return refuse("for numbers, unless they are few integers");
        }
        break;
      case Alt::Kind::kString:
        strings.push_back(grammar_.strings[alt.index]);
        break;
      default:
        return refuse("for arrays and objects");
    }
  }
  if (!strings.empty()) {
    TRY(add_unique_strings(id, strings));
    const Language& language = *grammar_.strings.back().language;
    count = language.completions(language.start());
  }
  if (!std::all_of(texts.begin(), texts.end(), is_plain)) {
    return refuse("for numbers with a fraction or an exponent");
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  TRY(add_literals(id, texts));
  ArrayAlt& made = grammar_.arrays[index];
  made.unique = true;
  made.rest = id;
  if (count != kUnbounded) {
    made.max = std::min(made.max, count + static_cast<std::uint32_t>(texts.size()));
  }
  if (made.min > made.max) made.rest = new_node();  // no value fits it: neither does the array
  return {};
}

}  // namespace tessera::grammar
