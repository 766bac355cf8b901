// What a custom tool's input may be: any text, or one that a regular expression matches as a whole,
// or one of a grammar in Lark's notation. Any thread; bounded by the budget.
#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/error.h"
#include "grammar/language.h"

namespace tessera::grammar {

struct TextForm {
  enum class Syntax : std::uint8_t { kAny, kRegex, kLark };
  Syntax syntax = Syntax::kAny;
  std::string_view definition;
};

// The error's path is empty.
Result<LanguagePtr, GrammarError> compile_text(const TextForm& form, Budget& budget);

}  // namespace tessera::grammar
