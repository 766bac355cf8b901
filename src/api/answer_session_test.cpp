// A session between a service that does as told, a gate that commits when told, and a connection
// that can be slow or leave.
#include "api/answer_session.h"

#include <gtest/gtest.h>

#include "api/chat_format.h"
#include "api/test_doubles.h"
#include "api/text_format.h"
#include "base/json.h"
#include "base/sha256.h"

namespace tessera::api {
namespace {

using access::Outcome;

class AnswerSessionTest : public testing::Test {
 protected:
  void TearDown() override {
    exchange->close();
    EXPECT_EQ(gate.log.running, 0) << "an admission was never settled";
  }

  void run(bool stream, std::int32_t prompts = 1, StreamShape shape = {}) {
    std::unique_ptr<AnswerFormat> format;
    if (prompts == 1) {
      format = std::make_unique<ChatFormat>(identity, ChatShape{shape});
    } else {
      format = std::make_unique<TextFormat>(identity, TextShape{shape, prompts});
    }
    run(stream, prompts, std::move(format));
  }

  void run(bool stream, std::int32_t prompts, std::unique_ptr<AnswerFormat> format) {
    AnswerSession::Options options;
    options.id = identity.id;
    options.stream = stream;
    options.high_water_bytes = 1000;
    options.headers.fixed = {{"X-Request-Id", "r"}};
    const std::vector<AnswerSession::Start> starts(
        static_cast<std::size_t>(prompts),
        [this](std::function<void()> ready) -> Result<std::unique_ptr<chat::ChatStream>, ApiError> {
          auto started = service.start({}, std::move(ready));
          if (!started) return Unexpected{to_api_error(started.error())};
          return *std::move(started);
        });
    AnswerSession::run(starts, std::move(options), std::move(format),
                       *gate.admit(gate.callers["good"], {}), exchange,
                       [this](std::string_view how, const chat::Usage&) { outcome = how; });
  }
  void add(chat::ChatEvent event, std::size_t prompt = 0) {
    service.scripts[prompt]->events.push_back(std::move(event));
  }
  void wake(std::size_t prompt = 0) {
    service.scripts[prompt]->on_ready();
    exchange->run_posted();
  }
  void commit() {
    gate.commit();
    exchange->run_posted();
  }
  void finish_well() {
    add(chat::ChoiceFinished{0, chat::FinishReason::kStop});
    add(chat::Completed{{3, 2, 0, 0}, "digest"});
    wake();
  }
  const Settled& settled() const {
    EXPECT_EQ(gate.log.settled.size(), 1u);
    return gate.log.settled.at(0);
  }

  const Identity identity{"chatcmpl-1", 5, "m", "fp"};
  ScriptedService service;
  FakeGate gate;
  std::shared_ptr<FakeExchange> exchange = std::make_shared<FakeExchange>();
  std::string outcome;
};

TEST_F(AnswerSessionTest, CollectsAWholeAnswerAndSendsItOnceItsRowIsDurable) {
  run(false);
  add(chat::ContentDelta{0, "Hel"});
  wake();
  EXPECT_FALSE(exchange->response);
  add(chat::ContentDelta{0, "lo"});
  finish_well();
  EXPECT_FALSE(exchange->response) << "answered before the usage row was committed";
  commit();
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 200u);
  EXPECT_EQ(header_of(exchange->response->headers, "X-Request-Id"), "r");
  EXPECT_EQ(header_of(exchange->response->headers, "X-Tessera-Output-Digest"), "digest");
  EXPECT_NE(exchange->response->body.find(R"("content":"Hello")"), std::string::npos);
  EXPECT_TRUE(json::parse(exchange->response->body));
  EXPECT_EQ(outcome, "ok");
  EXPECT_EQ(settled().outcome, Outcome::kOk);
  EXPECT_EQ(settled().status, 200);
  EXPECT_EQ(settled().tokens.completion, 2);
}

TEST_F(AnswerSessionTest, WhereTheRowIsDurableAtOnceSoIsTheAnswer) {
  gate.log.commits_at_once = true;
  run(false);
  finish_well();
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 200u);
  EXPECT_EQ(outcome, "ok");
  EXPECT_EQ(settled().status, 200);
}

