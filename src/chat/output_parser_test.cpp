// Outputs are written as the model would spell them; the literals of added tokens become their ids.
// Events are compared as lines: "reasoning: …", "content: …", "call 0: name {arguments}" ("…"
// behind arguments that were not completed).
#include "chat/output_parser.h"

#include <chrono>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/utf8.h"
#include "chat/fake_tokenizer.h"

namespace tessera::chat {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::shared_ptr<const ToolSet> weather_tools() {
  const auto tools =
      json::parse(R"([{"type":"function","function":{"name":"get_weather","parameters":
      {"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},
       "units":{"type":["string","null"]},"filter":{"type":"object"}}}}},
      {"type":"function","function":{"name":"ping"}}])");
  return std::make_shared<const ToolSet>(*tools->if_array());
}

struct ChatSetup {
  bool reasoning = false;
  bool tools = true;
  std::vector<std::string> stop = {};
};

class Harness {
 public:
  explicit Harness(const ChatSetup& setup = {})
      : tokenizer_(std::make_shared<FakeTokenizer>()), parser_(tokenizer_, options(setup)) {}

  // One token a byte or added token.
  Harness& feed(std::string_view output) {
    std::vector<TokenId> tokens;
    tokenizer_->encode_with_added_tokens(output, tokens);
    for (const TokenId token : tokens) stopped_ = parser_.append(token, events_);
    return *this;
  }
  // Text as one token, whatever it spells.
  Harness& feed_text(std::string bytes) {
    stopped_ = parser_.append(tokenizer_->add(std::move(bytes)), events_);
    return *this;
  }
  Harness& end(OutputEnd end = OutputEnd::kEnd) {
    parser_.finish(end, events_);
    return *this;
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::string last_kind;
    const auto write = [&](const std::string& kind, const std::string& text) {
      if (kind != last_kind) out.push_back(kind);
      out.back() += text;
      last_kind = kind;
    };
    for (const ChatEvent& event : events_) {
      if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
        EXPECT_FALSE(reasoning->text.empty());
        write("reasoning: ", reasoning->text);
      } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
        EXPECT_FALSE(content->text.empty());
        write("content: ", content->text);
      } else if (const auto* start = std::get_if<ToolCallStart>(&event)) {
        write("call " + std::to_string(start->index) + ": ", start->name + " ");
      } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
        write("call " + std::to_string(arguments->index) + ": ", arguments->text);
      } else if (const auto* finished = std::get_if<ChoiceFinished>(&event)) {
        constexpr const char* kNames[] = {"stop", "length", "tool_calls"};
        write(kNames[static_cast<int>(finished->reason)], "");
      }
    }
    return out;
  }
  const std::vector<ChatEvent>& events() const { return events_; }
  std::int64_t reasoning_tokens() const { return parser_.reasoning_tokens(); }
  bool stopped() const { return stopped_; }

 private:
  static OutputOptions options(const ChatSetup& setup) {
    OutputOptions result;
    result.starts_in_reasoning = setup.reasoning;
    if (setup.tools) result.tools = weather_tools();
    result.stop = setup.stop;
    return result;
  }

  std::shared_ptr<FakeTokenizer> tokenizer_;
  OutputParser parser_;
  std::vector<ChatEvent> events_;
  bool stopped_ = false;
};

std::vector<std::string> lines(const ChatSetup& setup, std::string_view output,
                               OutputEnd end = OutputEnd::kEnd) {
  return Harness(setup).feed(output).end(end).lines();
}

const ChatSetup kDirect;
const ChatSetup kThinking{.reasoning = true};
const ChatSetup kNoTools{.tools = false};

// A call in the template's form.
std::string call(std::string_view name,
                 const std::vector<std::pair<std::string, std::string>>& arguments) {
  std::string out = "<tool_call>\n<function=" + std::string(name) + ">\n";
  for (const auto& [key, value] : arguments) {
    out += "<parameter=" + key + ">\n" + value + "\n</parameter>\n";
  }
  return out + "</function>\n</tool_call>";
}

