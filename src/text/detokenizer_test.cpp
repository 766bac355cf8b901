#include "text/detokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "text/test_vocabulary.h"

namespace tessera::text {
namespace {

std::string replacements(int count) {
  std::string text;
  while (count-- > 0) text += "\uFFFD";
  return text;
}

// Streams `bytes` as one token a byte.
std::string stream_bytes(std::string_view bytes) {
  static const auto kTokenizer = TestVocabulary().make();
  Detokenizer detokenizer(kTokenizer);
  std::string text;
  for (const char byte : bytes) text += detokenizer.append(static_cast<unsigned char>(byte));
  return text + detokenizer.finish();
}

TEST(Detokenizer, WholeCodePointsOnly) {
  const auto tokenizer = TestVocabulary().make();
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.append('a'), "a");
  EXPECT_EQ(detokenizer.append(0xF0), "");
  EXPECT_EQ(detokenizer.append(0x9F), "");
  EXPECT_EQ(detokenizer.append(0x98), "");
  EXPECT_EQ(detokenizer.append(0x80), "\U0001F600");
  EXPECT_EQ(detokenizer.finish(), "");
}

TEST(Detokenizer, ACutEndIsOneReplacement) {
  EXPECT_EQ(stream_bytes("a\xF0\x9F\x98"), "a\uFFFD");
  EXPECT_EQ(stream_bytes("\xE4"), "\uFFFD");
  EXPECT_EQ(stream_bytes(""), "");
}

TEST(Detokenizer, FinishStartsAnew) {
  const auto tokenizer = TestVocabulary().make();
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.append(0xC3), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.finish(), "");
  EXPECT_EQ(detokenizer.append('a'), "a");
}

// The Unicode Standard's own examples (section 3.9, tables 3-8 to 3-11 and the one before them).
TEST(Detokenizer, ReplacesMaximalSubparts) {
  EXPECT_EQ(stream_bytes("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a" + replacements(3) + "b" + replacements(1) + "c" + replacements(2) + "d");
  EXPECT_EQ(stream_bytes("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), replacements(8) + "A");
  EXPECT_EQ(stream_bytes("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), replacements(8) + "A");
  EXPECT_EQ(stream_bytes("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            replacements(5) + "A" + replacements(2) + "B");
  EXPECT_EQ(stream_bytes("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), replacements(4) + "A");
}

TEST(Detokenizer, ATokenThatCannotContinueReleasesWhatIsHeld) {
  TestVocabulary vocabulary;
  const TokenId end = vocabulary.add("<|end|>", TokenKind::kControl);
  const TokenId unused = vocabulary.add("[PAD]", TokenKind::kUnused);
  const auto tokenizer = vocabulary.make();
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.append(0xE4), "");
  EXPECT_EQ(detokenizer.append(unused), "");  // has no bytes, so changes nothing
  EXPECT_EQ(detokenizer.append(end), "\uFFFD<|end|>");
}

// Tokens of one to four bytes that cut code points everywhere.
TEST(Detokenizer, EveryCutGivesTheSameText) {
  const auto tokenizer = TestVocabulary({{"\xF0", "\x9F"},
                                         {"\x98", "\x80"},
                                         {"\xF0\x9F", "\x98\x80"},
                                         {"\x80", "\xE4"},
                                         {"\xE4", "\xBD"},
                                         {"\xBD", "\xA0"},
                                         {"a", "\xE4"},
                                         {"\xC3", "\xC3"}})
                             .make();
  std::mt19937 random(10);
  const TokenId choice[] = {'a',  0xF0, 0x9F, 0x98, 0x80, 0xE4, 0xBD, 0xA0, 0xC3, 0xED,
                            0xA0, 256,  257,  258,  259,  260,  261,  262,  263};
  for (int i = 0; i < 20'000; ++i) {
    Detokenizer detokenizer(tokenizer);
    std::string text;
    std::string bytes;
    for (std::size_t n = random() % 12; n-- > 0;) {
      const TokenId token = random() % 4 == 0 ? static_cast<TokenId>(random() % 264)
                                              : choice[random() % std::size(choice)];
      const std::string piece = detokenizer.append(token);
      ASSERT_TRUE(is_valid_utf8(piece));
      text += piece;
      bytes += tokenizer->bytes(token);
    }
    text += detokenizer.finish();
    ASSERT_EQ(text, stream_bytes(bytes));
    if (is_valid_utf8(bytes)) ASSERT_EQ(text, bytes);
  }
}

}  // namespace
}  // namespace tessera::text
