// What a custom tool's input may be: any text, or one that a regular expression matches as a whole,
// or one of a grammar in Lark's notation. Any thread; bounded by the budget.
#pragma once

#include <cstdint>
#include <string_view>

#include "grammar/error.h"
#include "grammar/language.h"
#include "grammar/lark_net.h"

namespace tessera::grammar {

struct TextForm {
  enum class Syntax : std::uint8_t { kAny, kRegex, kLark };
  Syntax syntax = Syntax::kAny;
  std::string_view definition;
};

struct CompiledText {
  LanguagePtr language;  // null: `net` has it
  TextNet net;
};

// The texts of the form that are of `allowed`, too. The error's path is empty.
Result<CompiledText, GrammarError> compile_text(const TextForm& form, const Language& allowed,
                                                Budget& budget);

}  // namespace tessera::grammar