// --- reasoning and content

TEST(OutputParser, DirectContent) {
  EXPECT_THAT(lines(kDirect, "Hello,\n\nworld\n"),
              ElementsAre("content: Hello,\n\nworld\n", "stop"));
  EXPECT_THAT(lines(kDirect, "Hel", OutputEnd::kTruncated), ElementsAre("content: Hel", "length"));
  EXPECT_THAT(lines(kDirect, ""), ElementsAre("stop"));
}

TEST(OutputParser, ReasoningThenContent) {
  EXPECT_THAT(lines(kThinking, "\nFirst.\n\nSecond.\n</think>\n\nAnswer"),
              ElementsAre("reasoning: First.\n\nSecond.", "content: Answer", "stop"));
  EXPECT_THAT(lines(kThinking, "\n</think>\n\nAnswer"), ElementsAre("content: Answer", "stop"));
  EXPECT_THAT(lines(kThinking, "a</think>b"), ElementsAre("reasoning: a", "content: b", "stop"));
}

TEST(OutputParser, TruncatedInsideReasoning) {
  EXPECT_THAT(lines(kThinking, "Let me\n", OutputEnd::kTruncated),
              ElementsAre("reasoning: Let me", "length"));
  EXPECT_THAT(lines(kThinking, "Let me"), ElementsAre("reasoning: Let me", "stop"));
}

TEST(OutputParser, TagsCountByIdAlone) {
  Harness spelled(kThinking);
  spelled.feed("a ").feed_text("</think>").feed(" b</think>c ").feed_text("<tool_call>").end();
  EXPECT_THAT(spelled.lines(),
              ElementsAre("reasoning: a </think> b", "content: c <tool_call>", "stop"));
}

TEST(OutputParser, ThinkTagsBeforeTheFirstWordAreStructure) {
  EXPECT_THAT(lines(kDirect, "<think>\nwhy\n</think>\n\nb"),
              ElementsAre("reasoning: why", "content: b", "stop"));
  EXPECT_THAT(lines(kDirect, "</think>\n\nb"), ElementsAre("content: b", "stop"));
  EXPECT_THAT(lines(kThinking, "<think>\nwhy</think>b"),
              ElementsAre("reasoning: why", "content: b", "stop"));
  EXPECT_THAT(lines(kThinking, "one</think>\n\n<think>\ntwo\n</think>\n\nb"),
              ElementsAre("reasoning: one\ntwo", "content: b", "stop"));
}

TEST(OutputParser, ThinkTagsBehindTheFirstWordAreText) {
  EXPECT_THAT(lines(kDirect, "The tag <think> opens, </think> closes."),
              ElementsAre("content: The tag <think> opens, </think> closes.", "stop"));
  EXPECT_THAT(lines(kThinking, "a <think> b</think>c"),
              ElementsAre("reasoning: a <think> b", "content: c", "stop"));
}

TEST(OutputParser, CountsReasoningTokens) {
  EXPECT_EQ(Harness(kThinking).feed("abc</think>defg").end().reasoning_tokens(), 4);
  EXPECT_EQ(Harness(kThinking).feed("abc").end().reasoning_tokens(), 3);
  EXPECT_EQ(Harness(kDirect).feed("abc").end().reasoning_tokens(), 0);
  EXPECT_EQ(Harness(kDirect).feed("<think>a</think>b").end().reasoning_tokens(), 3);
}

TEST(OutputParser, SpecialTokensAreNotShown) {
  EXPECT_THAT(lines(kDirect, "a<|im_start|>b"), ElementsAre("content: ab", "stop"));
}

TEST(OutputParser, CodePointsCutByTagsAndEnds) {
  EXPECT_THAT(lines(kThinking, "a\xE9\x9B</think>b\xC3"),
              ElementsAre("reasoning: a\uFFFD", "content: b\uFFFD", "stop"));
  Harness harness(kDirect);
  harness.feed("\xE9\x9B");
  EXPECT_THAT(harness.events(), IsEmpty());
  EXPECT_THAT(harness.feed("\xAA").end().lines(), ElementsAre("content: 雪", "stop"));
}

