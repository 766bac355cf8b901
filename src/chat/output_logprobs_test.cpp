// Which tokens' log probabilities go out with which content, over random texts, cuts into tokens,
// stop strings, calls and think blocks. An entry's log probability is its token's number here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "chat/fake_tokenizer.h"
#include "chat/output_parser.h"
#include "text/detokenizer.h"

namespace tessera::chat {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Case {
  bool plain = false;
  bool reasoning = false;
  bool tools = false;
  std::vector<std::string> stop = {};
  OutputEnd end = OutputEnd::kEnd;
};

std::shared_ptr<const ToolSet> ping_tools() {
  static const auto tools = json::parse(R"([{"type":"function","function":{"name":"ping"}}])");
  return std::make_shared<const ToolSet>(*tools->if_array());
}

// Tokens in, content and entries out.
class Reader {
 public:
  struct Shown {
    std::size_t token;  // its number
    std::string bytes;
  };

  explicit Reader(const Case& setup)
      : tokenizer_(std::make_shared<FakeTokenizer>()), parser_(tokenizer_, options(setup)) {}

  bool feed(const std::string& bytes, bool tag) {
    const TokenId token = tag ? tokenizer_->control(bytes) : tokenizer_->add(bytes);
    ContentLogprob entry;
    entry.token = token;
    entry.bytes = bytes;
    entry.logprob = static_cast<double>(tokens_++);
    const bool stopped = parser_.append(token, events_, std::move(entry));
    read();
    return stopped;
  }
  void end(OutputEnd end) {
    parser_.finish(end, events_);
    read();
  }

  const std::string& content() const { return content_; }
  const std::vector<Shown>& entries() const { return entries_; }
  std::vector<std::size_t> numbers() const {
    std::vector<std::size_t> out;
    for (const Shown& entry : entries_) out.push_back(entry.token);
    return out;
  }
  std::string entry_bytes() const {
    std::string out;
    for (const Shown& entry : entries_) out += entry.bytes;
    return out;
  }

 private:
  static OutputOptions options(const Case& setup) {
    OutputOptions result;
    result.plain = setup.plain;
    result.starts_in_reasoning = setup.reasoning;
    if (setup.tools) result.tools = ping_tools();
    result.stop = setup.stop;
    return result;
  }
  void read() {
    for (const ChatEvent& event : events_) {
      const auto* content = std::get_if<ContentDelta>(&event);
      if (content == nullptr) continue;
      EXPECT_FALSE(content->text.empty() && content->logprobs.empty());
      content_ += content->text;
      for (const ContentLogprob& entry : content->logprobs)
        entries_.push_back({static_cast<std::size_t>(entry.logprob), entry.bytes});
    }
    events_.clear();
  }

