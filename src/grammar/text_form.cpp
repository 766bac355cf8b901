#include "grammar/text_form.h"

#include <utility>

#include "grammar/lark_parser.h"
#include "grammar/lark_text.h"
#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

Result<CompiledText, GrammarError> compile_lark(std::string_view definition,
                                                const Language& allowed, Budget& budget) {
  TRY_ASSIGN(const LarkGrammar grammar, parse_lark(definition, budget));
  LarkTexts texts(grammar, budget);
  if (!texts.is_regular(grammar.start)) {
    TRY_ASSIGN(TextNet net, compile_net(grammar, allowed, budget));
    return CompiledText{nullptr, std::move(net)};
  }
  TRY_ASSIGN(RegexNode start, texts.node(grammar.rules[grammar.start]));
  RegexNode whole;
  whole.kind = RegexNode::Kind::kSequence;
  whole.children.push_back(std::move(start));
  whole.children.push_back(texts.gap());
  TRY_ASSIGN(LanguagePtr language, compile_whole_regex(std::move(whole), budget));
  return CompiledText{std::move(language), {}};
}

Result<CompiledText, GrammarError> compile_form(const TextForm& form, const Language& allowed,
                                                Budget& budget) {
  switch (form.syntax) {
    case TextForm::Syntax::kAny:
      break;
    case TextForm::Syntax::kLark:
      return compile_lark(form.definition, allowed, budget);
    case TextForm::Syntax::kRegex: {
      TRY_ASSIGN(LanguagePtr language, compile_whole_regex(form.definition, budget));
      return CompiledText{std::move(language), {}};
    }
  }
  return CompiledText{Language::any(), {}};
}

}  // namespace

Result<CompiledText, GrammarError> compile_text(const TextForm& form, const Language& allowed,
                                                Budget& budget) {
  auto text = compile_form(form, allowed, budget);
  if (!text) {
    GrammarError error = std::move(text).error();
    if (error.code == GrammarErrorCode::kUnsupportedSchema)
      error.code = GrammarErrorCode::kUnsupportedGrammar;
    return Unexpected{std::move(error)};
  }
  if (text->language == nullptr) return text;
  text->language = Language::intersection(*text->language, allowed, budget);
  if (text->language == nullptr)
    return fail(GrammarErrorCode::kSchemaTooComplex, "the grammar is too complex");
  if (text->language->empty()) {
    return fail(GrammarErrorCode::kInvalidGrammar,
                "no text of the grammar can be written in a call");
  }
  return text;
}

}  // namespace tessera::grammar