TEST_F(AnswerSessionTest, StreamsRoleFirstAndTheEndOnceItsRowIsDurable) {
  run(true, 1, {.include_usage = true});
  EXPECT_EQ(exchange->stream_status, 200u);
  EXPECT_EQ(header_of(exchange->headers, "Trailer"), "X-Tessera-Output-Digest");
  EXPECT_NE(exchange->written.find(R"("delta":{"role":"assistant","content":""})"),
            std::string::npos);
  add(chat::ContentDelta{0, "data: [DONE]\n\n"});  // text that looks like our framing stays text
  finish_well();
  EXPECT_EQ(exchange->written.find(R"("finish_reason":"stop")"), std::string::npos);
  EXPECT_FALSE(exchange->finished);
  commit();
  EXPECT_TRUE(exchange->finished);
  EXPECT_TRUE(exchange->written.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(exchange->written.find("data: [DONE]"),
            exchange->written.find(R"("data: [DONE]\n\n")") + 1);
  const std::size_t finish = exchange->written.find(R"("finish_reason":"stop")");
  ASSERT_NE(finish, std::string::npos);
  EXPECT_GT(exchange->written.find(R"("usage":{)"), finish);
  EXPECT_EQ(header_of(exchange->trailers, "X-Tessera-Output-Digest"), "digest");
}

TEST_F(AnswerSessionTest, OnlyTheLastChoiceWaitsForTheRow) {
  ChatShape shape;
  shape.choices = 2;
  AnswerSession::Options options;
  options.stream = true;
  options.choices = 2;
  AnswerSession::run(
      {[this](std::function<void()> ready) -> Result<std::unique_ptr<chat::ChatStream>, ApiError> {
        return *service.start({}, std::move(ready));
      }},
      std::move(options), std::make_unique<ChatFormat>(identity, shape),
      *gate.admit(gate.callers["good"], {}), exchange, [](auto, const auto&) {});
  add(chat::ChoiceFinished{1, chat::FinishReason::kLength});
  wake();
  EXPECT_NE(exchange->written.find(R"("finish_reason":"length")"), std::string::npos);
  finish_well();
  EXPECT_EQ(exchange->written.find(R"("finish_reason":"stop")"), std::string::npos);
  commit();
  EXPECT_NE(exchange->written.find(R"("finish_reason":"stop")"), std::string::npos);
}

TEST_F(AnswerSessionTest, WaitsForASlowReader) {
  run(true);
  exchange->waiting = 0;
  for (int i = 0; i < 100; ++i) add(chat::ContentDelta{0, std::string(100, 'x')});
  wake();
  auto& events = service.scripts[0]->events;
  EXPECT_GT(events.size(), 80u);  // stopped at the high-water mark
  const std::size_t before = events.size();
  exchange->waiting = 0;
  exchange->writable();
  EXPECT_LT(events.size(), before);
  EXPECT_FALSE(events.empty());
}

TEST_F(AnswerSessionTest, CancelsAndSettlesWhenTheClientLeaves) {
  for (const bool stream : {false, true}) {
    gate.log.settled.clear();
    exchange = std::make_shared<FakeExchange>();
    service.scripts.clear();
    run(stream);
    EXPECT_FALSE(service.scripts[0]->cancelled);
    exchange->close();
    EXPECT_TRUE(service.scripts[0]->cancelled);
    EXPECT_EQ(outcome, "cancelled");
    EXPECT_EQ(settled().outcome, Outcome::kCancelled);
    EXPECT_EQ(settled().status, 499);
    EXPECT_EQ(settled().tokens.prompt, 3);
    wake();  // a late wake-up finds nobody
    commit();
  }
}

TEST_F(AnswerSessionTest, TheClientMayLeaveWhileTheRowIsWritten) {
  run(true);
  finish_well();
  exchange->close();
  commit();
  EXPECT_FALSE(exchange->finished);
  EXPECT_EQ(settled().outcome, Outcome::kOk);
}

TEST_F(AnswerSessionTest, ACutStreamNeverLooksFinished) {
  run(true);
  add(chat::ContentDelta{0, "half"});
  add(chat::ChoiceFinished{0, chat::FinishReason::kStop});
  add(chat::Failed{{ErrorCode::kNumerical, "internal detail /path"}});
  wake();
  commit();
  EXPECT_TRUE(exchange->finished);
  EXPECT_TRUE(exchange->written.ends_with("data: [DONE]\n\n"));
  EXPECT_NE(exchange->written.find(R"("code":"numerical_error")"), std::string::npos);
  EXPECT_EQ(exchange->written.find("internal detail"), std::string::npos);
  EXPECT_EQ(exchange->written.find(R"("finish_reason":"stop")"), std::string::npos);
  EXPECT_EQ(outcome, "failed");
  EXPECT_EQ(settled().outcome, Outcome::kFailed);
  EXPECT_EQ(settled().status, 500);
}

TEST_F(AnswerSessionTest, FailureBeforeTheAnswerIsAStatus) {
  run(false);
  add(chat::Failed{{ErrorCode::kUnavailable, ""}});
  wake();
  commit();
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 503u);
  EXPECT_EQ(settled().status, 503);
}

