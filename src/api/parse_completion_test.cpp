#include "api/parse_completion.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tessera::api {
namespace {

const ParseOptions kOptions{.vocabulary = 1000};

Parsed<CompletionRequest> parse(const std::string& prompt, const std::string& more = "") {
  return parse_completion(fmt::format(R"({{"model":"m","prompt":{}{}}})", prompt, more), kOptions);
}

void expect_refused(const std::string& prompt, const std::string& more, ErrorId id,
                    const std::string& param) {
  const auto parsed = parse(prompt, more);
  ASSERT_FALSE(parsed) << prompt.substr(0, 100) << more;
  EXPECT_EQ(row(parsed.error().id).code, row(id).code) << parsed.error().message;
  EXPECT_EQ(parsed.error().param, param);
}

std::string repeat(const std::string& item, std::size_t n) {
  std::string joined;
  for (std::size_t i = 0; i < n; ++i) joined += (i == 0 ? "" : ",") + item;
  return joined;
}

using Tokens = std::vector<TokenId>;

TEST(ParseCompletion, TakesPromptsInFourForms) {
  const auto text = parse(R"("a")");
  ASSERT_TRUE(text);
  ASSERT_EQ(text->prompts.size(), 1u);
  EXPECT_EQ(std::get<std::string>(text->prompts[0]), "a");
  const auto texts = parse(R"(["a","b"])");
  ASSERT_TRUE(texts);
  ASSERT_EQ(texts->prompts.size(), 2u);
  EXPECT_EQ(std::get<std::string>(texts->prompts[1]), "b");
  const auto tokens = parse("[1,2.0,999]");
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->prompts.size(), 1u);
  EXPECT_EQ(std::get<Tokens>(tokens->prompts[0]), (Tokens{1, 2, 999}));
  const auto lists = parse("[[1],[2,3]]");
  ASSERT_TRUE(lists);
  ASSERT_EQ(lists->prompts.size(), 2u);
  EXPECT_EQ(std::get<Tokens>(lists->prompts[1]), (Tokens{2, 3}));
}

TEST(ParseCompletion, ReadsWhatItIsTold) {
  const auto parsed =
      parse(R"("a")", R"(,"n":3,"best_of":3,"logprobs":5,"echo":true,"stop":"s","seed":4,)"
                      R"("temperature":0,"logit_bias":{"5":-1},"tools":[])");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->text.choices, 3);
  EXPECT_EQ(parsed->text.top_logprobs, 5);
  EXPECT_TRUE(parsed->echo);
  EXPECT_EQ(parsed->text.stop, std::vector<std::string>{"s"});
  EXPECT_EQ(parsed->text.sampling.seed, 4);
  EXPECT_EQ(parsed->text.sampling.temperature, 0.0);
  EXPECT_EQ(parsed->text.sampling.logit_bias.size(), 1u);
  EXPECT_EQ(parsed->text.max_tokens, 16);
  EXPECT_EQ(parsed->ignored, std::vector<std::string>{"tools"});
  EXPECT_FALSE(parse(R"("a")")->text.top_logprobs.has_value());
}

TEST(ParseCompletion, LimitsOnPrompts) {
  EXPECT_TRUE(parse("[" + repeat("\"a\"", 128) + "]"));
  expect_refused("[" + repeat("\"a\"", 129) + "]", "", ErrorId::kArrayAboveMaxLength, "prompt");
  expect_refused("[" + repeat("[1]", 129) + "]", "", ErrorId::kArrayAboveMaxLength, "prompt");
  EXPECT_TRUE(parse("[" + repeat("1", 5'000) + "]"));  // one prompt
  EXPECT_TRUE(parse("[" + repeat("\"a\"", 64) + "]", R"(,"n":2)"));
  expect_refused("[" + repeat("\"a\"", 65) + "]", R"(,"n":2)", ErrorId::kArrayAboveMaxLength,
                 "prompt");
  expect_refused("[1000]", "", ErrorId::kIntegerAboveMaxValue, "prompt[0]");
  expect_refused("[[0,-1]]", "", ErrorId::kIntegerBelowMinValue, "prompt[0][1]");
}

TEST(ParseCompletion, RefusesWhatItCannotDo) {
  expect_refused(R"("a")", R"(,"n":2,"best_of":3)", ErrorId::kUnsupportedValue, "best_of");
  expect_refused(R"("a")", R"(,"best_of":2)", ErrorId::kUnsupportedValue, "best_of");
  expect_refused(R"("a")", R"(,"suffix":"b")", ErrorId::kUnsupportedParameter, "suffix");
  expect_refused(R"("a")", R"(,"stream_options":{})", ErrorId::kInvalidValue, "stream_options");
  expect_refused(R"("a")", R"(,"n":9)", ErrorId::kIntegerAboveMaxValue, "n");
  EXPECT_TRUE(parse(R"("a")", R"(,"suffix":"","best_of":null)"));
}

TEST(ParseCompletion, PromptsAreOfOneType) {
  expect_refused(R"(["a",[1]])", "", ErrorId::kInvalidType, "prompt[1]");
  expect_refused(R"([[1],2])", "", ErrorId::kInvalidType, "prompt[1]");
  expect_refused(R"([true])", "", ErrorId::kInvalidType, "prompt[0]");
}

}  // namespace
}  // namespace tessera::api
