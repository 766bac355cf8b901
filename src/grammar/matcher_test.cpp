#include "grammar/matcher.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "grammar/compile.h"
#include "text/test_vocabulary.h"

namespace tessera::grammar {
namespace {

struct Fixture {
  text::TestVocabulary words{{{"\"", ":"}, {"{", "\""}, {"\"", "}"}, {"\"", ","}, {"}", ","}}};
  TokenId end = words.add("<|im_end|>", text::TokenKind::kControl);
  TokenId think_close = words.add("</think>", text::TokenKind::kUserDefined);
  TokenId call_open = words.add("<tool_call>", text::TokenKind::kUserDefined);
  TokenId call_close = words.add("</tool_call>", text::TokenKind::kUserDefined);
  std::shared_ptr<const text::Tokenizer> tokenizer = words.make();
  VocabularyPtr vocabulary = Vocabulary::create(*tokenizer, std::vector<TokenId>{end});

  Matcher matcher(const GrammarPtr& grammar) const { return Matcher(grammar, vocabulary); }
};

json::Value parse(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : json::Value();
}

GrammarPtr compile(std::string_view schema, bool thinking = false) {
  const json::Value value = parse(schema);
  auto grammar = compile_schema(value, thinking);
  EXPECT_TRUE(grammar) << schema << ": " << grammar.error().message;
  return grammar ? *grammar : nullptr;
}

TEST(Matcher, EndComesWhenTheTextIsComplete) {
  const Fixture fixture;
  Matcher matcher = fixture.matcher(compile(R"({"type":"array","items":{"type":"integer"}})"));
  EXPECT_FALSE(matcher.accept(fixture.end));
  EXPECT_TRUE(matcher.accept_bytes("[1, 2"));
  EXPECT_FALSE(matcher.is_done());
  EXPECT_TRUE(matcher.accept_bytes("]"));
  EXPECT_TRUE(matcher.is_done());
  EXPECT_FALSE(matcher.accept_bytes(" "));
  EXPECT_TRUE(matcher.accept(fixture.end));
  EXPECT_TRUE(matcher.ended());
  EXPECT_FALSE(matcher.accept(fixture.end));
}

TEST(Matcher, RollbackTakesBackWholeTokens) {
  const Fixture fixture;
  Matcher matcher = fixture.matcher(compile(R"({"const":{"a":"b"}})"));
  EXPECT_TRUE(matcher.accept_bytes("{\"a\":"));
  std::vector<std::uint32_t> before(fixture.vocabulary->mask_words());
  matcher.fill_mask(before);
  EXPECT_TRUE(matcher.accept_bytes("\"b"));
  EXPECT_TRUE(matcher.accept_bytes("\"}"));
  EXPECT_TRUE(matcher.accept(fixture.end));
  matcher.rollback(3);
  std::vector<std::uint32_t> after(fixture.vocabulary->mask_words());
  matcher.fill_mask(after);
  EXPECT_EQ(before, after);
  EXPECT_TRUE(matcher.accept_bytes("\"b\"}"));
  EXPECT_TRUE(matcher.is_done());
}

TEST(Matcher, ThinkingIsFreeUntilItCloses) {
  const Fixture fixture;
  Matcher matcher = fixture.matcher(compile(R"({"type":"boolean"})", true));
  EXPECT_TRUE(matcher.is_free());
  EXPECT_TRUE(matcher.accept_bytes("anything {\""));
  EXPECT_FALSE(matcher.accept(fixture.end));
  EXPECT_FALSE(matcher.accept(fixture.call_open));
  EXPECT_TRUE(matcher.accept(fixture.think_close));
  EXPECT_FALSE(matcher.is_free());
  EXPECT_FALSE(matcher.accept_bytes("true"));
  EXPECT_TRUE(matcher.accept_bytes("\n\ntrue"));
  EXPECT_TRUE(matcher.is_done());
}

// Sixty readings of each '[': without a bound on the work, one such request would stall all others.
TEST(Matcher, ASchemaOfTooManyReadingsRunsOutOfFuel) {
  Fixture fixture;
  // Tokens of brackets and letters, up to six of them: a vocabulary with many places to look at.
  constexpr std::string_view kLetters = "[]nul,";
  std::vector<std::string> shorter = {""};
  for (int length = 1; length <= 6; ++length) {
    std::vector<std::string> longer;
    for (const std::string& head : shorter)
      for (const char c : kLetters) longer.push_back(head + c);
    if (length > 1)
      for (const std::string& word : longer) fixture.words.add(word, text::TokenKind::kNormal);
    shorter = std::move(longer);
  }
  fixture.tokenizer = fixture.words.make();
  fixture.vocabulary = Vocabulary::create(*fixture.tokenizer, std::vector<TokenId>{fixture.end});
  std::vector<std::uint32_t> words(fixture.vocabulary->mask_words());

  std::string arrays;
  for (int i = 1; i <= 60; ++i)
    arrays += R"(,{"type":"array","minItems":)" + std::to_string(i) + R"(,"items":{"$ref":"#"}})";
  Matcher hostile = fixture.matcher(compile(R"({"anyOf":[{"type":"null"})" + arrays + "]}"));
  Matcher plain = fixture.matcher(compile(R"({"type":["array","null"],"items":{"$ref":"#"}})"));
  const auto tokens_with_fuel = [&](Matcher& matcher) {
    int tokens = 0;
    while (tokens < 40 && matcher.fill_mask(words) && matcher.accept_bytes("[")) ++tokens;
    return tokens;
  };
  EXPECT_LT(tokens_with_fuel(hostile), 10);
  EXPECT_EQ(tokens_with_fuel(plain), 40);
}

TEST(Matcher, ControlTokensStayOutOfConstrainedText) {
  const Fixture fixture;
  Matcher matcher = fixture.matcher(compile(R"({"type":"string"})"));
  EXPECT_TRUE(matcher.accept_bytes("\"<tool_call>"));
  std::vector<std::uint32_t> words(fixture.vocabulary->mask_words());
  matcher.fill_mask(words);
  for (const TokenId token : {fixture.end, fixture.think_close, fixture.call_open}) {
    EXPECT_EQ(words[token / 32] >> (token % 32) & 1, 0u);
    EXPECT_FALSE(matcher.accept(token));
  }
}

}  // namespace
}  // namespace tessera::grammar
