// The shapes of answers, key by key.
#include "api/answer_format.h"

#include <gtest/gtest.h>

#include <limits>

#include "api/chat_format.h"
#include "api/text_format.h"

namespace tessera::api {
namespace {

const Identity kIdentity{"chatcmpl-1", 5, "m", "fp"};

chat::ContentLogprob entry(std::string bytes, double logprob, std::vector<chat::TokenLogprob> top) {
  chat::ContentLogprob made;
  made.bytes = std::move(bytes);
  made.logprob = logprob;
  made.top = std::move(top);
  return made;
}

TEST(AnswerFormatTest, ABodyHasTheKeysOfOpenAiInItsOrder) {
  ChatFormat format(kIdentity, {});
  format.collect(chat::ContentDelta{0, "Hi"});
  format.collect(chat::ChoiceFinished{0, chat::FinishReason::kLength});
  EXPECT_EQ(
      format.body({3, 2, 1, 0}),
      R"({"id":"chatcmpl-1","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,)"
      R"("message":{"role":"assistant","content":"Hi","refusal":null},"logprobs":null,"finish_reason":"length"}],)"
      R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1},)"
      R"("completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default","system_fingerprint":"fp"})");
}

TEST(AnswerFormatTest, MetadataIsEchoed) {
  ChatShape shape;
  shape.metadata = *json::parse(R"({"a":"b"})")->if_object();
  EXPECT_NE(ChatFormat(kIdentity, shape).body({}).find(R"(,"metadata":{"a":"b"},)"),
            std::string::npos);
}

TEST(AnswerFormatTest, ChunksCarryUsageNullOnlyWhereUsageWasAskedFor) {
  ChatShape shape;
  EXPECT_EQ(
      ChatFormat(kIdentity, shape).frame(chat::ContentDelta{0, "x"}),
      "data: "
      R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","service_tier":"default",)"
      R"("system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"x"},"logprobs":null,"finish_reason":null}]})"
      "\n\n");
  EXPECT_EQ(ChatFormat(kIdentity, shape).usage_frame({}), "");
  shape.include_usage = true;
  EXPECT_TRUE(ChatFormat(kIdentity, shape)
                  .frame(chat::ContentDelta{0, "x"})
                  .ends_with(R"(}],"usage":null})"
                             "\n\n"));
  EXPECT_NE(ChatFormat(kIdentity, shape).usage_frame({}).find(R"("choices":[],"usage":{"prompt)"),
            std::string::npos);
}

TEST(AnswerFormatTest, LaterDeltasOfACallHaveNoIdTypeOrName) {
  ChatFormat format(kIdentity, {});
  EXPECT_NE(
      format.frame(chat::ToolCallStart{0, 1, "call_1", "f"})
          .find(
              R"("delta":{"tool_calls":[{"index":1,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]})"),
      std::string::npos);
  EXPECT_NE(format.frame(chat::ToolCallArguments{0, 1, "{}"})
                .find(R"("delta":{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})"),
            std::string::npos);
}

TEST(AnswerFormatTest, ContentBesideCallsIsNullNotEmpty) {
  ChatFormat format(kIdentity, {});
  format.collect(chat::ToolCallStart{0, 0, "c", "f"});
  EXPECT_NE(format.body({}).find(R"("content":null)"), std::string::npos);
  EXPECT_NE(ChatFormat(kIdentity, {}).body({}).find(R"("content":"")"), std::string::npos);
}

TEST(AnswerFormatTest, ReasoningIsAbsentInDirectModeAndMayBeDoubled) {
  EXPECT_EQ(ChatFormat(kIdentity, {}).body({}).find("reasoning_content"), std::string::npos);
  ChatShape shape;
  shape.thinking = true;
  EXPECT_NE(ChatFormat(kIdentity, shape).body({}).find(R"("reasoning_content":"")"),
            std::string::npos);
  shape.reasoning_alias = true;
  EXPECT_NE(ChatFormat(kIdentity, shape)
                .frame(chat::ReasoningDelta{0, "h"})
                .find(R"("delta":{"reasoning_content":"h","reasoning":"h"})"),
            std::string::npos);
}

