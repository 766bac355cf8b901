// Answers that must have a form, from models that know nothing of it or work against it.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "grammar/compile.h"
#include "local/answer_constraint.h"
#include "local/test_service.h"

namespace tessera::local {
namespace {

using chat::FinishReason;
using Mode = chat::ToolChoice::Mode;

constexpr std::string_view kSchema = R"({"type":"object","properties":{
    "n":{"type":"integer","minimum":-5,"maximum":5},
    "words":{"type":"array","items":{"type":"string","maxLength":3},"maxItems":2},
    "kind":{"enum":["x","y",null]}},
  "required":["n","kind"],"additionalProperties":false})";

void expect_fits(const std::string& text) {
  const auto value = json::parse(text);
  ASSERT_TRUE(value) << text;
  const json::Object* object = value->if_object();
  ASSERT_NE(object, nullptr) << text;
  std::set<std::string> keys;
  for (const auto& [key, member] : *object) keys.insert(key);
  for (const std::string key : {"n", "kind"}) ASSERT_EQ(keys.count(key), 1u) << text;
  for (const std::string key : {"n", "kind", "words"}) keys.erase(key);
  EXPECT_TRUE(keys.empty()) << text;
  const auto number = object->find("n")->as_int64();
  EXPECT_TRUE(number && *number >= -5 && *number <= 5) << text;
  const json::Value& kind = *object->find("kind");
  EXPECT_TRUE(kind.is_null() ||
              (kind.if_string() && (*kind.if_string() == "x" || *kind.if_string() == "y")))
      << text;
  const json::Value* words = object->find("words");
  if (words == nullptr) return;
  ASSERT_NE(words->if_array(), nullptr) << text;
  EXPECT_LE(words->if_array()->size(), 2u) << text;
  for (const json::Value& word : *words->if_array()) {
    ASSERT_NE(word.if_string(), nullptr) << text;
    const std::string& characters = *word.if_string();
    EXPECT_LE(std::count_if(characters.begin(), characters.end(),
                            [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }),
              3)
        << text;
  }
}

class StructuredAnswerTest : public LocalServiceTest {
 protected:
  static chat::ChatRequest json_request(std::string_view schema = kSchema) {
    chat::ChatRequest made = request();
    made.response_format.kind = chat::ResponseFormat::Kind::kJsonSchema;
    made.response_format.schema = *json::parse(schema);
    made.max_tokens = 400;
    return made;
  }
  static void add_tool(chat::ChatRequest& made, std::string_view name,
                       std::string_view parameters) {
    made.prompt.tools.push_back(*json::parse(fmt::format(
        R"({{"type":"function","function":{{"name":"{}","parameters":{}}}}})", name, parameters)));
  }
  // Random logits, with the control tokens high up: the end, tags of thinking and of calls.
  void start_hostile(std::uint64_t seed) {
    start([this, random = engine::script_hash(seed)](const engine::FakeContext& context,
                                                     std::span<float> logits) {
      random(context, logits);
      for (const std::string_view literal : kAdded)
        logits[static_cast<std::size_t>(ids(literal)[0])] += 12;
    });
  }
};

TEST_F(StructuredAnswerTest, RandomModelsKeepToTheSchema) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    start_hostile(seed);
    chat::ChatRequest made = json_request();
    made.sampling.temperature = seed % 3 == 0 ? 0.0 : 2.0;
    made.sampling.seed = static_cast<std::int64_t>(seed);
    made.choices = 1 + static_cast<std::int32_t>(seed % 3);
    made.prompt.enable_thinking = seed % 2 == 1;
    if (made.prompt.enable_thinking) made.thinking_budget = 5;
    const Answer answer = ask(made);
    for (std::int32_t i = 0; i < made.choices; ++i)
      expect_fits(answer.contents[static_cast<std::size_t>(i)]);
    EXPECT_EQ(answer.finishes, std::vector(answer.finishes.size(), FinishReason::kStop));
    EXPECT_LE(answer.completed->usage.reasoning_tokens, 5 * made.choices);
  }
}

TEST_F(StructuredAnswerTest, AModelThatAlwaysSaysTheSameKeepsToTheSchemaToo) {
  for (const std::string_view word :
       {" ", "\n", "a", "\"", "{", "[", ",", "\\", "9", "-", "\xE2", "<tool_call>", "</tool_call>",
        "<think>", "</think>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"}) {
    start(engine::script_never_ends(ids(word)[0]));
    const Answer answer = ask(json_request());
    EXPECT_EQ(answer.finishes, std::vector{FinishReason::kStop}) << word;
    expect_fits(answer.content);
  }
}

