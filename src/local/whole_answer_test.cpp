// Answers with a form come to their end within max_tokens, whatever the model wants.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "grammar/compile.h"
#include "grammar/shaper.h"
#include "grammar/test_schemas.h"
#include "local/answer_constraint.h"
#include "local/test_service.h"

namespace tessera::local {
namespace {

using chat::FinishReason;
using chat::RefusalCode;
using Mode = chat::ToolChoice::Mode;

constexpr std::string_view kSchema =
    R"({"type":"object","properties":{"n":{"type":"integer","minimum":-5,"maximum":50},)"
    R"("words":{"type":"array","items":{"type":"string"}},"kind":{"enum":["xy","xyz"]}},)"
    R"("required":["n","kind"],"additionalProperties":false})";
constexpr std::string_view kShortest = R"({"n":0,"kind":"xy"})";
constexpr std::string_view kShortestCall =
    "<tool_call>\n<function=f>\n<parameter=n>\n0\n</parameter>\n<parameter=kind>\nxy\n"
    "</parameter>\n</function>\n</tool_call>";

void expect_fits(const std::string& text) {
  const auto value = json::parse(text);
  ASSERT_TRUE(value) << text;
  for (const std::string_view key : {"n", "kind"}) ASSERT_NE(value->find(key), nullptr) << text;
  EXPECT_TRUE(*value->find("kind")->if_string() == "xy" ||
              *value->find("kind")->if_string() == "xyz");
}

class WholeAnswerTest : public LocalServiceTest {
 protected:
  static chat::ChatRequest json_request(bool thinking = false) {
    chat::ChatRequest made = request();
    made.response_format.kind = chat::ResponseFormat::Kind::kJsonSchema;
    made.response_format.schema = *json::parse(kSchema);
    made.prompt.enable_thinking = thinking;
    return made;
  }
  static chat::ChatRequest call_request(Mode mode, bool thinking = false) {
    chat::ChatRequest made = request();
    made.prompt.tools.push_back(*json::parse(fmt::format(
        R"({{"type":"function","function":{{"name":"f","parameters":{}}}}})", kSchema)));
    made.tool_choice.mode = mode;
    if (mode == Mode::kNamed) made.tool_choice.names = {"f"};
    made.prompt.enable_thinking = thinking;
    return made;
  }
  void start_hostile(std::uint64_t seed, std::int32_t context = 4096) {
    start(
        [this, random = engine::script_hash(seed)](const engine::FakeContext& fake,
                                                   std::span<float> logits) {
          random(fake, logits);
          for (const std::string_view literal : kAdded)
            logits[static_cast<std::size_t>(ids(literal)[0])] += 12;
        },
        context);
  }
  std::int32_t count(std::string_view text) const {
    return static_cast<std::int32_t>(ids(text).size());
  }
  // Below `least` tokens refused, from there on whole.
  void expect_whole(chat::ChatRequest made, std::int32_t least, bool call) {
    for (std::int32_t tokens = std::max(1, least - 2); tokens < least; ++tokens) {
      made.max_tokens = tokens;
      const chat::Refusal refusal = refused(made);
      EXPECT_EQ(refusal.code, RefusalCode::kMaxTokensTooSmall);
      EXPECT_EQ(refusal.param, "max_tokens");
      for (const std::int32_t number : {tokens, least})
        EXPECT_NE(refusal.message.find(std::to_string(number)), std::string::npos)
            << refusal.message;
    }
    const FinishReason expected = call ? FinishReason::kToolCalls : FinishReason::kStop;
    for (std::int32_t tokens = least; tokens < least + 40; ++tokens) {
      made.max_tokens = tokens;
      const Answer answer = ask(made);
      ASSERT_EQ(answer.finishes, std::vector(answer.finishes.size(), expected)) << tokens;
      EXPECT_LE(answer.completed->usage.completion_tokens, tokens * made.choices);
      if (call) {
        ASSERT_FALSE(answer.calls.empty());
        for (const std::string& text : answer.calls) expect_fits(text.substr(1));
      } else {
        expect_fits(answer.content);
      }
    }
  }
};

TEST_F(WholeAnswerTest, WithinWhateverMaxTokensThereAre) {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    start_hostile(seed);
    const auto with = [&](chat::ChatRequest made) {
      made.sampling.temperature = 1.0;
      made.sampling.seed = static_cast<std::int64_t>(seed);
      made.choices = 1 + static_cast<std::int32_t>(seed % 2);
      return made;
    };
    expect_whole(with(json_request()), count(kShortest), false);
    expect_whole(with(json_request(true)), count("</think>\n\n") + count(kShortest), false);
    for (const Mode mode : {Mode::kRequired, Mode::kNamed}) {
      auto made = with(call_request(mode));
      made.choices = 1;
      expect_whole(made, count(kShortestCall), true);
      made.prompt.enable_thinking = true;
      expect_whole(made, count("</think>\n\n") + count(kShortestCall), true);
    }
  }
}

TEST_F(WholeAnswerTest, WhatTheModelWantsComesAsLongAsThereIsRoom) {
  const std::string text = R"({"n": 7, "words": ["a", "bc"], "kind": "xyz"})";
  says(text);
  chat::ChatRequest made = json_request();
  made.max_tokens = count(text);
  EXPECT_EQ(ask(made).content, text);
  made.max_tokens = count(text) - 1;
  EXPECT_EQ(ask(made).content, R"({"n": 7, "words": ["a", "bc"], "kind": "xy"})");
  made.max_tokens = count(text) - 3;
  EXPECT_EQ(ask(made).content, R"({"n": 7, "words": ["a", "bc"],"kind":"xy"})");
}

TEST_F(WholeAnswerTest, ThinkingIsClosedInTime) {
  start(engine::script_never_ends('t'));
  chat::ChatRequest made = json_request(true);
  made.max_tokens = 60;
  const Answer answer = ask(made);
  EXPECT_EQ(answer.reasoning,
            std::string(static_cast<std::size_t>(60 - count(kShortest) - 4), 't'));
  EXPECT_EQ(answer.content, kShortest);
  EXPECT_EQ(answer.finishes, std::vector{FinishReason::kStop});
  EXPECT_EQ(answer.completed->usage.completion_tokens, 60);
  made.thinking_budget = 5;  // an earlier one holds
  EXPECT_EQ(ask(made).reasoning, "ttt");
  // Nothing has to come behind the thinking of a free answer.
  made.response_format = {};
  made.thinking_budget.reset();
  EXPECT_EQ(ask(made).finishes, std::vector{FinishReason::kLength});
}

TEST_F(WholeAnswerTest, ACallBeginsOnlyWhereItCanEnd) {
  const std::string call = std::string(kShortestCall);
  says("Text. " + call + "\n" + call);
  chat::ChatRequest made = call_request(Mode::kAuto);
  for (std::int32_t tokens = 1; tokens < count("Text. " + call + "\n" + call) + 3; ++tokens) {
    made.max_tokens = tokens;
    const Answer answer = ask(made);
    const std::int32_t calls = tokens < count("Text. " + call)                 ? 0
                               : tokens < count("Text. " + call + "\n" + call) ? 1
                                                                               : 2;
    EXPECT_EQ(answer.calls,
              std::vector<std::string>(static_cast<std::size_t>(calls), R"(f{"n":0,"kind":"xy"})"))
        << tokens;
    const bool cut = calls == 0;
    EXPECT_EQ(answer.finishes, std::vector{cut ? FinishReason::kLength : FinishReason::kToolCalls});
  }
}

// The token that begins a call has no bytes, and yet makes the way to the end longer by a whole
// call where JSON would have done. Behind the thinking it is not the first that is looked at.
TEST_F(WholeAnswerTest, ACallBesideJsonBeginsOnlyWhereItCanEnd) {
  const std::string close = "</think>\n\n";
  says(close + std::string(kShortestCall));
  chat::ChatRequest made = call_request(Mode::kAuto, true);
  made.response_format.kind = chat::ResponseFormat::Kind::kJsonSchema;
  made.response_format.schema = *json::parse(kSchema);
  const std::int32_t room = count(close) + count(kShortestCall);
  for (std::int32_t tokens = count(close) + count(kShortest); tokens < room + 3; ++tokens) {
    made.max_tokens = tokens;
    const Answer answer = ask(made);
    const bool call = tokens >= room;
    EXPECT_EQ(answer.finishes, std::vector{call ? FinishReason::kToolCalls : FinishReason::kStop})
        << tokens;
    EXPECT_EQ(answer.calls.size(), call ? 1u : 0u) << tokens;
    if (!call) expect_fits(answer.content);
  }
}

TEST_F(WholeAnswerTest, TheContextIsALimitToo) {
  says(R"({"n":1,"kind":"xy"})");
  chat::ChatRequest made = json_request();
  made.max_context = static_cast<std::int32_t>(service_->measure(made)->tokens) + count(kShortest);
  EXPECT_EQ(ask(made).finishes, std::vector{FinishReason::kStop});
  made.max_tokens = 1000;
  EXPECT_EQ(ask(made).finishes, std::vector{FinishReason::kStop});
  --made.max_context;
  const chat::Refusal refusal = refused(made);
  EXPECT_EQ(refusal.code, RefusalCode::kContextLengthExceeded);
  EXPECT_NE(refusal.message.find(std::to_string(count(kShortest))), std::string::npos);
  made.max_tokens = 3;
  made.max_tokens_field = "max_completion_tokens";
  EXPECT_EQ(refused(made).code, RefusalCode::kMaxTokensTooSmall);
  EXPECT_EQ(refused(made).param, "max_completion_tokens");
  made.cut_at_max_tokens = true;
  const Answer cut = ask(made);
  EXPECT_EQ(cut.content, R"({"n)");
  EXPECT_EQ(cut.finishes, std::vector{FinishReason::kLength});
}

TEST_F(WholeAnswerTest, WhatIsForcedGoesThroughTheModelAtOnce) {
  start(engine::script_never_ends('t'));
  chat::ChatRequest made = call_request(Mode::kNamed, true);
  made.max_tokens = count("</think>\n\n") + count(kShortestCall);
  EXPECT_EQ(ask(made).finishes, std::vector{FinishReason::kToolCalls});
  EXPECT_GT(*made.max_tokens, 64);
  EXPECT_LE(engine_->stats().steps, *made.max_tokens / 4);  // the prompt's with them
}

TEST_F(WholeAnswerTest, TagsAndNamesThatMustComeAreForced) {
  const std::string call(kShortestCall);
  says(call);
  chat::ChatRequest made = call_request(Mode::kNamed);
  made.max_tokens = 1000;
  const Answer answer = ask(made);
  EXPECT_EQ(answer.calls, std::vector<std::string>{R"(f{"n":0,"kind":"xy"})"});
  EXPECT_EQ(answer.completed->usage.completion_tokens, count(call));
  // Forced: up to the first value; the name of the second parameter, which might be another one,
  // behind its first letter; the end. The last byte of each is the model's.
  EXPECT_LT(engine_->stats().steps, count(call) / 2);  // the prompt's with them
  made.top_logprobs = 0;                               // a row for each
  const Answer slow = ask(made);
  EXPECT_EQ(slow.completed->output_digest, answer.completed->output_digest);
}

// No engine: tokens drawn from the masks at random.
struct Drawing {
  const grammar::SmallVocabulary words;
  const std::shared_ptr<const WayTokens> ways =
      std::make_shared<const WayTokens>(words.tokenizer, words.vocabulary);
  std::mt19937 random{11};
  int asked = 0;
  int tokens = 0;

