#include "grammar/text_form.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::grammar {
namespace {

using Syntax = TextForm::Syntax;

Result<LanguagePtr, GrammarError> compiled(Syntax syntax, std::string_view definition) {
  Budget budget{CompileLimits{}};
  TRY_ASSIGN(CompiledText text, compile_text({syntax, definition}, *Language::any(), budget));
  EXPECT_NE(text.language, nullptr) << definition;
  return text.language;
}

void expect_lark(std::string_view definition, const std::vector<std::string>& right,
                 const std::vector<std::string>& wrong) {
  const auto language = compiled(Syntax::kLark, definition);
  ASSERT_TRUE(language) << definition << ": " << language.error().message;
  for (const std::string& text : right)
    EXPECT_TRUE((*language)->matches(text)) << definition << " and '" << text << "'";
  for (const std::string& text : wrong)
    EXPECT_FALSE((*language)->matches(text)) << definition << " and '" << text << "'";
}

void expect_error(Syntax syntax, std::string_view definition, GrammarErrorCode code,
                  std::string_view word) {
  const auto language = compiled(syntax, definition);
  ASSERT_FALSE(language) << definition;
  EXPECT_EQ(language.error().code, code) << definition << ": " << language.error().message;
  EXPECT_NE(language.error().message.find(word), std::string::npos)
      << definition << ": " << language.error().message;
  EXPECT_EQ(language.error().path, "");
}

TEST(TextForm, ARegularExpressionMatchesAsAWhole) {
  const auto matches = [](std::string_view pattern, std::string_view text) {
    const auto language = compiled(Syntax::kRegex, pattern);
    EXPECT_TRUE(language) << pattern;
    return language && (*language)->matches(text);
  };
  EXPECT_TRUE(matches("ab+", "abb"));
  EXPECT_FALSE(matches("ab+", "xabb"));
  EXPECT_FALSE(matches("ab+", "abbx"));
  EXPECT_TRUE(matches("^ab$", "ab"));
  EXPECT_FALSE(matches("^ab$", "abx"));
  EXPECT_TRUE(matches("a|bc", "bc"));
  EXPECT_FALSE(matches("a|bc", "ac"));
  EXPECT_TRUE(matches("^(?!ab)[a-c]{2}", "ba"));
  EXPECT_FALSE(matches("^(?!ab)[a-c]{2}", "ab"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "x"));
  EXPECT_TRUE(matches("[^]*", "any\ntext"));
}

TEST(TextForm, RegularExpressionsThatCannotBeEnforced) {
  using Code = GrammarErrorCode;
  expect_error(Syntax::kRegex, "(a)\\1", Code::kUnsupportedGrammar, "back reference");
  expect_error(Syntax::kRegex, "(a)\\1", Code::kUnsupportedGrammar, "back reference");
  expect_error(Syntax::kRegex, "a)|(b", Code::kInvalidRegex, "unmatched )");
  expect_error(Syntax::kRegex, "((a{1,1000}){1,1000}){1,1000}", Code::kSchemaTooComplex,
               "too complex");
}

TEST(TextForm, RulesTerminalsAndTheirOperators) {
  expect_lark("start: \"a\" B? c*\nB: \"b\"+\nc: \"c\" | \"d\"", {"a", "abb", "abcdc", "add"},
              {"", "b", "ab c", "acb"});
  expect_lark("start: (\"a\" | \"b\")~2 [\"c\"]", {"ab", "bbc"}, {"a", "abb", "abcc"});
  expect_lark("start: X ~ 2..3\nX: \"x\"", {"xx", "xxx"}, {"x", "xxxx"});
  expect_lark("start: D+\nD: \"0\"..\"7\"", {"0", "7", "123"}, {"8", ""});
  expect_lark("start:\n", {""}, {"x"});
  expect_lark("start: | \"x\"", {"", "x"}, {"xx"});
  expect_lark("!?start: a -> one\n  // a remark\n  | b\n# another\na: \"a\" \nb.2: \"b\"",
              {"a", "b"}, {"ab"});
}

TEST(TextForm, TextsAndPatternsOfTerminals) {
  expect_lark(R"(start: "\"\\\n\x41\u00e9/")", {"\"\\\nA\xC3\xA9/"}, {""});
  expect_lark(R"(start: "Get"i)", {"GET", "get", "gEt"}, {"Gett"});
  expect_lark(R"(start: /a.c/s /[x-z]\/\d/i)", {"a\ncX/1", "abcy/0"}, {"ac", "abcw/0"});
  expect_lark(R"(start: /a[.]c/s)", {"a.c"}, {"abc"});
  expect_lark("start: A\nA: B \"-\" B | C\nB: /[0-9]/\nC: B~3", {"1-2", "123"}, {"12", "1-23"});
}

TEST(TextForm, WhatIsIgnoredMayStandBetweenTerminals) {
  expect_lark(
      "start: A \"=\" N\nA: /[a-z]+/\n%import common.INT -> N\n%import common.WS\n%ignore WS",
      {"a=1", " ab =\n 12 "}, {"a=", "a=1 2", "a = 1x"});
  expect_lark("start: \"a\" \"b\"\n%ignore \" \" | /#[^\\n]*\\n/", {"ab", "a # no\n b", "# x\nab"},
              {"a#b", "a\nb"});
  // Not inside of one.
  expect_lark("start: AB\nAB: \"a\" \"b\"\n%ignore \" \"", {"ab", " ab "}, {"a b"});
}