TEST(OutputParser, StreamsAtOnce) {
  Harness thinking(kThinking);
  EXPECT_THAT(thinking.feed("a\n").lines(), ElementsAre("reasoning: a"));
  EXPECT_THAT(thinking.feed("b").lines(), ElementsAre("reasoning: a\nb"));
  Harness direct(kNoTools);
  EXPECT_THAT(direct.feed("a\n").lines(), ElementsAre("content: a\n"));
}

// --- stop strings

TEST(OutputParser, StopStrings) {
  const ChatSetup setup{.reasoning = true, .stop = {"END"}};
  Harness harness(setup);
  harness.feed("no END here</think>\n\nsome E");
  EXPECT_THAT(harness.lines(), ElementsAre("reasoning: no END here", "content: some "));
  harness.feed("N");
  EXPECT_FALSE(harness.stopped());
  harness.feed("D tail");
  EXPECT_TRUE(harness.stopped());
  EXPECT_THAT(harness.end().lines(),
              ElementsAre("reasoning: no END here", "content: some ", "stop"));
}

TEST(OutputParser, StopStringsLeaveCallsAlone) {
  const ChatSetup setup{.stop = {"Paris", "x\n"}};
  EXPECT_THAT(
      lines(setup, "ax\xC3\xA9\n" + call("get_weather", {{"city", "Paris"}}) + "\nin Paris!"),
      ElementsAre("content: axé", R"(call 0: get_weather {"city":"Paris"})", "content: in ",
                  "tool_calls"));
  // What is held back when a call comes goes out before it.
  EXPECT_THAT(lines({.stop = {"ab"}}, "xa" + call("ping", {})),
              ElementsAre("content: xa", "call 0: ping {}", "tool_calls"));
}

TEST(OutputParser, StopStringOfNewlines) {
  EXPECT_THAT(lines({.stop = {"\n\n"}}, "a\n\nb"), ElementsAre("content: a", "stop"));
  EXPECT_THAT(lines({.reasoning = true, .stop = {"\n\n"}}, "r\n</think>\n\nb\n"),
              ElementsAre("reasoning: r", "content: b\n", "stop"));
}

// --- calls

TEST(OutputParser, OneCall) {
  EXPECT_THAT(lines(kDirect, call("get_weather", {{"city", "Paris"}, {"days", "3"}})),
              ElementsAre(R"(call 0: get_weather {"city":"Paris","days":3})", "tool_calls"));
  EXPECT_THAT(lines(kDirect, call("ping", {})), ElementsAre("call 0: ping {}", "tool_calls"));
}

TEST(OutputParser, WordsAroundCalls) {
  EXPECT_THAT(lines(kThinking, "hm\n</think>\n\nLet me look.\n\n" + call("ping", {}) + "\n" +
                                   call("get_weather", {{"days", "1"}}) + "\n\nDone.\n"),
              ElementsAre("reasoning: hm", "content: Let me look.", "call 0: ping {}",
                          R"(call 1: get_weather {"days":1})", "content: Done.\n", "tool_calls"));
}

TEST(OutputParser, CallsAreStreamedPieceByPiece) {
  Harness harness;
  EXPECT_THAT(harness.feed("Look:\n").lines(), ElementsAre("content: Look:"));
  EXPECT_THAT(harness.feed("<tool_call>\n<function=get_weather").lines(),
              ElementsAre("content: Look:"));
  EXPECT_THAT(harness.feed(">").lines(), ElementsAre("content: Look:", "call 0: get_weather "));
  harness.feed("\n<parameter=city>\nRome\n</parameter>\n<p");
  EXPECT_EQ(harness.lines().back(), "call 0: get_weather ");
  harness.feed("arameter=");
  EXPECT_EQ(harness.lines().back(), R"(call 0: get_weather {"city":"Rome")");
  harness.feed("days>\n2\n</parameter>\n</function>");
  EXPECT_EQ(harness.lines().back(), R"(call 0: get_weather {"city":"Rome","days":2})");
}

