// Limits at n and n + 1, and what concerns several fields. The fields' single cases are data:
// tests/api/cases.
#include "api/parse_chat.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tessera::api {
namespace {

const ParseOptions kOptions{.vocabulary = 1000};

std::string body(const std::string& more,
                 const std::string& messages = R"([{"role":"user","content":"x"}])") {
  return fmt::format(R"({{"model":"m","messages":{}{}{}}})", messages, more.empty() ? "" : ",",
                     more);
}

std::string repeat(const std::string& item, std::size_t n) {
  std::string joined;
  for (std::size_t i = 0; i < n; ++i) joined += (i == 0 ? "" : ",") + item;
  return joined;
}

void expect_ok(const std::string& text) {
  const auto parsed = parse_chat(text, kOptions);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
}

void expect_refused(const std::string& text, ErrorId id, const std::string& param) {
  const auto parsed = parse_chat(text, kOptions);
  ASSERT_FALSE(parsed) << text.substr(0, 200);
  EXPECT_EQ(row(parsed.error().id).code, row(id).code) << parsed.error().message;
  EXPECT_EQ(parsed.error().param, param);
}

TEST(ParseChatLimits, Messages) {
  const auto messages = [](std::size_t n) {
    return body("", "[" + repeat(R"({"role":"user","content":"x"})", n) + "]");
  };
  expect_ok(messages(10'000));
  expect_refused(messages(10'001), ErrorId::kArrayAboveMaxLength, "messages");
}

TEST(ParseChatLimits, ContentParts) {
  const auto parts = [](std::size_t n) {
    return body(
        "", R"([{"role":"user","content":[)" + repeat(R"({"type":"text","text":"x"})", n) + "]}]");
  };
  expect_ok(parts(10'000));
  expect_refused(parts(10'001), ErrorId::kArrayAboveMaxLength, "messages[0].content");
}

TEST(ParseChatLimits, Tools) {
  const auto tools = [](std::size_t n) {
    std::string list;
    for (std::size_t i = 0; i < n; ++i)
      list += fmt::format(R"({}{{"type":"function","function":{{"name":"f{}"}}}})",
                          i == 0 ? "" : ",", i);
    return body(R"("tools":[)" + list + "]");
  };
  expect_ok(tools(128));
  expect_refused(tools(129), ErrorId::kArrayAboveMaxLength, "tools");
}

TEST(ParseChatLimits, ToolNames) {
  const auto tool = [](std::size_t n) {
    return body(fmt::format(R"("tools":[{{"type":"function","function":{{"name":"{}"}}}}])",
                            std::string(n, 'a')));
  };
  expect_ok(tool(64));
  expect_refused(tool(65), ErrorId::kStringAboveMaxLength, "tools[0].function.name");
  expect_refused(tool(0), ErrorId::kInvalidValue, "tools[0].function.name");
}

TEST(ParseChatLimits, StopSequences) {
  const auto stops = [](std::size_t n, std::size_t length) {
    return body(R"("stop":[)" + repeat("\"" + std::string(length, 's') + "\"", n) + "]");
  };
  expect_ok(stops(4, 256));
  expect_refused(stops(5, 1), ErrorId::kArrayAboveMaxLength, "stop");
  expect_refused(stops(1, 257), ErrorId::kStringAboveMaxLength, "stop[0]");
}

TEST(ParseChatLimits, LogitBias) {
  const auto biases = [](std::size_t n) {
    std::string entries;
    for (std::size_t i = 0; i < n; ++i) entries += fmt::format("{}\"{}\":1", i == 0 ? "" : ",", i);
    return body(R"("logit_bias":{)" + entries + "}");
  };
  const auto parsed = parse_chat(biases(1'000), kOptions);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->chat.sampling.logit_bias.size(), 1'000u);
  expect_refused(biases(1'001), ErrorId::kInvalidValue,
                 "logit_bias");  // token 1000 is outside the vocabulary
  EXPECT_TRUE(parse_chat(biases(1'024), {.vocabulary = 2'000}));
  EXPECT_FALSE(parse_chat(biases(1'025), {.vocabulary = 2'000}));
}

TEST(ParseChatLimits, Choices) {
  expect_ok(body(R"("n":8)"));
  expect_refused(body(R"("n":9)"), ErrorId::kIntegerAboveMaxValue, "n");
  EXPECT_TRUE(parse_chat(body(R"("n":128)"), {.vocabulary = 1000, .max_choices = 128}));
  EXPECT_FALSE(parse_chat(body(R"("n":129)"), {.vocabulary = 1000, .max_choices = 500}));
}

TEST(ParseChatLimits, ToolCalls) {
  const auto calls = [](std::size_t n) {
    std::string list;
    for (std::size_t i = 0; i < n; ++i)
      list += fmt::format(R"({}{{"id":"{}","function":{{"name":"f"}}}})", i == 0 ? "" : ",", i);
    return body("", R"([{"role":"assistant","tool_calls":[)" + list + "]}]");
  };
  expect_ok(calls(1'000));
  expect_refused(calls(1'001), ErrorId::kArrayAboveMaxLength, "messages[0].tool_calls");
}

TEST(ParseChatLimits, Metadata) {
  const auto pairs = [](std::size_t n, std::size_t key, std::size_t value) {
    std::string list;
    for (std::size_t i = 0; i < n; ++i)
      list +=
          fmt::format(R"({}"{:0>{}}":"{}")", i == 0 ? "" : ",", i, key, std::string(value, 'v'));
    return body(R"("metadata":{)" + list + "}");
  };
  expect_ok(pairs(16, 64, 512));
  expect_refused(pairs(17, 64, 512), ErrorId::kArrayAboveMaxLength, "metadata");
  expect_refused(pairs(1, 65, 1), ErrorId::kStringAboveMaxLength, "metadata");
  expect_refused(pairs(1, 1, 513), ErrorId::kStringAboveMaxLength, "metadata.0");
  EXPECT_EQ(parse_chat(pairs(2, 1, 1), kOptions)->metadata->size(), 2u);
}

TEST(ParseChatLimits, Depth) {
  const auto nested = [](std::size_t depth) {  // the body's own object is one level
    return body(R"("x":)" + std::string(depth - 1, '[') + std::string(depth - 1, ']'));
  };
  expect_ok(nested(64));
  expect_refused(nested(65), ErrorId::kJsonTooDeep, "");
}

TEST(ParseChatLimits, KeysOfAnObject) {
  const auto with = [](int keys) {
    std::string object = R"("x":{"0":0)";
    for (int i = 1; i < keys; ++i) object += fmt::format(R"(,"{}":0)", i);
    return body(object + "}");
  };
  expect_ok(with(10'000));
  expect_refused(with(10'001), ErrorId::kArrayAboveMaxLength, "");
}

TEST(ParseChat, ReadsWhatItIsTold) {
  const auto parsed = parse_chat(
      body(R"("temperature":0.5,"top_p":0,"top_k":-1,"min_p":1,"seed":-9223372036854775808,)"
           R"("max_tokens":10,"max_completion_tokens":1e2,"stop":"\u0000","stream":true,)"
           R"("stream_options":{"include_usage":true},"surprise":1,"n":2.0,)"
           R"("chat_template_kwargs":{"enable_thinking":true,"preserve_thinking":true,"x":0})"),
      kOptions);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->chat.sampling.temperature, 0.5);
  EXPECT_EQ(parsed->chat.sampling.top_p, 0.0);
  EXPECT_EQ(parsed->chat.sampling.top_k, 0);
  EXPECT_EQ(parsed->chat.sampling.min_p, 1.0);
  EXPECT_EQ(parsed->chat.sampling.seed, INT64_MIN);
  EXPECT_EQ(parsed->chat.max_tokens, 100);  // max_completion_tokens wins
  EXPECT_EQ(parsed->chat.stop, std::vector<std::string>{std::string(1, '\0')});
  EXPECT_EQ(parsed->chat.choices, 2);
  EXPECT_TRUE(parsed->stream && parsed->include_usage);
  EXPECT_TRUE(parsed->chat.prompt.enable_thinking && parsed->chat.prompt.preserve_thinking);
  EXPECT_EQ(parsed->ignored, std::vector<std::string>{"surprise"});
}

TEST(ParseChat, ThinkingIsOptIn) {
  EXPECT_FALSE(parse_chat(body(""), kOptions)->chat.prompt.enable_thinking);
  EXPECT_FALSE(
      parse_chat(body(R"("chat_template_kwargs":{})"), kOptions)->chat.prompt.enable_thinking);
  EXPECT_FALSE(
      parse_chat(body(R"("reasoning_effort":"high")"), kOptions)->chat.prompt.enable_thinking);
}

TEST(ParseChat, RolesAndParts) {
  const auto parsed = parse_chat(
      body(
          "",
          R"([{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
          R"({"role":"assistant","content":null,"reasoning":"old","reasoning_content":"new","tool_calls":[)"
          R"({"id":"c","type":"function","function":{"name":"f","arguments":{"x":[1.50]}}}]},)"
          R"({"role":"tool","tool_call_id":"c","content":""}])"),
      kOptions);
  ASSERT_TRUE(parsed) << parsed.error().message;
  const std::vector<chat::Message>& messages = parsed->chat.prompt.messages;
  EXPECT_EQ(messages[0].role, chat::Role::kSystem);
  EXPECT_EQ(messages[1].content, "ab");
  EXPECT_EQ(messages[2].reasoning, "new");
  EXPECT_EQ(messages[2].tool_calls[0].arguments, R"({"x":[1.50]})");
  EXPECT_EQ(messages[3].tool_call_id, "c");
}

TEST(ParseChat, Logprobs) {
  const auto top = [](const std::string& more) {
    return parse_chat(body(more), kOptions)->chat.top_logprobs;
  };
  EXPECT_EQ(top(""), std::nullopt);
  EXPECT_EQ(top(R"("logprobs":false,"top_logprobs":0)"), std::nullopt);
  EXPECT_EQ(top(R"("logprobs":true)"), 0);
  EXPECT_EQ(top(R"("logprobs":true,"top_logprobs":null)"), 0);
  EXPECT_EQ(top(R"("top_logprobs":20,"logprobs":true)"), 20);
  expect_refused(body(R"("logprobs":false,"top_logprobs":1)"), ErrorId::kInvalidValue,
                 "top_logprobs");
}

TEST(ParseChat, ThinkingBudget) {
  const auto chat = [](const std::string& more) {
    return parse_chat(
               body(R"("chat_template_kwargs":{"enable_thinking":true},"thinking_budget":)" + more),
               kOptions)
        ->chat;
  };
  EXPECT_EQ(chat("5").thinking_budget, 5);
  EXPECT_TRUE(chat("5").prompt.enable_thinking);
  EXPECT_FALSE(chat("0").prompt.enable_thinking);  // the same as direct mode
  EXPECT_EQ(chat("null").thinking_budget, std::nullopt);
}

// What cannot be promised yet is read in full all the same, which the template's reading shows.
TEST(ParseChat, ToolChoiceAndResponseFormatAreTyped) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}},)"
                            R"({"type":"custom","custom":{"name":"c"}}])";
  const auto read = [&](const std::string& more) {
    auto parsed = parse_chat(body(tools + "," + more),
                             {.vocabulary = 1000, .reading = {.as_template = true}});
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
    return std::move(parsed->chat);
  };
  using Mode = chat::ToolChoice::Mode;
  EXPECT_EQ(read(R"("tool_choice":"required")").tool_choice.mode, Mode::kRequired);
  const auto named = read(R"("tool_choice":{"type":"custom","custom":{"name":"c"}})").tool_choice;
  EXPECT_EQ(named.mode, Mode::kNamed);
  EXPECT_EQ(named.names, std::vector<std::string>{"c"});
  const auto allowed =
      read(R"("tool_choice":{"type":"allowed_tools","allowed_tools":)"
           R"({"mode":"required","tools":[{"type":"custom","custom":{"name":"c"}},)"
           R"({"type":"function","function":{"name":"f"}}]}})")
          .tool_choice;
  EXPECT_EQ(allowed.mode, Mode::kRequired);
  EXPECT_EQ(allowed.names, (std::vector<std::string>{"c", "f"}));
  const auto format = read(R"("response_format":{"type":"json_schema","json_schema":)"
                           R"({"name":"s","strict":true,"schema":{"type":"object"}}})")
                          .response_format;
  EXPECT_EQ(format.kind, chat::ResponseFormat::Kind::kJsonSchema);
  EXPECT_EQ(format.name, "s");
  EXPECT_TRUE(format.strict);
  EXPECT_EQ(json::to_text(format.schema), R"({"type":"object"})");
  EXPECT_EQ(read(R"("response_format":{"type":"json_object"})").response_format.kind,
            chat::ResponseFormat::Kind::kJsonObject);
}

TEST(ParseChat, StrictRefusesUnknownFields) {
  ParseOptions strict = kOptions;
  strict.strict = true;
  EXPECT_TRUE(parse_chat(body(R"("user":"u")"), strict));
  const auto parsed = parse_chat(body(R"("surprise":null)"), strict);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().param, "surprise");
  EXPECT_EQ(row(parsed.error().id).code, "unknown_parameter");
}

TEST(CheckChat, TellsAllFaults) {
  EXPECT_TRUE(check_chat(body(R"("temperature":1)"), kOptions).problems.empty());
  std::vector<std::string> params;
  for (const ApiError& fault :
       check_chat(R"({"temperature":3,"n":0,"top_logprobs":2,"tool_choice":"required","messages":[)"
                  R"({"role":"king"},{"role":"user","content":"x"},{"role":"user","content":5}]})",
                  kOptions)
           .problems)
    params.push_back(fault.param);
  EXPECT_EQ(params,
            (std::vector<std::string>{"temperature", "n", "messages[0].role", "messages[2].content",
                                      "model", "top_logprobs", "tool_choice"}));
  EXPECT_EQ(check_chat("{", kOptions).problems.size(), 1u);
  const std::string bad = R"({"role":"king"})";
  EXPECT_EQ(check_chat(body("", "[" + repeat(bad, 1'000) + "]"), kOptions).problems.size(),
            kMaxProblems);
}

TEST(CheckChat, HandsOutWhatThePromptIsMadeOfUnlessThatIsAtFault) {
  const auto readable = [](const std::string& members) {
    return check_chat(body(members), kOptions).prompt_known;
  };
  EXPECT_TRUE(readable(""));
  EXPECT_TRUE(readable(R"("temperature":3,"tool_choice":"required","stop":5)"));
  EXPECT_FALSE(readable(R"("tools":[{"type":"function"}])"));
  EXPECT_FALSE(readable(R"("chat_template_kwargs":{"enable_thinking":1})"));
  EXPECT_FALSE(readable(R"("thinking_budget":-1)"));
  EXPECT_FALSE(readable(R"("continue_final_message":true)"));
  EXPECT_FALSE(check_chat(R"({"model":"m"})", kOptions).prompt_known);
}

TEST(ParseChat, NeverCrashesOnTheBodyCutAnywhere) {
  const std::string whole = body(
      R"("tools":[{"type":"function","function":{"name":"f"}}],"stop":["a"],"logit_bias":{"5":1})");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(parse_chat(std::string_view(whole).substr(0, length), kOptions));
  }
}

TEST(ErrorTable, IsWholeAndWritesAllFourKeys) {
  for (int i = 0; i < static_cast<int>(ErrorId::kCount); ++i) {
    const ErrorRow& entry = row(static_cast<ErrorId>(i));
    EXPECT_GE(entry.status, 400u);
    EXPECT_NE(entry.status, 409u);  // SDKs retry it
    const auto parsed =
        json::parse(error_body({entry.id, "a \"quoted\"\nmessage", i % 2 == 0 ? "" : "p"}));
    ASSERT_TRUE(parsed);
    const json::Object* error = parsed->find("error")->if_object();
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->size(), 4u);
    EXPECT_EQ(*error->find("code")->if_string(), entry.code);
    EXPECT_EQ(error->find("param")->is_null(), i % 2 == 0);
  }
}

}  // namespace
}  // namespace tessera::api