  std::shared_ptr<FakeTokenizer> tokenizer_;
  OutputParser parser_;
  std::vector<ChatEvent> events_;
  std::size_t tokens_ = 0;
  std::string content_;
  std::vector<Shown> entries_;
};

struct Piece {
  std::string bytes;
  bool tag = false;
};

Reader run(const Case& setup, const std::vector<Piece>& pieces) {
  Reader result(setup);
  for (const Piece& piece : pieces)
    if (result.feed(piece.bytes, piece.tag)) break;
  result.end(setup.end);
  return result;
}

// ----- by hand -----

TEST(OutputLogprobs, ContentAloneHasThem) {
  const Reader answer = run({.reasoning = true}, {{"Hm"},
                                                  {"\n"},
                                                  {"</think>", true},
                                                  {"\n\n"},
                                                  {"Yes"},
                                                  {", "},
                                                  {"<|im_start|>", true},
                                                  {"all"}});
  EXPECT_EQ(answer.content(), "Yes, all");
  EXPECT_THAT(answer.numbers(), ElementsAre(4, 5, 7));
}

TEST(OutputLogprobs, AnEntryWaitsForItsLastByte) {
  Reader answer(Case{.stop = {"stop"}});
  answer.feed("a s", false);
  EXPECT_EQ(answer.content(), "a ");
  EXPECT_THAT(answer.numbers(), IsEmpty());
  answer.feed("t", false);
  EXPECT_THAT(answer.numbers(), IsEmpty());
  answer.feed("ay", false);
  EXPECT_EQ(answer.content(), "a stay");
  EXPECT_THAT(answer.numbers(), ElementsAre(0, 1, 2));
}

TEST(OutputLogprobs, AStopStringTakesTheTokensWithItThatLieInsideIt) {
  const Reader answer = run({.stop = {"stop"}}, {{"a s"}, {"to"}, {"p b"}});
  EXPECT_EQ(answer.content(), "a ");
  EXPECT_THAT(answer.numbers(), ElementsAre(0));
  const Reader behind = run({.stop = {"stop"}}, {{"a "}, {"stop"}, {"b"}});
  EXPECT_THAT(behind.numbers(), ElementsAre(0));
  EXPECT_THAT(run({.stop = {"a"}}, {{"a"}}).numbers(), IsEmpty());
}

TEST(OutputLogprobs, PartsOfACodePointComeTogether) {
  Reader answer(Case{});
  answer.feed("a\xE2", false);
  EXPECT_EQ(answer.content(), "a");
  EXPECT_THAT(answer.numbers(), IsEmpty());
  answer.feed("\x82", false);
  EXPECT_THAT(answer.numbers(), IsEmpty());
  answer.feed("\xAC!", false);
  EXPECT_EQ(answer.content(), "a\u20AC!");
  EXPECT_THAT(answer.numbers(), ElementsAre(0, 1, 2));
  answer.feed("\xF0\x9F", false);
  answer.end(OutputEnd::kTruncated);
  EXPECT_EQ(answer.content(), "a\u20AC!\uFFFD");
  EXPECT_THAT(answer.numbers(), ElementsAre(0, 1, 2, 3));
}

TEST(OutputLogprobs, NewlinesBeforeACallTakeTheirTokensWithThem) {
  const Reader answer = run({.tools = true}, {{"Well."},
                                              {"Now.\n"},
                                              {"\n"},
                                              {"<tool_call>", true},
                                              {"\n<function=ping>\n</function>\n"},
                                              {"</tool_call>", true},
                                              {"\nDone"}});
  EXPECT_EQ(answer.content(), "Well.Now.Done");
  EXPECT_THAT(answer.numbers(), ElementsAre(0, 1, 6));
}

TEST(OutputLogprobs, WhatTurnsOutToBeNoCallHasThemAll) {
  const Reader answer =
      run({.tools = true}, {{"a"}, {"<tool_call>", true}, {"\n<func"}, {"tion=pong>"}, {"b"}});
  EXPECT_EQ(answer.content(), "a<tool_call>\n<function=pong>b");
  EXPECT_THAT(answer.numbers(), ElementsAre(0, 1, 2, 3, 4));
}

// ----- random -----

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t bound) { return engine_() % bound; }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

 private:
  std::mt19937 engine_;
};

std::vector<Piece> cut_at_random(const std::string& text, Random& random) {
  std::vector<Piece> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = std::min(text.size() - at, 1 + random.below(5));
    pieces.push_back({text.substr(at, bytes)});
    at += bytes;
  }
  return pieces;
}

// The first match to be complete, the longest of those that end together: where it begins.
std::size_t find_stop(const std::string& text, std::size_t from,
                      const std::vector<std::string>& stops) {
  for (std::size_t end = from + 1; end <= text.size(); ++end) {
    std::size_t longest = 0;
    for (const std::string& stop : stops)
      if (end - from >= stop.size() && text.compare(end - stop.size(), stop.size(), stop) == 0)
        longest = std::max(longest, stop.size());
    if (longest > 0) return end - longest;
  }
  return text.size();
}

// Text without calls: the content is a range of it, and the tokens are those that touch the range.
void check_random_text(unsigned seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  std::string text;
  for (std::size_t i = 0, count = random.below(14); i < count; ++i)
    text += random.pick<std::string>({"a", "b", "\n", "\n", " ", "\u20AC", "\U0001F600", "ab"});
  Case setup;
  setup.reasoning = random.chance(3);
  setup.plain = !setup.reasoning && random.chance(2);
  setup.tools = random.chance(2);
  setup.end = random.chance(2) ? OutputEnd::kEnd : OutputEnd::kTruncated;
  for (std::size_t i = random.below(3); i > 0; --i)
    setup.stop.push_back(random.pick<std::string>({"ab", "b", "\n\n", "a\n", "\u20ACa", "bab"}));

  const std::size_t begin =
      setup.reasoning ? std::min(text.find_first_not_of('\n'), text.size()) : 0;
  const std::size_t end = find_stop(text, begin, setup.stop);
  const std::vector<Piece> pieces = cut_at_random(text, random);

  Reader answer(setup);
  if (setup.reasoning) answer.feed("</think>", true);
  const std::size_t first_number = setup.reasoning ? 1 : 0;
  std::vector<std::size_t> expected;
  std::size_t at = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::size_t piece_end = at + pieces[i].bytes.size();
    if (std::max(at, begin) < std::min(piece_end, end)) expected.push_back(first_number + i);
    at = piece_end;
  }
  // An entry is there exactly when its last byte is.
  const auto due = [&] {
    std::size_t count = 0;
    std::size_t piece_end = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      piece_end += pieces[i].bytes.size();
      const bool is_expected =
          std::find(expected.begin(), expected.end(), first_number + i) != expected.end();
      if (is_expected && piece_end <= begin + answer.content().size()) ++count;
    }
    return count;
  };
  for (const Piece& piece : pieces) {
    const bool stopped = answer.feed(piece.bytes, false);
    if (stopped) break;
    EXPECT_EQ(answer.entries().size(), due());
  }
  answer.end(setup.end);
  EXPECT_EQ(answer.content(), text.substr(begin, end - begin));
  EXPECT_EQ(answer.numbers(), expected);
}