  std::optional<std::int32_t> least(const grammar::GrammarPtr& form) const {
    grammar::Machine machine(form);
    const auto way = grammar::shortest_end(machine, machine.start(), kLongestWay).way;
    if (!way) return std::nullopt;
    return ways->count(*way);
  }

  // Nothing: it did not come to its end. Tokens that begin with one of `liked` are taken where they
  // may come.
  std::optional<std::string> draw(const grammar::GrammarPtr& form, std::int32_t limit,
                                  std::string_view liked = {}) {
    AnswerConstraint constraint(form, words.vocabulary, ways, nullptr, {limit, true});
    std::vector<std::uint32_t> mask(words.vocabulary->mask_words());
    std::string answer;
    for (std::int32_t left = limit; left > 0; --left) {
      std::optional<TokenId> token = constraint.forced();
      if (!token) {
        const auto next = constraint.next(mask);
        EXPECT_TRUE(next) << answer;
        if (!next) return std::nullopt;
        ++asked;
        token = pick(mask, liked);
      }
      if (*token != words.end) token = constraint.accept(*token);
      ++tokens;
      if (*token == words.end) return answer;
      answer += words.tokenizer->bytes(*token);
    }
    if (!constraint.is_complete()) return std::nullopt;
    return answer;
  }

  TokenId pick(const std::vector<std::uint32_t>& mask, std::string_view liked) {
    std::vector<TokenId> allowed;
    std::vector<TokenId> preferred;
    for (TokenId id = 0; std::cmp_less(id, words.vocabulary->size()); ++id) {
      if ((mask[static_cast<std::size_t>(id) / 32] >> id % 32 & 1) == 0) continue;
      allowed.push_back(id);
      const std::string_view text = words.vocabulary->bytes(id);
      if (!text.empty() && liked.find(text[0]) != std::string_view::npos) preferred.push_back(id);
    }
    const std::vector<TokenId>& from = preferred.empty() ? allowed : preferred;
    return from[random() % from.size()];
  }
};

TEST(WholeAnswer, OfRandomFormsWithinRandomLimits) {
  Drawing drawing;
  int answers = 0;
  for (int round = 0; round < 600; ++round) {
    const std::string text =
        grammar::SchemaMaker(drawing.random).make(static_cast<int>(drawing.random() % 4));
    const json::Value schema = *json::parse(text);
    const auto form = grammar::compile_schema(schema);
    if (!form) continue;
    const auto least = drawing.least(*form);
    ASSERT_TRUE(least) << text;
    const auto more = drawing.random() % (drawing.random() % 2 ? 4 : 40);
    const auto limit = *least + static_cast<std::int32_t>(more);
    const auto answer = drawing.draw(*form, limit);
    ASSERT_TRUE(answer) << text << " in " << limit;
    const auto value = json::parse(*answer);
    ASSERT_TRUE(value) << text << " gave " << *answer;
    grammar::Budget budget{grammar::CompileLimits{}};
    const grammar::SchemaDocument document(schema, budget);
    grammar::Shaper shaper(document, budget);
    const auto fits = shaper.admits(std::vector<grammar::Term>{{&schema, true}}, *value);
    EXPECT_TRUE(fits && *fits) << text << " gave " << *answer;
    ++answers;
  }
  EXPECT_GT(answers, 400);
  EXPECT_LT(drawing.asked, drawing.tokens);  // the others were forced
}

// The ways to their ends are long, and what a model may do makes them much longer at once.
TEST(WholeAnswer, OfFormsWithLongWays) {
  constexpr std::string_view kForms[] = {
      R"({"type":"array","minItems":300,"items":{"anyOf":[{"type":"integer"},{"type":"string",
      "minLength":150}]}})",
      R"({"type":"array","minItems":400,"items":{"anyOf":[{"type":"null"},{"type":"array",
      "minItems":40,"items":{"type":"boolean"}}]}})",
      R"({"type":"object","additionalProperties":{"anyOf":[{"type":"integer"},{"type":"string",
      "minLength":400}]},"minProperties":60})",
      R"({"$defs":{"t":{"anyOf":[{"type":"integer"},{"type":"array","minItems":6,"items":{"$ref":"#/$defs/t"}}]}},
      "type":"array","minItems":500,"items":{"$ref":"#/$defs/t"}})",
      R"({"$defs":{"t":{"anyOf":[{"type":"null"},{"type":"array","minItems":60,"items":{"$ref":"#/$defs/t"}}]}},
      "type":"array","minItems":2000,"items":{"$ref":"#/$defs/t"}})",
      R"({"type":"array","minItems":60,"uniqueItems":true,"items":{"type":"string","pattern":
      "^(a|b[a-z]{30})[0-9]{2}$"}})"};
  Drawing drawing;
  for (const std::string_view text : kForms) {
    const auto form = grammar::compile_schema(*json::parse(text));
    ASSERT_TRUE(form) << text << form.error().message;
    const auto least = drawing.least(*form);
    ASSERT_TRUE(least) << text;
    for (const std::int32_t more : {0, 1, 40, 300, 2000}) {
      const auto answer = drawing.draw(*form, *least + more, "\"[b");
      ASSERT_TRUE(answer) << text << " in " << *least << " + " << more;
      ASSERT_TRUE(json::parse(*answer)) << text << " gave " << *answer;
    }
  }
}

}  // namespace
}  // namespace tessera::local
