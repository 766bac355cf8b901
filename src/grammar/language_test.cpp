#include "grammar/language.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

// Texts over so many characters, some of them the beginnings of others.
std::set<std::string> make_texts(std::mt19937& random, std::size_t count,
                                 std::uint32_t characters) {
  std::set<std::string> out;
  while (out.size() < count) {
    std::string text;
    for (std::uint32_t left = random() % 8; left > 0; --left)
      append_utf8(0x4E00 + static_cast<char32_t>(random() % characters), text);
    out.insert(text);
    if (!text.empty()) out.insert(text.substr(0, text.size() / 6 * 3));
  }
  return out;
}

LanguagePtr language_of(const std::set<std::string>& texts, Budget& budget) {
  return Language::of_texts(std::vector<std::string_view>(texts.begin(), texts.end()), budget);
}

class LanguageOfTexts : public testing::TestWithParam<std::pair<std::size_t, std::uint32_t>> {
 protected:
  std::mt19937 random{7};
  Budget budget{CompileLimits{}};
};

TEST_P(LanguageOfTexts, HasTheseAndNoOthers) {
  const auto [count, characters] = GetParam();
  const std::set<std::string> texts = make_texts(random, count, characters);
  const std::set<std::string> others = make_texts(random, count, characters);
  const LanguagePtr language = language_of(texts, budget);
  ASSERT_NE(language, nullptr);
  EXPECT_EQ(language->is_listed(), count > 100);
  EXPECT_EQ(language->completions(language->start()), texts.size());
  for (const std::string& text : texts) EXPECT_TRUE(language->matches(text));
  for (const std::string& text : others) EXPECT_EQ(language->matches(text), texts.contains(text));
  EXPECT_FALSE(language->is_total(language->start()));
  EXPECT_FALSE(language->can_step(language->start(), 'a', 'z'));
  EXPECT_TRUE(language->can_step(language->start(), 0x80, kMaxCodePoint));
  std::vector<std::string> all = language->texts();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, std::vector<std::string>(texts.begin(), texts.end()));
}

TEST_P(LanguageOfTexts, IsDeniedAndMetWithOthers) {
  const auto [count, characters] = GetParam();
  const std::set<std::string> texts = make_texts(random, count, characters);
  const std::set<std::string> others = make_texts(random, count, characters);
  const LanguagePtr a = language_of(texts, budget);
  const LanguagePtr b = language_of(others, budget);
  const LanguagePtr no_a = Language::complement(*a, budget);
  const LanguagePtr no_b = Language::complement(*b, budget);
  const LanguagePtr both = Language::intersection(*a, *b, budget);
  const LanguagePtr a_alone = Language::intersection(*a, *no_b, budget);
  const LanguagePtr neither = Language::intersection(*no_a, *no_b, budget);
  const auto pattern = compile_regex("^.{3}$", budget);
  ASSERT_TRUE(pattern && neither != nullptr);
  const LanguagePtr long_ones = Language::intersection(**pattern, *a, budget);
  const LanguagePtr again = Language::complement(*no_a, budget);
  ASSERT_TRUE(long_ones != nullptr && again != nullptr);
  EXPECT_EQ(no_a->completions(no_a->start()), kUnbounded);
  EXPECT_TRUE(no_a->is_endless());
  EXPECT_EQ(again->completions(again->start()), texts.size());
  std::set<std::string> all = make_texts(random, 100, characters);
  all.insert(texts.begin(), texts.end());
  all.insert(others.begin(), others.end());
  all.insert("abc");
  for (const std::string& text : all) {
    const bool in_a = texts.contains(text);
    const bool in_b = others.contains(text);
    EXPECT_EQ(no_a->matches(text), !in_a) << text;
    EXPECT_EQ(again->matches(text), in_a) << text;
    EXPECT_EQ(both->matches(text), in_a && in_b) << text;
    EXPECT_EQ(a_alone->matches(text), in_a && !in_b) << text;
    EXPECT_EQ(neither->matches(text), !in_a && !in_b) << text;
    EXPECT_EQ(long_ones->matches(text), in_a && text.size() == 9) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(FewAndMany, LanguageOfTexts,
                         testing::Values(std::pair{3, 4u}, std::pair{20, 5u}, std::pair{1000, 60u},
                                         std::pair{3000, 2000u}));

// Endings that texts have in common are there once.
TEST(Language, ManyTextsTakeFewStates) {
  std::vector<std::string> texts;
  for (int number = 0; number < 20'000; ++number) texts.push_back(std::to_string(100'000 + number));
  Budget budget{CompileLimits{}};
  const LanguagePtr language = Language::of_texts({texts.begin(), texts.end()}, budget);
  ASSERT_NE(language, nullptr);
  EXPECT_LT(language->state_count(), 10u);
  EXPECT_EQ(language->completions(language->start()), 20'000u);
}

TEST(Language, NoTextsAtAll) {
  Budget budget{CompileLimits{}};
  const LanguagePtr language = Language::of_texts({}, budget);
  EXPECT_TRUE(language->empty());
  EXPECT_FALSE(Language::of_texts({""}, budget)->empty());
}

}  // namespace
}  // namespace tessera::grammar
