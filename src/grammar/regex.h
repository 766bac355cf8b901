// ECMA-262 regular expressions, as JSON Schema uses them (with the u flag, search semantics), to
// languages. The regular subset: alternation, groups (their captures mean nothing here), classes,
// \d \w \s and their complements, counted and lazy repeats, anchors, and look-ahead at the very
// start of a pattern. Back references, look-behind, word boundaries and other look-ahead are
// refused. Any thread.
#pragma once

#include <string_view>

#include "grammar/language.h"
#include "grammar/regex_parser.h"

namespace tessera::grammar {

// The texts in which `pattern` (valid UTF-8) is found. The error's path is empty.
Result<LanguagePtr, GrammarError> compile_regex(std::string_view pattern, Budget& budget);
// The texts that `pattern`, or a tree of one, matches from their beginning to their end.
Result<LanguagePtr, GrammarError> compile_whole_regex(std::string_view pattern, Budget& budget);
Result<LanguagePtr, GrammarError> compile_whole_regex(RegexNode root, Budget& budget);

}  // namespace tessera::grammar
