#include "text/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace tessera::text {
namespace {

using Matches = std::vector<std::tuple<std::size_t, std::size_t, TokenId>>;

Matches find(const AddedTokens& tokens, std::string_view text) {
  Matches matches;
  for (const AddedTokens::Match& m : tokens.find(text)) matches.emplace_back(m.begin, m.end, m.id);
  return matches;
}

// Tries every literal in every place.
Matches find_slowly(const std::vector<AddedTokens::Literal>& literals, std::string_view text) {
  Matches matches;
  for (std::size_t i = 0; i < text.size();) {
    const AddedTokens::Literal* best = nullptr;
    for (const AddedTokens::Literal& literal : literals) {
      if (text.substr(i).starts_with(literal.text) &&
          (best == nullptr || literal.text.size() > best->text.size())) {
        best = &literal;
      }
    }
    if (best != nullptr) matches.emplace_back(i, i + best->text.size(), best->id);
    i += best != nullptr ? best->text.size() : 1;
  }
  return matches;
}

TEST(AddedTokens, LeftmostThenLongest) {
  const AddedTokens tokens({{"<a>", 1}, {"<a><b>", 2}, {"b><c", 3}, {"a>", 4}});
  EXPECT_EQ(find(tokens, "x<a><b"), (Matches{{1, 4, 1}}));
  EXPECT_EQ(find(tokens, "<a><b>"), (Matches{{0, 6, 2}}));
  EXPECT_EQ(find(tokens, "<a><b><c"), (Matches{{0, 6, 2}}));  // 3 overlaps
  EXPECT_EQ(find(tokens, "<b><c"), (Matches{{1, 5, 3}}));
  EXPECT_EQ(find(tokens, "a><a>"), (Matches{{0, 2, 4}, {2, 5, 1}}));
  EXPECT_EQ(find(tokens, ""), Matches{});
  EXPECT_EQ(find(AddedTokens(), "<a>"), Matches{});
}

TEST(AddedTokens, FindsWholeLiteralsOnly) {
  const AddedTokens tokens({{"<a>", 1}, {"<a><b>", 2}});
  EXPECT_EQ(tokens.find_whole("<a>"), 1);
  EXPECT_EQ(tokens.find_whole("<a><b>"), 2);
  for (const char* other : {"", "<a", "a>", "<b>", "<a><", "x<a>", "<a>x"}) {
    EXPECT_EQ(tokens.find_whole(other), std::nullopt) << other;
  }
}

TEST(AddedTokens, RandomLiteralsAgreeWithTryingThemAll) {
  std::mt19937 random(6);
  const auto word = [&](std::size_t longest) {
    std::string text(1 + random() % longest, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::string> texts;
    for (std::size_t n = random() % 8; n-- > 0;) texts.push_back(word(6));
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    std::vector<AddedTokens::Literal> literals;
    literals.reserve(texts.size());
    for (const std::string& text : texts)
      literals.push_back({text, static_cast<TokenId>(literals.size())});
    const AddedTokens tokens(literals);
    const std::string text = word(40);
    ASSERT_EQ(find(tokens, text), find_slowly(literals, text)) << text;
  }
}

TEST(AddedTokens, NearMissesAreNotQuadratic) {
  // In every place the short literal matches and the long one fails only after half a megabyte.
  const std::string longest = std::string(1 << 19, 'a') + 'b';
  const AddedTokens tokens({{"a", 1}, {longest, 2}});
  EXPECT_EQ(tokens.find(std::string(1 << 20, 'a')).size(), std::size_t{1} << 20);
  EXPECT_EQ(tokens.find(std::string(1 << 20, 'a') + 'b').size(), (std::size_t{1} << 19) + 1);
}

}  // namespace
}  // namespace tessera::text