TEST(OutputParser, LongStringsAreStreamed) {
  const std::string line(39, 'x');
  Harness harness;
  harness.feed("<tool_call>\n<function=get_weather>\n<parameter=city>\n" + line + "\n");
  EXPECT_THAT(harness.lines().back(), testing::HasSubstr(R"({"city":"xxxx)"));
  harness.feed(line + "</parameter>\n</function>\n");
  // The tag may close the value; only the end of the block tells.
  EXPECT_THAT(harness.lines().back(), testing::EndsWith("x"));
  harness.feed("</tool_call>");
  EXPECT_THAT(
      harness.end().lines(),
      ElementsAre("call 0: get_weather {\"city\":\"" + line + "\\n" + line + "\"}", "tool_calls"));
  // What may be null is text as soon as it cannot be null any more.
  Harness nullable;
  nullable.feed("<tool_call>\n<function=get_weather>\n<parameter=units>\nnull" +
                std::string(39, ' '));
  EXPECT_THAT(nullable.lines(), ElementsAre("call 0: get_weather "));
  nullable.feed(line);
  EXPECT_THAT(nullable.lines().back(),
              testing::HasSubstr(R"({"units":"null)" + std::string(39, ' ') + "x"));
}

TEST(OutputParser, CallIds) {
  Harness harness;
  harness.feed(call("ping", {}) + call("ping", {})).end();
  std::set<std::string> ids;
  for (const ChatEvent& event : harness.events()) {
    if (const auto* start = std::get_if<ToolCallStart>(&event)) {
      EXPECT_THAT(start->id, testing::MatchesRegex("call_[0-9A-Za-z]{24}"));
      ids.insert(start->id);
    }
  }
  EXPECT_EQ(ids.size(), 2u);
}

TEST(OutputParser, ValuesAreVerbatim) {
  const std::vector<std::pair<std::string, std::string>> values = {
      {"", R"("")"},
      {"\n", R"("\n")"},
      {"  two\n\n  lines  ", R"("  two\n\n  lines  ")"},
      {"a </parameter> b", R"("a </parameter> b")"},
      {"a\n</parameter>\nmore", R"("a\n</parameter>\nmore")"},
      {"a\n  </parameter>\n</function>x", R"("a\n  </parameter>\n</function>x")"},
      {"<parameter=other>\nx", R"("<parameter=other>\nx")"},
      {"</function> then", R"("</function> then")"},
      {"</para", R"("</para")"},
      {"text <tool_call> and </tool_call> tags", R"("text <tool_call> and </tool_call> tags")"},
      {"<think>no</think>", R"("<think>no</think>")"},
      {"雪 \"q\" \\ \t", R"("雪 \"q\" \\ \t")"},
      {"ends with</parameter>", R"("ends with</parameter>")"},
  };
  for (const auto& [value, json] : values) {
    EXPECT_THAT(lines(kDirect, call("get_weather", {{"city", value}, {"days", "1"}})),
                ElementsAre("call 0: get_weather {\"city\":" + json + ",\"days\":1}", "tool_calls"))
        << value;
    EXPECT_THAT(lines(kDirect, call("get_weather", {{"city", value}})),
                ElementsAre("call 0: get_weather {\"city\":" + json + "}", "tool_calls"))
        << value;
  }
}

TEST(OutputParser, SloppyCalls) {
  const std::string expected = R"(call 0: get_weather {"city":"Rome","days":2})";
  for (const char* output : {
           // everything on one line
           "<tool_call><function=get_weather><parameter=city>Rome</parameter><parameter=days>2"
           "</parameter></function></tool_call>",
           // no closing tags of parameters
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n<parameter=days>\n2\n"
           "</function>\n</tool_call>",
           // nothing closed but the block
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n"
           "<parameter=days>\n2\n</tool_call>",
           // nothing closed at all
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n"
           "<parameter=days>\n2",
           // closing tags behind the value, on its line
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome</parameter>\n"
           "<parameter=days>\n2</parameter>\n</function>\n</tool_call>",
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome</parameter>\n"
           "<parameter=days>\n2</parameter></function></tool_call>",
           // no closing tag of the function
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n"
           "<parameter=days>\n2\n</parameter>\n</tool_call>",
           // words between, spare lines
           "<tool_call>\n\n  <function=get_weather>\nnow:\n<parameter=city>\nRome\n</parameter>\n\n"
           "<parameter=days>\n2\n</parameter>\n\n</function>\n\n</tool_call>\n",
           // a key twice: the first counts
           "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n"
           "<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n"
           "</tool_call>",
       }) {
    EXPECT_THAT(lines(kDirect, output), ElementsAre(expected, "tool_calls")) << output;
  }
}

TEST(OutputParser, SeveralCallsInOneBlockOrWithoutClosing) {
  for (const char* output : {
           "<tool_call>\n<function=ping>\n</function>\n<function=ping>\n</function>\n</tool_call>",
           "<tool_call>\n<function=ping>\n<tool_call>\n<function=ping>\n</function>\n</tool_call>",
           "<tool_call>\n<function=ping>\n</function>\n<tool_call>\n<function=ping>\n</tool_call>",
           "<tool_call>\n<function=ping>\n<function=ping>\n</function></tool_call>",
       }) {
    EXPECT_THAT(lines(kDirect, output),
                ElementsAre("call 0: ping {}", "call 1: ping {}", "tool_calls"))
        << output;
  }
}

TEST(OutputParser, WhatIsNoCallIsContentVerbatim) {
  for (const std::string output : {
           "The <tool_call> tag is how I call.",
           ("A:\n\n<tool_call>\n<function=unknown>\n<parameter=x>\n1\n</parameter>\n</function>\n"
            "</tool_call>\n\nB\n"),
           "<tool_call>\n{\"name\": \"x\"}\n</tool_call>",
           "<tool_call>\n</tool_call>",
           "<tool_call></tool_call>",
           "x\n<tool_call>",
           "<tool_call>\n<function=pi",
           "<tool_call>\n<function=>\n</function>\n</tool_call>",
           "<tool_call>\n<function=ping\n>",
           "</tool_call>",
           "<tool_call><tool_call><tool_call>",
       }) {
    EXPECT_THAT(lines(kDirect, output), ElementsAre("content: " + output, "stop")) << output;
  }
  const std::string endless = "<tool_call>\n<function=" + std::string(1'000, 'p') + ">";
  EXPECT_THAT(lines(kDirect, endless), ElementsAre("content: " + endless, "stop"));
}

TEST(OutputParser, ACallBehindNoCall) {
  EXPECT_THAT(lines(kDirect, "<tool_call>\n" + call("ping", {})),
              ElementsAre("content: <tool_call>", "call 0: ping {}", "tool_calls"));
  EXPECT_THAT(lines(kDirect, call("ping", {}) + "\n<tool_call>oops</tool_call>"),
              ElementsAre("call 0: ping {}", "content: <tool_call>oops</tool_call>", "tool_calls"));
}

TEST(OutputParser, TruncatedCalls) {
  const auto truncated = [](std::string_view output) {
    return lines(kDirect, output, OutputEnd::kTruncated);
  };
  EXPECT_THAT(truncated("a\n<tool_call>\n<function=get_w"), ElementsAre("content: a", "length"));
  EXPECT_THAT(truncated("<tool_call>\n<function=get_weather>\n<parameter=city>\nRo"),
              ElementsAre(R"(call 0: get_weather {"city":"Ro)", "length"));
  EXPECT_THAT(truncated("<tool_call>\n<function=get_weather>\n<parameter=days>\n1\n</"
                        "parameter>\n<parameter=city>\nRo"),
              ElementsAre(R"(call 0: get_weather {"days":1,"city":"Ro)", "length"));
  EXPECT_THAT(
      truncated("<tool_call>\n<function=get_weather>\n<parameter=city>\nRome </parameter>\n</fun"),
      ElementsAre(R"(call 0: get_weather {"city":"Rome)", "length"));
  EXPECT_THAT(truncated("<tool_call>\n<function=get_weather>\n<parameter=days>\n12"),
              ElementsAre("call 0: get_weather ", "length"));
  EXPECT_THAT(truncated(call("ping", {})), ElementsAre("call 0: ping {}", "length"));
}

TEST(OutputParser, WithoutToolsTagsAreText) {
  const std::string output = call("ping", {});
  EXPECT_THAT(lines(kNoTools, output), ElementsAre("content: " + output, "stop"));
  EXPECT_THAT(lines({.reasoning = true, .tools = false}, output + "</think>x"),
              ElementsAre("reasoning: " + output, "content: x", "stop"));
}

// --- calls inside the reasoning

TEST(OutputParser, ARehearsedCallIsReasoning) {
  const std::string ping = call("ping", {});
  EXPECT_THAT(lines(kThinking, "I do:\n" + ping + "\n</think>\n\n" + ping),
              ElementsAre("reasoning: I do:\n" + ping, "call 0: ping {}", "tool_calls"));
  EXPECT_THAT(lines(kThinking, "I do:\n" + ping + "\nor not.</think>No."),
              ElementsAre("reasoning: I do:\n" + ping + "\nor not.", "content: No.", "stop"));
  EXPECT_THAT(lines(kThinking, ping + "\nthen " + ping + "</think>a"),
              ElementsAre("reasoning: " + ping + "\nthen " + ping, "content: a", "stop"));
  EXPECT_THAT(lines(kThinking, "The <tool_call> tag.</think>a"),
              ElementsAre("reasoning: The <tool_call> tag.", "content: a", "stop"));
}

TEST(OutputParser, ACallThatEndsTheReasoningIsACall) {
  const std::string ping = call("ping", {});
  Harness harness(kThinking);
  EXPECT_THAT(harness.feed("abc\n" + ping + "\n" + ping).end().lines(),
              ElementsAre("reasoning: abc", "call 0: ping {}", "call 1: ping {}", "tool_calls"));
  EXPECT_EQ(harness.reasoning_tokens(), 4);
  EXPECT_THAT(lines(kThinking, "abc\n" + ping, OutputEnd::kTruncated),
              ElementsAre("reasoning: abc\n" + ping, "length"));
}

// --- robustness

// What random outputs are made of.
std::vector<std::string> output_parts() {
  return {"<think>",
          "</think>",
          "<tool_call>",
          "</tool_call>",
          "\n",
          "\n\n",
          "<function=ping>",
          "<function=get_weather>",
          "<function=no>",
          "</function>",
          "\n</function>\n",
          "<parameter=city>",
          "\n<parameter=days>\n",
          "\n</parameter>\n",
          "</parameter>",
          "5",
          "words 雪",
          "é",
          " ",
          "<",
          ">",
          "STOP",
          "ST",
          call("ping", {}),
          call("get_weather", {{"city", "a\nb"}}),
          "<tool_call>\n<function=get_weather>\n",
          "<tool_call>\n<function=get_weather>\n<parameter=city>\n",
          std::string(50, 'y'),
          "</tool_call",
          "</parameter",
          std::string(300, ' '),
          "\\ \"",
          "\n<"};
}

// Whatever the model writes, and however its text is cut into tokens, the events say the same.
TEST(OutputParser, CutAnywhereSaysTheSame) {
  std::mt19937 random(11);
  const std::vector<std::string> parts = output_parts();
  int calls = 0;
  for (int round = 0; round < 6'000; ++round) {
    const ChatSetup setup{
        random() % 2 == 0, random() % 8 != 0,
        random() % 4 ? std::vector<std::string>{} : std::vector<std::string>{"STOP"}};
    const OutputEnd end = random() % 4 ? OutputEnd::kEnd : OutputEnd::kTruncated;
    std::string output;
    for (std::size_t n = random() % 20; n > 0; --n) output += parts[random() % parts.size()];

    const std::vector<std::string> expected = lines(setup, output, end);
    Harness cut(setup);
    std::string text;  // added tokens stay whole: they are ids
    const auto flush = [&] {
      while (!text.empty()) {
        const std::size_t size = std::min<std::size_t>(text.size(), random() % 9 + 1);
        cut.feed_text(text.substr(0, size));
        text.erase(0, size);
      }
    };
    const FakeTokenizer tokenizer;
    std::vector<TokenId> tokens;
    tokenizer.encode_with_added_tokens(output, tokens);
    for (const TokenId token : tokens) {
      if (token < 256) {
        text += tokenizer.bytes(token);
      } else {
        flush();
        cut.feed(tokenizer.bytes(token));
      }
    }
    flush();
    cut.end(end);
    ASSERT_EQ(cut.lines(), expected) << output;

    // And what it says is well formed.
    std::string arguments;
    for (const std::string& line : expected) {
      ASSERT_TRUE(is_valid_utf8(line));
      if (!line.starts_with("call ")) continue;
      ++calls;
      arguments = line.substr(line.find(' ', 8) + 1);
      if (end == OutputEnd::kEnd) {
        ASSERT_TRUE(json::parse(arguments)) << arguments << "\n" << output;
      }
    }
  }
  EXPECT_GT(calls, 2'000);
}

TEST(OutputParser, LongOutputsTakeLinearTime) {
  // A quadratic step anywhere would take minutes.
  const auto started = std::chrono::steady_clock::now();
  for (const std::string& filler :
       {std::string("<"), std::string("\n"), std::string("\n<"), std::string("</parameter>\n"),
        std::string("\n</parameter>"), std::string("\n<parameter=days"), std::string(" ")}) {
    for (const bool inside_call : {false, true}) {
      Harness harness(ChatSetup{.stop = {std::string(256, '<')}});
      if (inside_call) harness.feed("<tool_call>\n<function=get_weather>\n<parameter=city>\n");
      for (std::size_t size = 0; size < 300'000; size += filler.size()) harness.feed(filler);
      harness.end();
      EXPECT_FALSE(harness.events().empty());
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(60));
}

TEST(OutputParser, TenThousandCalls) {
  for (const bool one_block : {false, true}) {
    Harness harness;
    harness.feed("<tool_call>");
    for (int i = 0; i < 10'000; ++i) {
      if (i > 0 && !one_block) harness.feed("</tool_call>\n<tool_call>");
      harness.feed("\n<function=get_weather>\n<parameter=days>\n" + std::to_string(i) +
                   "\n</parameter>\n</function>");
    }
    const std::vector<std::string> said = harness.feed("\n</tool_call>").end().lines();
    ASSERT_EQ(said.size(), 10'001u);
    EXPECT_EQ(said[0], R"(call 0: get_weather {"days":0})");
    EXPECT_EQ(said[9'999], R"(call 9999: get_weather {"days":9999})");
    EXPECT_EQ(said[10'000], "tool_calls");
  }
}

TEST(OutputParser, ThinkCloseEndsAnUnfinishedRehearsal) {
  for (const std::string inside : {"<tool_call>", "<tool_call>\n<func",
                                   "<tool_call>\n<function=get_weather>\n<parameter=city>\nPar"}) {
    EXPECT_THAT(lines(kThinking, "Hm " + inside + "\n</think>\n\nYes."),
                ElementsAre("reasoning: Hm " + inside, "content: Yes.", "stop"));
  }
}

TEST(OutputParser, WhatAStopStringHoldsBackIsNotLostInACutCall) {
  const ChatSetup setup{.stop = {"a b"}};
  EXPECT_THAT(lines(setup, "a<tool_call>\n<func", OutputEnd::kTruncated),
              ElementsAre("content: a", "length"));
}

}  // namespace
}  // namespace tessera::chat