TEST_F(AnswerSessionTest, RefusalsAreStatusesAlsoWhenStreaming) {
  service.refusal = chat::Refusal{chat::RefusalCode::kOverloaded, "full", "", 7};
  run(true);
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 503u);
  EXPECT_EQ(exchange->stream_status, 0u);
  EXPECT_EQ(header_of(exchange->response->headers, "Retry-After"), "7");
  EXPECT_EQ(header_of(exchange->response->headers, "retry-after-ms"), "7000");
  EXPECT_EQ(settled().tokens.prompt, 0);
}

// Whoever computed for an earlier prompt is settled before the refusal of a later one is seen.
TEST_F(AnswerSessionTest, ARefusedSecondPromptIsToldOnceTheFirstOnesRowIsDurable) {
  for (const bool stream : {false, true}) {
    gate.log.settled.clear();
    service.scripts.clear();
    exchange = std::make_shared<FakeExchange>();
    AnswerSession::Options options;
    options.stream = stream;
    using Started = Result<std::unique_ptr<chat::ChatStream>, ApiError>;
    AnswerSession::run({[this](std::function<void()> ready) -> Started {
                          return *service.start({}, std::move(ready));
                        },
                        [](const std::function<void()>&) -> Started {
                          return Unexpected{ApiError{ErrorId::kServerOverloaded, "full"}};
                        }},
                       std::move(options), std::make_unique<TextFormat>(identity, TextShape{{}, 2}),
                       *gate.admit(gate.callers["good"], {}), exchange,
                       [this](std::string_view how, const chat::Usage&) { outcome = how; });
    EXPECT_TRUE(service.scripts[0]->cancelled);
    EXPECT_EQ(settled().tokens.prompt, 3);
    EXPECT_FALSE(exchange->response) << "answered before the usage row was committed";
    commit();
    ASSERT_TRUE(exchange->response);
    EXPECT_EQ(exchange->response->status, 503u);
    EXPECT_EQ(outcome, "refused");
    exchange->close();
  }
}

TEST_F(AnswerSessionTest, ARevokedKeyEndsAStreamWithAnErrorAndAWholeAnswerWith401) {
  for (const bool stream : {true, false}) {
    gate.log.settled.clear();
    service.scripts.clear();
    exchange = std::make_shared<FakeExchange>();
    run(stream);
    add(chat::ContentDelta{0, "half"});
    wake();
    gate.log.revoke();
    exchange->run_posted();
    EXPECT_TRUE(service.scripts[0]->cancelled);
    EXPECT_EQ(settled().outcome, Outcome::kRevoked);
    EXPECT_EQ(settled().status, 401);
    commit();
    if (stream) {
      EXPECT_TRUE(exchange->finished);
      EXPECT_NE(exchange->written.find(R"("code":"invalid_api_key")"), std::string::npos);
      EXPECT_TRUE(exchange->written.ends_with("data: [DONE]\n\n"));
    } else {
      ASSERT_TRUE(exchange->response);
      EXPECT_EQ(exchange->response->status, 401u);
    }
    EXPECT_EQ(outcome, "revoked");
    exchange->close();
  }
}

TEST_F(AnswerSessionTest, SeveralPromptsAreOneAnswerAndOneRow) {
  run(false, 2);
  add(chat::ContentDelta{0, "second"}, 1);
  add(chat::ChoiceFinished{0, chat::FinishReason::kStop}, 1);
  add(chat::Completed{{4, 1, 0, 0}, "b"}, 1);
  wake(1);
  EXPECT_TRUE(gate.log.settled.empty());
  add(chat::ContentDelta{0, "first"}, 0);
  add(chat::ChoiceFinished{0, chat::FinishReason::kLength}, 0);
  add(chat::Completed{{3, 2, 0, 0}, "a"}, 0);
  wake(0);
  commit();
  ASSERT_TRUE(exchange->response);
  const std::string& body = exchange->response->body;
  EXPECT_NE(body.find(R"({"text":"first","index":0,"logprobs":null,"finish_reason":"length"},)"
                      R"({"text":"second","index":1,)"),
            std::string::npos)
      << body;
  EXPECT_NE(body.find(R"("prompt_tokens":7,"completion_tokens":3,"total_tokens":10)"),
            std::string::npos);
  EXPECT_EQ(header_of(exchange->response->headers, "X-Tessera-Output-Digest"),
            to_hex(sha256("ab")));
  EXPECT_EQ(settled().tokens.prompt, 7);
}

TEST_F(AnswerSessionTest, OnePromptThatFailsFailsAllAndCancelsTheOthers) {
  run(true, 2);
  add(chat::Failed{{ErrorCode::kResourceExhausted, ""}}, 1);
  wake(1);
  commit();
  EXPECT_TRUE(service.scripts[0]->cancelled);
  EXPECT_NE(exchange->written.find(R"("code":"server_overloaded")"), std::string::npos);
  EXPECT_EQ(settled().tokens.prompt, 6);
}

}  // namespace
}  // namespace tessera::api