TEST(AnswerFormatTest, LogprobsHaveExactBytesAndReplacementCharacters) {
  ChatShape shape;
  shape.logprobs = true;
  ChatFormat format(kIdentity, shape);
  const double minus_infinity = -std::numeric_limits<double>::infinity();
  const chat::ContentDelta delta{
      0,
      "\xc3\xa4",
      {entry("\xc3", -0.5, {{1, "\xc3", -0.5}, {2, "b", minus_infinity}}),
       entry("\xa4", -1e9, {})}};
  const std::string expected =
      R"({"content":[{"token":"\uFFFD","logprob":-0.5,"bytes":[195],"top_logprobs":[)"
      R"({"token":"\uFFFD","logprob":-0.5,"bytes":[195]},{"token":"b","logprob":-9999.0,"bytes":[98]}]},)"
      R"({"token":"\uFFFD","logprob":-9999.0,"bytes":[164],"top_logprobs":[]}],"refusal":null})";
  std::string plain = expected;
  for (std::size_t at; (at = plain.find("\\uFFFD")) != std::string::npos;)
    plain.replace(at, 6, "\xef\xbf\xbd");
  EXPECT_NE(format.frame(delta).find("\"logprobs\":" + plain), std::string::npos)
      << format.frame(delta);
  format.collect(delta);
  EXPECT_NE(format.body({}).find("\"logprobs\":" + plain), std::string::npos);
  // Chunks without content have none.
  EXPECT_NE(format.opening(0).find(R"("logprobs":null)"), std::string::npos);
}

TEST(AnswerFormatTest, NothingInTextBreaksALine) {
  EXPECT_EQ(quoted("a\r\n\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa6\xc2\xa9"),
            R"("a\r\n\u007f\u0085\u2028\u2029)"
            "\xe2\x80\xa6\xc2\xa9\"");
}

TEST(AnswerFormatTest, PaddedChunksHaveEvenSizes) {
  ChatShape shape;
  shape.obfuscate = true;
  shape.include_usage = true;
  ChatFormat format(kIdentity, shape);
  for (std::size_t length = 0; length < 300; ++length) {
    const std::string frame = format.frame(chat::ContentDelta{0, std::string(length, 'x')});
    EXPECT_EQ(frame.size() % 128, 0u) << length;
    EXPECT_TRUE(json::parse(frame.substr(6)));
    EXPECT_NE(frame.find(R"("obfuscation":")"), std::string::npos);
  }
  EXPECT_EQ(format.usage_frame({}).find("obfuscation"), std::string::npos);
}

TEST(AnswerFormatTest, TextHasTheOlderLogprobs) {
  TextShape shape;
  shape.logprobs = true;
  TextFormat format(kIdentity, shape);
  const chat::ContentDelta delta{
      0,
      "\xc3\xa4"
      "b",
      {entry("\xc3\xa4", -0.5, {{1, "\xc3\xa4", -0.5}, {2, "\xc3\xa4", -0.7}, {3, "\xe2\x80", -2}}),
       entry("b", 0, {})}};
  const std::string expected =
      "{\"tokens\":[\"\xc3\xa4\",\"b\"],\"token_logprobs\":[-0.5,0.0],\"top_logprobs\":[{"
      "\"\xc3\xa4\":-0.5,"
      R"("bytes:\\xe2\\x80":-2.0},{}],"text_offset":[0,1]})";
  format.collect(delta);
  EXPECT_NE(format.body({}).find(expected), std::string::npos) << format.body({});
}

TEST(AnswerFormatTest, EchoComesFirstAndShiftsOffsets) {
  TextShape shape;
  shape.logprobs = true;
  shape.echo = {"\xc3\xa4-"};
  TextFormat format(kIdentity, shape);
  EXPECT_NE(format.opening(0).find("\"text\":\"\xc3\xa4-\""), std::string::npos);
  EXPECT_NE(
      format.frame(chat::ContentDelta{0, "x", {entry("x", -1, {})}}).find(R"("text_offset":[2])"),
      std::string::npos);
  EXPECT_EQ(TextFormat(kIdentity, {}).opening(0), "");
}

}  // namespace
}  // namespace tessera::api
