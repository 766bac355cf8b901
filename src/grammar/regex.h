// ECMA-262 regular expressions, as JSON Schema uses them (with the u flag, search semantics), to
// languages. The regular subset: alternation, groups (their captures mean nothing here), classes,
// \d \w \s and their complements, \p{…} by general category, counted and lazy repeats, anchors,
// word boundaries, look-ahead and look-behind. From other dialects: \A, \Z, \z, (?P<name>…) and a
// leading (?i) or (?s). Back references and look-arounds within look-behinds are refused. Any
// thread.
#pragma once

#include <string_view>

#include "grammar/language.h"
#include "grammar/regex_parser.h"

namespace tessera::grammar {

// The texts in which `pattern` (valid UTF-8) is found. The error's path is empty.
Result<LanguagePtr, GrammarError> compile_regex(std::string_view pattern, Budget& budget);
// The same, or, where that takes too much, fewer of these texts: repeats that may go on for longer
// stop at 32.
struct SearchedTexts {
  LanguagePtr language;
  bool all = true;
};
Result<SearchedTexts, GrammarError> compile_some_regex(std::string_view pattern, Budget& budget);
// The texts that `pattern`, or a tree of one, matches from their beginning to their end.
Result<LanguagePtr, GrammarError> compile_whole_regex(std::string_view pattern, Budget& budget);
Result<LanguagePtr, GrammarError> compile_whole_regex(RegexNode root, Budget& budget);

}  // namespace tessera::grammar