TEST(TextForm, CommonTerminals) {
  const auto common = [](std::string_view name) {
    return std::string("start: T\n%import common.").append(name).append(" -> T");
  };
  expect_lark(common("SIGNED_NUMBER"), {"1", "-1.5", "+.5e-3", "2e9", "7."},
              {"", ".", "1e", "--1"});
  expect_lark(common("FLOAT"), {"1.0", "1e5"}, {"1"});
  expect_lark(common("ESCAPED_STRING"), {"\"\"", "\"a\\\"b\""}, {"\"a", "\"a\"b\"", "\"\n\""});
  expect_lark(common("CNAME"), {"_a1", "A"}, {"1a"});
  expect_lark(common("C_COMMENT"), {"/* a * b **/"}, {"/* */ */", "/*/"});
  expect_lark("start: WORD NEWLINE\n%import common (WORD, NEWLINE)", {"ab\r\n\n"}, {"ab"});
  expect_error(Syntax::kLark, common("WORDS"), GrammarErrorCode::kUnsupportedGrammar,
               "common.WORDS");
}

TEST(TextForm, GrammarsThatAreRefused) {
  using Code = GrammarErrorCode;
  const auto refused = [](std::string_view definition, Code code, std::string_view word) {
    expect_error(Syntax::kLark, definition, code, word);
  };
  refused("", Code::kInvalidGrammar, "'start'");
  refused("a: \"x\"", Code::kInvalidGrammar, "'start'");
  refused("start: a", Code::kInvalidGrammar, "'a' is not defined");
  refused("start: A", Code::kInvalidGrammar, "'A' is not defined");
  refused("start: \"x\"\nstart: \"y\"", Code::kInvalidGrammar, "line 2: 'start' is defined twice");
  refused("start \"x\"", Code::kInvalidGrammar, "colon");
  refused("start: (\"x\"", Code::kInvalidGrammar, "bracket");
  refused("start: \"x", Code::kInvalidGrammar, "not closed");
  refused("start: \"\\q\"", Code::kInvalidGrammar, "escape");
  refused("start: \"\\ud800\"", Code::kInvalidGrammar, "no character");
  refused("start: /x", Code::kInvalidGrammar, "not closed");
  refused("start: \"ab\"..\"c\"", Code::kInvalidGrammar, "range");
  refused("start: \"x\"~3..2", Code::kInvalidGrammar, "repeat");
  refused("start: \"x\")", Code::kInvalidGrammar, "')' is not expected");
  refused("start: A\nA: B\nB: A", Code::kInvalidGrammar, "made of itself");
  refused("start: A\nA: b\nb: \"x\"", Code::kInvalidGrammar, "made of the rule 'b'");
  refused("start: /(/", Code::kInvalidRegex, "line 1");
  refused("start: /a$/", Code::kUnsupportedGrammar, "assertion");
  refused("start: /a\\b/", Code::kUnsupportedGrammar, "assertion");
  refused("start: /a/x", Code::kUnsupportedGrammar, "flag 'x'");
  refused("start: /[^a]/i", Code::kUnsupportedGrammar, "negated class");
  refused("start: a{\"x\"}\na{t}: t", Code::kUnsupportedGrammar, "template");
  refused("%declare A\nstart: A", Code::kUnsupportedGrammar, "%declare");
  refused("%import python.NAME\nstart: NAME", Code::kUnsupportedGrammar, "python.NAME");
  refused("start: %json {}", Code::kUnsupportedGrammar, "%");
  refused("start: <|end|>", Code::kUnsupportedGrammar, "special token");
  refused("start: \"x\"~10001", Code::kSchemaTooComplex, "too complex");
  refused("start: \"(\" start \")\"", Code::kInvalidGrammar, "no text");
}

TEST(TextForm, HostileGrammarsCostLittle) {
  std::string doubling = "start: r0\n";
  for (int i = 0; i < 60; ++i)
    doubling += "r" + std::to_string(i) + ": r" + std::to_string(i + 1) + " r" +
                std::to_string(i + 1) + "\n";
  doubling += "r60: \"x\"\n";
  expect_error(Syntax::kLark, doubling, GrammarErrorCode::kSchemaTooComplex, "complex");
  std::string terminals = doubling;
  for (char& c : terminals) c = c == 'r' ? 'R' : c;
  expect_error(Syntax::kLark, "start: R0\n" + terminals.substr(terminals.find('\n') + 1),
               GrammarErrorCode::kSchemaTooComplex, "complex");
  expect_error(Syntax::kLark, "start: " + std::string(200, '(') + "\"x\"" + std::string(200, ')'),
               GrammarErrorCode::kSchemaTooComplex, "complex");
  expect_error(Syntax::kLark, "start: /[ab]*a[ab]{30}/", GrammarErrorCode::kSchemaTooComplex,
               "complex");
}

}  // namespace
}  // namespace tessera::grammar
