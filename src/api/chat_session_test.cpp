// A session between a service that does as told and a connection that can be slow or leave.
#include "api/chat_session.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/json.h"

namespace tessera::api {
namespace {

struct Script {
  std::deque<chat::ChatEvent> events;
  bool cancelled = false;
  std::function<void()> on_ready;
};

class ScriptedStream final : public chat::ChatStream {
 public:
  explicit ScriptedStream(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedStream() override { cancel(); }
  std::optional<chat::ChatEvent> next() override {
    if (script_->events.empty()) return std::nullopt;
    chat::ChatEvent event = std::move(script_->events.front());
    script_->events.pop_front();
    return event;
  }
  void cancel() override { script_->cancelled = true; }
  chat::Usage usage() const override { return {.prompt_tokens = 3}; }

 private:
  std::shared_ptr<Script> script_;
};

class ScriptedService final : public chat::ChatService {
 public:
  std::shared_ptr<Script> script = std::make_shared<Script>();
  std::optional<chat::Refusal> refusal;

  const chat::ModelInfo& model() const override { return info_; }
  bool ready() const override { return true; }
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> start(
      chat::ChatRequest, std::function<void()> on_ready) override {
    if (refusal) return Unexpected{*refusal};
    script->on_ready = std::move(on_ready);
    return std::unique_ptr<chat::ChatStream>(std::make_unique<ScriptedStream>(script));
  }
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> start_text(
      chat::TextRequest, std::function<void()> on_ready) override {
    return start({}, std::move(on_ready));
  }
  Result<chat::PromptFacts, chat::Refusal> measure(const chat::ChatRequest&) override {
    return chat::PromptFacts{};
  }
  Result<std::vector<TokenId>, chat::Refusal> tokenise(std::string_view, bool) override {
    return std::vector<TokenId>{};
  }
  Result<std::string, chat::Refusal> detokenise(std::span<const TokenId>) override {
    return std::string();
  }

 private:
  chat::ModelInfo info_;
};

// Everything at once on this thread; posted work runs when the test says so.
class FakeExchange final : public http::Exchange {
 public:
  void respond(http::Response answer) override { response = std::move(answer); }
  void start_stream(unsigned status, std::vector<http::Header>) override { stream_status = status; }
  void write(std::string frame) override {
    written += frame;
    waiting += frame.size();
  }
  void finish_stream(std::vector<http::Header>) override { finished = true; }
  std::size_t buffered() const override { return waiting; }
  void post(std::function<void()> work) override { posted.push_back(std::move(work)); }
  void on_disconnect(std::function<void()> callback) override { disconnect = std::move(callback); }
  void on_writable(std::function<void()> callback) override { writable = std::move(callback); }

  void run_posted() {
    while (!posted.empty()) {
      const auto work = std::move(posted.front());
      posted.pop_front();
      work();
    }
  }

  std::optional<http::Response> response;
  unsigned stream_status = 0;
  std::string written;
  std::size_t waiting = 0;
  bool finished = false;
  std::deque<std::function<void()>> posted;
  std::function<void()> disconnect;
  std::function<void()> writable;
};

class ChatSessionTest : public testing::Test {
 protected:
  // A connection always ends; it then lets go of the session.
  void TearDown() override {
    if (exchange->disconnect) exchange->disconnect();
    exchange->disconnect = exchange->writable = nullptr;
  }

  void run(bool stream) {
    ChatSession::Options options;
    options.identity = {"chatcmpl-1", 5, "m", "fp"};
    options.stream = stream;
    options.high_water_bytes = 1000;
    ChatSession::run(service, {}, options, exchange,
                     [this](std::string_view how, const chat::Usage&) { outcome = how; });
  }
  void add(chat::ChatEvent event) { service.script->events.push_back(std::move(event)); }
  void wake() {
    service.script->on_ready();
    exchange->run_posted();
  }