TEST_F(StructuredAnswerTest, WhereTheClientWantsItACutIsACut) {
  start(engine::script_never_ends('a'));
  chat::ChatRequest made = request();
  made.response_format.kind = chat::ResponseFormat::Kind::kJsonObject;
  made.max_tokens = 50;
  made.cut_at_max_tokens = true;
  const Answer answer = ask(made);
  EXPECT_EQ(answer.finishes, std::vector{FinishReason::kLength});
  EXPECT_TRUE(answer.content.starts_with("{")) << answer.content;
  EXPECT_EQ(answer.content.size(), 50U);
}

TEST_F(StructuredAnswerTest, WhatFitsComesAsTheModelSaysIt) {
  const std::string text = R"({"n": -3, "words": ["a", "\u00e9"], "kind": "y"})";
  says(text);
  EXPECT_EQ(ask(json_request()).content, text);
  says("hm</think>\n\n" + text);
  chat::ChatRequest thinking = json_request();
  thinking.prompt.enable_thinking = true;
  const Answer answer = ask(thinking);
  EXPECT_EQ(answer.reasoning, "hm");
  EXPECT_EQ(answer.content, text);
}

TEST_F(StructuredAnswerTest, ChoicesSeedsAndLogprobsAreWhatTheyAreElsewhere) {
  start(engine::script_hash(3));
  chat::ChatRequest made = json_request();
  made.sampling.temperature = 1.5;
  made.sampling.seed = 11;
  made.top_logprobs = 2;
  const Answer one = ask(made);
  std::string covered;
  for (const auto& entry : one.logprobs[0]) covered += entry.bytes;
  EXPECT_EQ(covered, one.content);
  made.choices = 3;
  const Answer three = ask(made);
  EXPECT_EQ(three.contents[0], one.content);
  EXPECT_NE(three.contents[1], three.contents[2]);
}

TEST_F(StructuredAnswerTest, AStopStringCutsWhereTheClientWantsIt) {
  says(R"({"n": 1, "kind": null})");
  chat::ChatRequest made = json_request();
  made.stop = {", "};
  const Answer answer = ask(made);
  EXPECT_EQ(answer.content, R"({"n": 1)");
  EXPECT_EQ(answer.finishes, std::vector{FinishReason::kStop});
}

TEST_F(StructuredAnswerTest, RequiredAndNamedGiveCallsThatFit) {
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    start_hostile(100 + seed);
    chat::ChatRequest made = request();
    made.sampling.temperature = 1.0;
    made.max_tokens = 600;
    add_tool(made, "f", kSchema);
    add_tool(made, "g", R"({"type":"object","properties":{},"additionalProperties":false})");
    made.tool_choice.mode = seed % 2 == 0 ? Mode::kRequired : Mode::kNamed;
    if (made.tool_choice.mode == Mode::kNamed) made.tool_choice.names = {"f"};
    made.parallel_tool_calls = seed % 4 != 0;
    made.prompt.enable_thinking = seed % 3 == 0;
    if (made.prompt.enable_thinking) made.thinking_budget = 8;
    const Answer answer = ask(made);
    EXPECT_EQ(answer.content, "");
    const bool cut = answer.finishes.at(0) == FinishReason::kLength;
    EXPECT_TRUE(cut || answer.finishes[0] == FinishReason::kToolCalls);
    EXPECT_TRUE(cut || !answer.calls.empty());
    const bool one = made.tool_choice.mode == Mode::kNamed || !made.parallel_tool_calls;
    if (one) EXPECT_EQ(answer.calls.size(), 1u);
    for (std::size_t i = 0; i + (cut ? 1 : 0) < answer.calls.size(); ++i) {
      const std::string& call = answer.calls[i];
      if (call.starts_with("f")) expect_fits(call.substr(1));
      if (call.starts_with("g")) EXPECT_EQ(call, "g{}");
      EXPECT_TRUE(call.starts_with("f{") || (call == "g{}" && !made.tool_choice.names.size()));
    }
  }
}

