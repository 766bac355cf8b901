#include "chat/stop_matcher.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace tessera::chat {
namespace {

struct Outcome {
  std::string text;
  bool stopped = false;
  bool operator==(const Outcome&) const = default;
};

// What the contract says, by trying every end and every stop string.
Outcome naive(const std::vector<std::string>& stops, const std::string& text) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops) {
      if (std::string_view(text).substr(0, end).ends_with(stop)) {
        longest = std::max(longest, stop.size());
      }
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

Outcome in_pieces(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopMatcher matcher(stops);
  Outcome outcome;
  for (const std::string& piece : pieces) matcher.append(piece, outcome.text);
  matcher.flush(outcome.text);
  outcome.stopped = matcher.stopped();
  return outcome;
}

TEST(StopMatcher, GoesStraightThroughWithoutStops) {
  EXPECT_EQ(in_pieces({}, {"a", "", "bc"}), (Outcome{"abc", false}));
}

TEST(StopMatcher, HoldsBackOnlyWhatMayBeAMatch) {
  StopMatcher matcher({"END"});
  std::string out;
  EXPECT_FALSE(matcher.append("text E", out));
  EXPECT_EQ(out, "text ");
  EXPECT_FALSE(matcher.append("N", out));
  EXPECT_EQ(out, "text ");
  EXPECT_FALSE(matcher.append("E", out));
  EXPECT_EQ(out, "text EN");
  EXPECT_TRUE(matcher.append("ND more", out));
  EXPECT_EQ(out, "text EN");
  EXPECT_TRUE(matcher.append("later", out));
  matcher.flush(out);
  EXPECT_EQ(out, "text EN");
}

TEST(StopMatcher, FlushEndsAPartialMatch) {
  StopMatcher matcher({"ab"});
  std::string out;
  matcher.append("xa", out);
  matcher.flush(out);
  EXPECT_EQ(out, "xa");
  EXPECT_FALSE(matcher.append("b", out));
  EXPECT_EQ(out, "xab");
}

TEST(StopMatcher, WhichMatchWins) {
  EXPECT_EQ(in_pieces({"bc", "abcd"}, {"xabcd"}), (Outcome{"xa", true}));
  EXPECT_EQ(in_pieces({"c", "abc"}, {"xabc"}), (Outcome{"x", true}));
  EXPECT_EQ(in_pieces({"aab"}, {"aaaab"}), (Outcome{"aa", true}));
  EXPECT_EQ(in_pieces({"\n\n"}, {"a\n", "\nb"}), (Outcome{"a", true}));
  EXPECT_EQ(in_pieces({"a"}, {"a"}), (Outcome{"", true}));
}

TEST(StopMatcher, AgreesWithNaiveSearchHoweverTheTextIsCut) {
  std::mt19937 random(7);
  const std::vector<std::string> alphabet = {"a", "b", "é", "è", "雪", "\n"};
  const auto word = [&](std::size_t longest) {
    std::string text;
    for (std::size_t n = random() % longest + 1; n > 0; --n) {
      text += alphabet[random() % (random() % 2 ? 2 : alphabet.size())];
    }
    return text;
  };
  int stopped = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::string> stops(random() % 4 + 1);
    for (std::string& stop : stops) stop = word(5);
    const std::string text = word(30);
    std::vector<std::string> pieces(1);
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t begin = i;
      next_code_point(text, i);
      pieces.back() += text.substr(begin, i - begin);
      if (random() % 3 == 0) pieces.emplace_back();
    }
    const Outcome expected = naive(stops, text);
    ASSERT_EQ(in_pieces(stops, pieces), expected) << text;
    stopped += expected.stopped;

    // What goes out on the way is whole code points and a prefix of the outcome.
    StopMatcher matcher(stops);
    std::string out;
    for (const std::string& piece : pieces) {
      matcher.append(piece, out);
      ASSERT_TRUE(is_valid_utf8(out));
      ASSERT_TRUE(expected.text.starts_with(out));
    }
  }
  EXPECT_GT(stopped, 5'000);
  EXPECT_LT(stopped, 19'000);
}

TEST(StopMatcher, LongStopsOnRepetitiveText) {
  const std::vector<std::string> stops(4, std::string(255, 'a') + 'b');
  StopMatcher matcher(stops);
  std::string out;
  for (int i = 0; i < 4'000'000; i += 4) matcher.append("aaaa", out);
  EXPECT_EQ(out.size(), 4'000'000u - 255);
  EXPECT_TRUE(matcher.append("b", out));
  EXPECT_EQ(out.size(), 4'000'000u - 255);
}

}  // namespace
}  // namespace tessera::chat
