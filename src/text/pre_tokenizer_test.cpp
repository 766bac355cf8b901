#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "text/test_vocabulary.h"

namespace tessera::text {
namespace {

using testing::ElementsAre;
using Engine = PreTokenSplitter::Engine;

std::shared_ptr<const PreTokenSplitter> make(PreTokenizer kind, Engine engine = Engine::kFast) {
  auto splitter = PreTokenSplitter::create(kind, engine);
  EXPECT_TRUE(splitter) << splitter.error().message;
  return *std::move(splitter);
}

std::vector<std::string> split(const PreTokenSplitter& splitter, std::string_view text) {
  std::vector<std::string> pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = splitter.find_end(text, begin);
    EXPECT_GT(end, begin);
    pieces.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

TEST(PreTokenizer, CutsAsThePatternSays) {
  const auto s = make(PreTokenizer::kQwen35);
  EXPECT_THAT(split(*s, "Hello  world, it's 42!\n\n x"),
              ElementsAre("Hello", " ", " world", ",", " it", "'s", " ", "4", "2", "!\n\n", " x"));
  EXPECT_THAT(split(*s, "I'LL we'Ve 'tis"), ElementsAre("I", "'LL", " we", "'Ve", " '", "tis"));
  EXPECT_THAT(split(*s, "'\u017F'S"), ElementsAre("'\u017F", "'S"));
  EXPECT_THAT(split(*s, "a'LLy'VExx'\u017Ft"),
              ElementsAre("a", "'LL", "y", "'VE", "xx", "'\u017F", "t"));
  EXPECT_THAT(split(*s, "'tis 'x"), ElementsAre("'t", "is", " '", "x"));
  EXPECT_THAT(split(*s, "a \n  b"), ElementsAre("a", " \n", " ", " b"));
  EXPECT_THAT(split(*s, "_under .dot\ttab"), ElementsAre("_under", " .", "dot", "\ttab"));
  EXPECT_THAT(split(*s, "end   "), ElementsAre("end", "   "));
  EXPECT_THAT(split(*s, "x\u00A0y\u0661\u216B"), ElementsAre("x", "\u00A0y", "\u0661", "\u216B"));
  EXPECT_THAT(split(*s, "\u4F60\u597D\uFF0C a"), ElementsAre("\u4F60\u597D", "\uFF0C", " a"));
}

TEST(PreTokenizer, MarksAreWordsSinceQwen35) {
  const std::string text = "\u0915\u094D\u0937 a\u0301b";
  EXPECT_THAT(split(*make(PreTokenizer::kQwen35), text),
              ElementsAre("\u0915\u094D\u0937", " a\u0301b"));
  EXPECT_THAT(split(*make(PreTokenizer::kQwen2), text),
              ElementsAre("\u0915", "\u094D\u0937", " a", "\u0301b"));
}

TEST(PreTokenizer, MongolianVowelSeparatorIsNoWhiteSpace) {
  for (const PreTokenizer kind : {PreTokenizer::kQwen2, PreTokenizer::kQwen35}) {
    EXPECT_THAT(split(*make(kind), " \u180E\n"), ElementsAre(" \u180E\n"));  // punctuation
  }
}

TEST(PreTokenizer, TheShortcutsStopBeforeWhatIsNotAscii) {
  const auto s = make(PreTokenizer::kQwen35);
  EXPECT_THAT(split(*s, " ab\u00E9c de\u0301 f\u3000g"),
              ElementsAre(" ab\u00E9c", " de\u0301", " f", "\u3000g"));
  EXPECT_THAT(split(*s, "1\u0301"), ElementsAre("1", "\u0301"));
}

TEST(PreTokenizer, EveryCodePointIsCovered) {
  for (const PreTokenizer kind : {PreTokenizer::kQwen2, PreTokenizer::kQwen35}) {
    const auto s = make(kind);
    for (char32_t c = 0; c <= 0x10FFFF; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      std::string text;
      append_utf8(c, text);
      ASSERT_EQ(s->find_end(text, 0), text.size());
    }
  }
}

TEST(PreTokenizer, TheFastEngineAgreesWithTheBarePattern) {
  std::mt19937 random(2);
  for (const PreTokenizer kind : {PreTokenizer::kQwen2, PreTokenizer::kQwen35}) {
    const auto fast = make(kind);
    const auto bare = make(kind, Engine::kInterpreter);
    for (int i = 0; i < 5000; ++i) {
      const std::string text = random_unicode(random, random() % 30);
      ASSERT_EQ(split(*fast, text), split(*bare, text)) << text;
    }
  }
}

TEST(PreTokenizer, LongRunsOfOneKind) {
  // In quadratic time this would not end within the test's limit; at its default limits the
  // interpreter would give up.
  constexpr std::size_t kBytes = 1 << 20;
  for (const Engine engine : {Engine::kFast, Engine::kInterpreter}) {
    const auto s = make(PreTokenizer::kQwen35, engine);
    for (const char* unit : {"a", " ", "\n", "!", "\u0301", "\U0001F600", "\u4F60"}) {
      const std::string text = repeat(unit, kBytes);
      EXPECT_EQ(s->find_end(text, 0), text.size()) << unit;
    }
    EXPECT_EQ(split(*s, repeat("7", kBytes)).size(), kBytes);
    EXPECT_EQ(split(*s, repeat(" ", kBytes) + "x").size(), 2u);
    EXPECT_EQ(split(*s, repeat("'", kBytes) + "s").size(), 2u);
    EXPECT_EQ(split(*s, repeat("\n ", kBytes) + "x").size(), 2u);
  }
}

}  // namespace
}  // namespace tessera::text