TEST(OutputLogprobs, RandomTextsCutsAndStops) {
  for (unsigned seed = 0; seed < 20'000 && !testing::Test::HasFailure(); ++seed)
    check_random_text(seed);
}

std::string decode(const std::string& bytes) {
  const auto tokenizer = std::make_shared<FakeTokenizer>();
  text::Detokenizer detokenizer(tokenizer);
  std::string out = detokenizer.append(tokenizer->add(bytes));
  return out + detokenizer.finish();
}

// Anything at all. Fed byte by byte, the entries are the content's bytes, exactly; however else it
// is cut into tokens, the entries are the tokens that have one of those bytes.
void check_random_output(unsigned seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  std::vector<Piece> segments;
  for (std::size_t i = 0, count = 1 + random.below(12); i < count; ++i) {
    if (random.chance(3)) {
      segments.push_back({random.pick<std::string>({"<tool_call>", "</tool_call>", "<tool_call>",
                                                    "<think>", "</think>", "<|im_start|>"}),
                          true});
    } else {
      segments.push_back({random.pick<std::string>(
          {"word", "\n\n", "a\n", "\nb", " ", "\u20AC", "\xFF", "\xE2\x82", "\n<function=ping>\n",
           "</function>\n", "</function>rest", "<function=pong>\n", "<parameter=x>\n1\n",
           "</parameter>\n", "<function=ping>\n</function>\n<function=ping>"})});
    }
  }
  Case setup;
  setup.reasoning = random.chance(3);
  setup.tools = !random.chance(4);
  setup.end = random.chance(2) ? OutputEnd::kEnd : OutputEnd::kTruncated;
  for (std::size_t i = random.below(2); i > 0; --i)
    setup.stop.push_back(random.pick<std::string>({"rd", "\n", "a\nw", "</fun", "or"}));

  // Tokens of one byte, and what of the output each one is; and the same for longer tokens.
  std::vector<Piece> bytes;
  std::vector<Piece> tokens;
  std::vector<std::size_t> token_of_byte;
  for (const Piece& segment : segments) {
    const std::vector<Piece> cut =
        segment.tag ? std::vector{segment} : cut_at_random(segment.bytes, random);
    for (const Piece& token : cut) {
      for (const char byte : segment.tag ? std::string("t") : token.bytes) {
        bytes.push_back(segment.tag ? token : Piece{std::string(1, byte)});
        token_of_byte.push_back(tokens.size());
      }
      tokens.push_back(token);
    }
  }
  std::string spelt;
  for (const Piece& token : tokens) spelt += "[" + token.bytes + "]";
  SCOPED_TRACE(spelt + (setup.stop.empty() ? "" : " stop " + setup.stop[0]));
  const Reader fine = run(setup, bytes);
  EXPECT_EQ(decode(fine.entry_bytes()), fine.content());
  std::vector<std::size_t> expected;
  for (const std::size_t byte : fine.numbers()) expected.push_back(token_of_byte[byte]);
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());

  const Reader coarse = run(setup, tokens);
  EXPECT_EQ(coarse.content(), fine.content());
  EXPECT_EQ(coarse.numbers(), expected);
}

TEST(OutputLogprobs, RandomOutputsHaveTheTokensOfTheirContent) {
  for (unsigned seed = 0; seed < 30'000 && !testing::Test::HasFailure(); ++seed)
    check_random_output(seed);
}

}  // namespace
}  // namespace tessera::chat