TEST_F(StructuredAnswerTest, AutoConstrainsTheCallAlone) {
  const std::string call =
      "<tool_call>\n<function=f>\n<parameter=n>\n4\n</parameter>\n<parameter=kind>\nx\n"
      "</parameter>\n</function>\n</tool_call>";
  says("Free {text}.\n\n" + call);
  chat::ChatRequest made = request();
  add_tool(made, "f", kSchema);
  const Answer answer = ask(made);
  EXPECT_EQ(answer.content, "Free {text}.");
  EXPECT_EQ(answer.calls, std::vector<std::string>{R"(f{"n":4,"kind":"x"})"});
  says("just text");
  EXPECT_EQ(ask(made).content, "just text");

  // With a response format: calls, or JSON.
  made.response_format.kind = chat::ResponseFormat::Kind::kJsonSchema;
  made.response_format.schema = *json::parse(R"({"const":["j"]})");
  says(call);
  EXPECT_EQ(ask(made).calls, std::vector<std::string>{R"(f{"n":4,"kind":"x"})"});
  says(R"(["j"])");
  EXPECT_EQ(ask(made).content, R"(["j"])");
}

TEST_F(StructuredAnswerTest, NamesThatAreNotAllowedCannotBeCalled) {
  says("<tool_call>\n<function=f>\n</function>\n</tool_call>");
  chat::ChatRequest made = request();
  add_tool(made, "f", R"({"type":"object","properties":{},"additionalProperties":false})");
  add_tool(made, "g", R"({"type":"object","properties":{},"additionalProperties":false})");
  EXPECT_EQ(ask(made).calls, std::vector<std::string>{"f{}"});
  made.tool_choice.names = {"g"};
  made.parallel_tool_calls = false;
  EXPECT_EQ(ask(made).calls, std::vector<std::string>{"g{}"});
}

TEST_F(StructuredAnswerTest, RefusalsNameTheKindAndThePlace) {
  says("x");
  using Code = chat::RefusalCode;
  const auto of_schema = [&](std::string_view schema) { return refused(json_request(schema)); };
  const std::string at = "response_format.json_schema.schema";
  EXPECT_EQ(of_schema(R"({"$ref":"https://example.com/s"})").code, Code::kUnsupportedSchema);
  EXPECT_EQ(of_schema(R"({"anyOf":[true,{"type":"strin"}]})").param, at + ".anyOf[1].type");
  EXPECT_EQ(of_schema(R"({"type":"strin"})").code, Code::kInvalidSchema);
  EXPECT_EQ(of_schema(R"({"properties":{"a/b":{"type":5}}})").param, at + ".properties.a/b.type");
  EXPECT_EQ(of_schema(R"({"properties":{"0":{"type":5}}})").param, at + ".properties.0.type");
  EXPECT_EQ(of_schema(R"({"type":"string","pattern":"("})").code, Code::kInvalidRegex);
  EXPECT_EQ(of_schema(R"({"type":"string","pattern":"(a{1000}){1000}"})").code,
            Code::kSchemaTooComplex);

  chat::ChatRequest made = request();
  add_tool(made, "f", R"({"type":"object"})");
  add_tool(made, "g", R"({"type":"object","properties":{"x":{"type":"strin"}}})");
  EXPECT_EQ(refused(made).param, "tools[1].function.parameters.properties.x.type");
  made.tool_choice.names = {"g"};
  EXPECT_EQ(refused(made).param, "tools[1].function.parameters.properties.x.type");
  made.tool_choice.names = {"f"};
  EXPECT_FALSE(service_->measure(made)->refusal);
  made.response_format.kind = chat::ResponseFormat::Kind::kJsonSchema;
  made.response_format.schema = *json::parse(R"({"type":"strin"})");
  EXPECT_EQ(refused(made).param, at + ".type");
  made.tool_choice = {Mode::kNone, {}};
  EXPECT_EQ(refused(made).param, at + ".type");
}

TEST_F(StructuredAnswerTest, ALostMatcherIsADeadEnd) {
  says("x");
  const auto vocabulary = grammar::Vocabulary::create(*tokenizer_, ids("<|im_end|>"));
  const auto ways = std::make_shared<const WayTokens>(tokenizer_, vocabulary);
  AnswerConstraint constraint(*grammar::compile_schema(*json::parse(R"({"const":"a"})")),
                              vocabulary, ways, nullptr, {100, true});
  std::vector<std::uint32_t> mask(vocabulary->mask_words() + 1, ~0u);
  const auto first = constraint.next(mask);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->kind, engine::NextToken::Kind::kForced);
  EXPECT_EQ(first->token, '"');
  EXPECT_EQ(mask.back(), 0u);  // rows that are no tokens
  constraint.accept('x');
  const auto lost = constraint.next(mask);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kDeadEnd);
}

}  // namespace
}  // namespace tessera::local