  ScriptedService service;
  std::shared_ptr<FakeExchange> exchange = std::make_shared<FakeExchange>();
  std::string outcome;
};

TEST_F(ChatSessionTest, CollectsAWholeAnswer) {
  add(chat::ContentDelta{0, "Hel"});
  run(false);
  EXPECT_FALSE(exchange->response);
  add(chat::ContentDelta{0, "lo"});
  add(chat::ChoiceFinished{0, chat::FinishReason::kStop});
  add(chat::Completed{{3, 2, 0, 0}, "digest"});
  wake();
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 200u);
  EXPECT_NE(exchange->response->body.find(R"("content":"Hello")"), std::string::npos);
  EXPECT_TRUE(json::parse(exchange->response->body));
  EXPECT_EQ(outcome, "ok");
}

TEST_F(ChatSessionTest, StreamsRoleFirstAndDoneLast) {
  run(true);
  EXPECT_EQ(exchange->stream_status, 200u);
  EXPECT_NE(exchange->written.find(R"("delta":{"role":"assistant","content":""})"),
            std::string::npos);
  add(chat::ContentDelta{0, "data: [DONE]\n\n"});  // text that looks like our framing stays text
  add(chat::ChoiceFinished{0, chat::FinishReason::kStop});
  add(chat::Completed{});
  wake();
  EXPECT_TRUE(exchange->finished);
  EXPECT_TRUE(exchange->written.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(exchange->written.find("data: [DONE]"),
            exchange->written.find(R"("data: [DONE]\n\n")") + 1);
}

TEST_F(ChatSessionTest, WaitsForASlowReader) {
  run(true);
  exchange->waiting = 0;
  for (int i = 0; i < 100; ++i) add(chat::ContentDelta{0, std::string(100, 'x')});
  wake();
  EXPECT_GT(service.script->events.size(), 80u);  // stopped at the high-water mark
  const std::size_t before = service.script->events.size();
  exchange->waiting = 0;
  exchange->writable();
  EXPECT_LT(service.script->events.size(), before);
  EXPECT_FALSE(service.script->events.empty());
}

TEST_F(ChatSessionTest, CancelsWhenTheClientLeaves) {
  run(true);
  EXPECT_FALSE(service.script->cancelled);
  exchange->disconnect();
  EXPECT_TRUE(service.script->cancelled);
  EXPECT_EQ(outcome, "cancelled");
  wake();  // a late wake-up finds nobody
}

TEST_F(ChatSessionTest, ACutStreamNeverLooksFinished) {
  run(true);
  add(chat::ContentDelta{0, "half"});
  add(chat::Failed{{ErrorCode::kNumerical, "internal detail /path"}});
  wake();
  EXPECT_TRUE(exchange->finished);
  EXPECT_NE(exchange->written.find(R"("code":"numerical_error")"), std::string::npos);
  EXPECT_EQ(exchange->written.find("internal detail"), std::string::npos);
  EXPECT_EQ(exchange->written.find(R"("finish_reason":"stop")"), std::string::npos);
  EXPECT_EQ(outcome, "failed");
}

TEST_F(ChatSessionTest, FailureBeforeTheAnswerIsAStatus) {
  run(false);
  add(chat::Failed{{ErrorCode::kUnavailable, ""}});
  wake();
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 503u);
}

TEST_F(ChatSessionTest, RefusalsAreStatusesAlsoWhenStreaming) {
  service.refusal = chat::Refusal{chat::RefusalCode::kOverloaded, "full", "", 7};
  run(true);
  ASSERT_TRUE(exchange->response);
  EXPECT_EQ(exchange->response->status, 503u);
  EXPECT_EQ(exchange->stream_status, 0u);
  EXPECT_NE(std::find(exchange->response->headers.begin(), exchange->response->headers.end(),
                      http::Header("Retry-After", "7")),
            exchange->response->headers.end());
}

}  // namespace
}  // namespace tessera::api
