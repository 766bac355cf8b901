// The tokenizer against tools/make_test_vocabulary.py, a second implementation in Python: a small
// trained vocabulary and a few hundred texts over many scripts (bpe_fixture.json).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "text/nfc.h"
#include "vocabulary_files.h"

namespace tessera::text {
namespace {

const json::Value& fixture() {
  static const json::Value kFixture = [] {
    auto value = read_json_file("tests/text/bpe_fixture.json");
    EXPECT_TRUE(value) << value.error().message;
    return *std::move(value);
  }();
  return kFixture;
}

std::shared_ptr<const Tokenizer> make_tokenizer(PreTokenizer pre, bool nfc = true) {
  const auto vocabulary = read_fixture_vocabulary(fixture());
  EXPECT_TRUE(vocabulary) << vocabulary.error().message;
  auto tokenizer = Tokenizer::create(vocabulary->data(pre, nfc));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *std::move(tokenizer);
}

// The ids that the case has under `name`; those of "qwen35" where it says nothing else.
std::vector<TokenId> expected_ids(const json::Value& test_case, std::string_view name) {
  const json::Value* list = test_case.find(name);
  if (list == nullptr) list = test_case.find("qwen35");
  std::vector<TokenId> ids;
  for (const json::Value& id : *list->if_array()) {
    ids.push_back(static_cast<TokenId>(id.as_int64().value_or(-1)));
  }
  return ids;
}

using Encode = void (Tokenizer::*)(std::string_view, std::vector<TokenId>&) const;

void expect_cases(const Tokenizer& tokenizer, Encode encode, std::string_view name) {
  const json::Array& cases = *fixture().find("cases")->if_array();
  ASSERT_GT(cases.size(), 300u);
  for (int round = 0; round < 2; ++round) {  // the second round finds its words in the cache
    for (const json::Value& test_case : cases) {
      const std::string& text = *test_case.find("text")->if_string();
      std::vector<TokenId> ids;
      (tokenizer.*encode)(text, ids);
      EXPECT_EQ(ids, expected_ids(test_case, name)) << name << ": " << json::to_text(text);
    }
  }
}

TEST(Fixture, Qwen35) {
  expect_cases(*make_tokenizer(PreTokenizer::kQwen35), &Tokenizer::encode_text, "qwen35");
}

TEST(Fixture, Qwen2) {
  expect_cases(*make_tokenizer(PreTokenizer::kQwen2), &Tokenizer::encode_text, "qwen2");
}

TEST(Fixture, WithoutNormalisation) {
  expect_cases(*make_tokenizer(PreTokenizer::kQwen35, false), &Tokenizer::encode_text,
               "qwen35_raw");
}

TEST(Fixture, WithAddedTokens) {
  expect_cases(*make_tokenizer(PreTokenizer::kQwen35), &Tokenizer::encode_with_added_tokens,
               "qwen35_added");
}

// The fixture would prove little if its variants did not differ.
TEST(Fixture, TellsTheVariantsApart) {
  for (const char* name : {"qwen2", "qwen35_raw", "qwen35_added"}) {
    std::size_t differ = 0;
    for (const json::Value& test_case : *fixture().find("cases")->if_array()) {
      differ += test_case.find(name) != nullptr ? 1 : 0;
    }
    EXPECT_GE(differ, 20u) << name;
  }
}

TEST(Fixture, DecodesToTheNormalisedText) {
  const auto tokenizer = make_tokenizer(PreTokenizer::kQwen35);
  for (const json::Value& test_case : *fixture().find("cases")->if_array()) {
    const std::string& text = *test_case.find("text")->if_string();
    std::vector<TokenId> ids;
    tokenizer->encode_text(text, ids);
    std::string buffer;
    EXPECT_EQ(tokenizer->decode(ids), to_nfc(text, buffer)) << json::to_text(text);
  }
}

}  // namespace
}  // namespace tessera::text
