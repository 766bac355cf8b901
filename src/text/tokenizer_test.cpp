#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <thread>

#include "text/nfc.h"
#include "text/test_vocabulary.h"

namespace tessera::text {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The id of a byte in TestVocabulary.
TokenId byte_id(char byte) {
  return static_cast<unsigned char>(byte);
}

// "the", " the" and halves of an emoji among its tokens, and four added ones.
TestVocabulary example() {
  TestVocabulary v({{"t", "h"},
                    {"th", "e"},
                    {" ", "the"},
                    {"\xF0", "\x9F"},
                    {"\xF0\x9F", "\x98"},
                    {"\x98", "\x80"},
                    {"\xCC", "\x81"},
                    {"\n", "\n"},
                    {" ", " "},
                    {"  ", "  "},
                    {"<", "|"},
                    {"|", ">"},
                    {"a", "a"},
                    {"aa", "aa"},
                    {"1", "2"}});
  v.add("<|end|>", TokenKind::kControl);
  v.add("<|end|>x", TokenKind::kUserDefined);
  v.add("<unk>", TokenKind::kUnknown);
  v.add("[PAD]", TokenKind::kUnused);
  return v;
}

TEST(Tokenizer, MergesWithinPreTokensOnly) {
  const auto tokenizer = example().make();
  const auto ids = encode_text(*tokenizer, "the the12 th\u00E9");
  std::vector<std::string> pieces;
  pieces.reserve(ids.size());
  for (const TokenId id : ids) pieces.emplace_back(tokenizer->bytes(id));
  EXPECT_THAT(pieces, ElementsAre("the", " the", "1", "2", " ", "th", "\xC3", "\xA9"));
  EXPECT_EQ(tokenizer->decode(ids), "the the12 th\u00E9");
}

TEST(Tokenizer, NormalisesUnlessToldNotTo) {
  TestVocabulary vocabulary({{"\xC3", "\xA9"}});
  EXPECT_THAT(encode_text(*vocabulary.make(), "e\u0301"), ElementsAre(256));
  vocabulary.nfc = false;
  EXPECT_THAT(encode_text(*vocabulary.make(), "e\u0301"),
              ElementsAre('e', byte_id('\xCC'), byte_id('\x81')));
}

TEST(Tokenizer, KnowsWhatItsTokensAre) {
  const TestVocabulary vocabulary = example();
  const auto tokenizer = vocabulary.make();
  const TokenId end = tokenizer->find_added("<|end|>").value_or(-1);
  EXPECT_EQ(tokenizer->vocabulary_size(), static_cast<int>(vocabulary.tokens.size()));
  EXPECT_EQ(tokenizer->kind(end), TokenKind::kControl);
  EXPECT_EQ(tokenizer->bytes(end), "<|end|>");
  EXPECT_EQ(tokenizer->kind(end + 3), TokenKind::kUnused);
  EXPECT_EQ(tokenizer->bytes(end + 3), "");
  EXPECT_EQ(tokenizer->bytes(' '), " ");
  EXPECT_EQ(tokenizer->find_added("[PAD]"), std::nullopt);
  EXPECT_EQ(tokenizer->find_added("the"), std::nullopt);
  EXPECT_EQ(tokenizer->find_added(""), std::nullopt);
}

TEST(Tokenizer, AddedTokensComeOutOnlyWhereTheyMay) {
  const auto tokenizer = example().make();
  const TokenId end = tokenizer->find_added("<|end|>").value_or(-1);
  const TokenId end_x = tokenizer->find_added("<|end|>x").value_or(-1);
  const std::string text = "<|end|>the<|end|>x <|end|<unk>";
  std::vector<TokenId> ids;
  tokenizer->encode_with_added_tokens(text, ids);
  EXPECT_EQ(ids.front(), end);
  EXPECT_EQ(tokenizer->bytes(ids[1]), "the");
  EXPECT_EQ(ids[2], end_x);
  EXPECT_EQ(ids.back(), tokenizer->find_added("<unk>"));
  EXPECT_EQ(tokenizer->decode(ids), text);
  for (const TokenId id : encode_text(*tokenizer, text)) {
    EXPECT_EQ(tokenizer->kind(id), TokenKind::kNormal);
  }
  EXPECT_EQ(tokenizer->decode(encode_text(*tokenizer, text)), text);
}

TEST(Tokenizer, AddedTokensAreFoundBeforeNormalisation) {
  TestVocabulary vocabulary({{"\xC3", "\xA9"}});
  const TokenId added = vocabulary.add("\u0301!", TokenKind::kControl);
  std::vector<TokenId> ids;
  vocabulary.make()->encode_with_added_tokens("e\u0301!e\u0301", ids);
  EXPECT_THAT(ids, ElementsAre('e', added, 256));
}

// A vocabulary may hold the text of an added token as a normal one too: merges then give the normal
// one.
TEST(Tokenizer, AMergeNeverGivesAnAddedToken) {
  TestVocabulary vocabulary({{"!", "?"}});
  const TokenId added = vocabulary.add("!?", TokenKind::kControl);
  const auto tokenizer = vocabulary.make();
  EXPECT_THAT(encode_text(*tokenizer, "!?"), ElementsAre(256));
  EXPECT_EQ(tokenizer->find_added("!?"), added);
}

TEST(Tokenizer, AnyBytesComeBack) {
  const auto tokenizer = example().make();
  std::mt19937 random(7);
  const char* pieces[] = {"the ",     "\xF0\x9F\x98\x80", "\xF0\x9F\x98", "\xC3", "\x81",
                          "\xCC\x81", "\xED\xA0\x80",     "\xFF",         "\n",   " "};
  for (int i = 0; i < 5000; ++i) {
    std::string bytes;
    for (std::size_t n = random() % 20; n-- > 0;) {
      bytes += random() % 2 == 0 ? std::string(1, static_cast<char>(random()))
                                 : pieces[random() % std::size(pieces)];
    }
    bytes += '\xFF';  // never valid, so never normalised
    std::vector<TokenId> ids = encode_text(*tokenizer, bytes);
    ASSERT_EQ(tokenizer->decode(ids), bytes);
    ids.clear();
    tokenizer->encode_with_added_tokens(bytes, ids);
    ASSERT_EQ(tokenizer->decode(ids), bytes);
  }
}

TEST(Tokenizer, AnyUnicodeComesBackNormalised) {
  TestVocabulary vocabulary = example();
  for (const PreTokenizer pre : {PreTokenizer::kQwen2, PreTokenizer::kQwen35}) {
    vocabulary.pre = pre;
    const auto tokenizer = vocabulary.make();
    std::mt19937 random(8);
    for (int i = 0; i < 3000; ++i) {
      const std::string text = random_unicode(random, random() % 40);
      std::string buffer;
      ASSERT_EQ(tokenizer->decode(encode_text(*tokenizer, text)), to_nfc(text, buffer));
    }
  }
}

TEST(Tokenizer, MegabytesOfOneCharacter) {
  const auto tokenizer = example().make();
  for (const char* unit : {"a", " ", "7", "\n", "!", "\U0001F600", "\u0301", "\u0301\u0316",
                           "\u4F60", "\xFF", "<|end|>"}) {
    const std::string text = repeat(unit, 1 << 20);
    const std::vector<TokenId> ids = encode_text(*tokenizer, text);
    EXPECT_EQ(tokenizer->decode(ids).size(), text.size()) << unit;
    std::vector<TokenId> with_added;
    tokenizer->encode_with_added_tokens(text, with_added);
    EXPECT_EQ(tokenizer->decode(with_added).size(), text.size()) << unit;
  }
}

TEST(Tokenizer, CachedWordsBelongToTheirTokenizer) {
  const auto first = TestVocabulary({{"h", "e"}}).make();
  const auto second = TestVocabulary({{"e", "h"}}).make();
  for (int i = 0; i < 100'000; ++i) {  // enough for some to share a place in the cache
    std::string word = "he";
    for (int rest = i; rest > 0; rest /= 26) word += static_cast<char>('a' + rest % 26);
    const std::vector<TokenId> ids = encode_text(*first, word);
    ASSERT_EQ(ids[0], 256) << word;
    ASSERT_EQ(encode_text(*second, word)[0], 'h') << word;
    ASSERT_EQ(encode_text(*first, word), ids);
  }
}

TEST(Tokenizer, ThreadsDoNotDisturbEachOther) {
  const auto tokenizer = example().make();
  std::mt19937 random(9);
  std::vector<std::string> texts;
  std::vector<std::vector<TokenId>> expected;
  for (int i = 0; i < 200; ++i) {
    texts.push_back(random_unicode(random, 100) + " the the aaaa");
    expected.push_back(encode_text(*tokenizer, texts.back()));
  }
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  threads.reserve(wrong.size());
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < texts.size(); ++i) {
        wrong[t] += encode_text(*tokenizer, texts[i]) != expected[i] ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(Tokenizer, FindsPreTokenizersByName) {
  EXPECT_EQ(*find_pre_tokenizer("qwen2"), PreTokenizer::kQwen2);
  EXPECT_EQ(*find_pre_tokenizer("qwen35"), PreTokenizer::kQwen35);
  for (const char* name : {"", "qwen", "QWEN35", "llama-bpe"}) {
    const auto found = find_pre_tokenizer(name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(found.error().message, HasSubstr("\"" + std::string(name) + "\""));
  }
  EXPECT_LT(find_pre_tokenizer(std::string(1 << 20, '\n')).error().message.size(), 300u);
}

struct BadVocabulary {
  const char* name;
  std::function<void(TestVocabulary&)> spoil;
  const char* message;
};

void PrintTo(const BadVocabulary& bad, std::ostream* out) {
  *out << bad.name;
}

class TokenizerCreate : public testing::TestWithParam<BadVocabulary> {};

TEST_P(TokenizerCreate, Refuses) {
  TestVocabulary vocabulary = example();
  ASSERT_TRUE(Tokenizer::create(vocabulary.data()));
  GetParam().spoil(vocabulary);
  const auto tokenizer = Tokenizer::create(vocabulary.data());
  ASSERT_FALSE(tokenizer);
  EXPECT_THAT(tokenizer.error().message, HasSubstr(GetParam().message));
  EXPECT_LT(tokenizer.error().message.size(), 400u);
}

const BadVocabulary kBadVocabularies[] = {
    {"Empty",
     [](auto& v) {
       v.tokens.clear();
       v.kinds.clear();
     },
     "no tokens"},
    {"TooFewKinds", [](auto& v) { v.kinds.pop_back(); }, "token types"},
    {"KindZero", [](auto& v) { v.kinds[7] = TokenKind{0}; }, "token 7 has type 0"},
    {"KindSeven", [](auto& v) { v.kinds[7] = TokenKind{7}; }, "token 7 has type 7"},
    {"ByteKind", [](auto& v) { v.kinds[7] = TokenKind::kByte; }, "token 7 is a byte token"},
    {"EmptyToken", [](auto& v) { v.tokens[7].clear(); }, "normal token 7 is empty"},
    {"EmptyAdded", [](auto& v) { v.add("", TokenKind::kControl); }, "is empty"},
    {"TwiceNormal", [](auto& v) { v.add("the"); }, "are the same: \"the\""},
    {"TwiceAdded", [](auto& v) { v.add("<unk>", TokenKind::kControl); }, "added tokens"},
    {"NotInTheAlphabet", [](auto& v) { v.add("\u2581the"); }, "\\xE2\\x96\\x81the"},
    {"NotUtf8", [](auto& v) { v.add("\xFF"); }, "\"\\xFF\""},
    {"NoTokenForAByte", [](auto& v) { v.kinds['A'] = TokenKind::kUnused; }, "byte 0x41"},
    {"ByteOnlyAdded", [](auto& v) { v.kinds['A'] = TokenKind::kControl; }, "byte 0x41"},
    {"MergeWithoutSpace", [](auto& v) { v.merges.push_back("th"); }, "merge 15 (\"th\")"},
    {"MergeOfOne", [](auto& v) { v.merges.push_back("th "); }, "merge 15"},
    {"MergeOfNone", [](auto& v) { v.merges.push_back(" "); }, "merge 15"},
    {"MergeOfThree", [](auto& v) { v.merges.push_back("t h e"); }, "merge 15"},
    {"MergeEmpty", [](auto& v) { v.merges.push_back(""); }, "merge 15"},
    {"MergeOfUnknownLeft", [](auto& v) { v.merges.push_back("zz e"); }, "needs \"zz\""},
    {"MergeOfUnknownRight", [](auto& v) { v.merges.push_back("e zz"); }, "needs \"zz\""},
    {"MergeToUnknown", [](auto& v) { v.merges.push_back("z z"); }, "needs \"zz\""},
    {"MergeToAdded",
     [](auto& v) {
       v.add("zz", TokenKind::kControl);
       v.merges.push_back("z z");
     },
     "needs \"zz\""},
    {"MergeToUnused",
     [](auto& v) {
       v.add("zz", TokenKind::kUnused);
       v.merges.push_back("z z");
     },
     "needs \"zz\""},
    {"MergeTwice", [](auto& v) { v.merges.push_back("t h"); }, "merge 15 (\"t h\") is there twice"},
    {"HugeToken", [](auto& v) { v.add(std::string(48 << 20, ' ')); }, "(50331648 bytes)"},
    {"HugeMerge", [](auto& v) { v.merges.push_back(std::string(48 << 20, 'a') + " a"); },
     "(50331650 bytes)"},
};
INSTANTIATE_TEST_SUITE_P(, TokenizerCreate, testing::ValuesIn(kBadVocabularies),
                         [](const auto& tested) { return tested.param.name; });

TEST(Tokenizer, TakesHugeTokens) {
  TestVocabulary vocabulary = example();
  const TokenId normal = vocabulary.add(std::string(8 << 20, 'z'));  // no merge leads to it
  const TokenId added = vocabulary.add(std::string(1 << 20, '@'), TokenKind::kControl);
  const auto tokenizer = vocabulary.make();
  EXPECT_EQ(tokenizer->bytes(normal).size(), std::size_t{8} << 20);
  EXPECT_EQ(tokenizer->bytes(added).size(), std::size_t{1} << 20);
  std::vector<TokenId> ids;
  tokenizer->encode_with_added_tokens(std::string((1 << 20) + 1, '@'), ids);
  EXPECT_THAT(ids, ElementsAre(added, '@'));
}

}  // namespace
}  // namespace tessera::text
