// The local service over an engine whose model is a script, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/fake_backend.h"
#include "local/local_service.h"
#include "text/test_vocabulary.h"

namespace tessera::local {

inline constexpr std::string_view kAdded[] = {"<|endoftext|>",    "<|im_start|>", "<|im_end|>",
                                              "<tool_call>",      "</tool_call>", "<tool_response>",
                                              "</tool_response>", "<think>",      "</think>"};

struct Answer {
  std::string reasoning;
  std::string content;  // of choice 0
  std::vector<std::string> contents = std::vector<std::string>(8);
  std::vector<std::vector<chat::ContentLogprob>> logprobs =
      std::vector<std::vector<chat::ContentLogprob>>(8);
  std::vector<std::string> calls;
  std::vector<chat::FinishReason> finishes;
  std::optional<chat::Completed> completed;
  std::optional<Error> failed;
};

class LocalServiceTest : public testing::Test {
 protected:
  LocalServiceTest() {
    text::TestVocabulary vocabulary;
    for (const std::string_view literal : kAdded)
      vocabulary.add(std::string(literal), text::TokenKind::kUserDefined);
    padding_ = vocabulary.add("[PAD]", text::TokenKind::kUnused);
    tokenizer_ = vocabulary.make();
  }

  std::vector<TokenId> ids(std::string_view text) const {
    std::vector<TokenId> out;
    tokenizer_->encode_with_added_tokens(text, out);
    return out;
  }

  void start(engine::FakeScript script, std::int32_t context = 4096,
             const engine::EngineOptions& engine_options = {}) {
    engine::FakeOptions options;
    options.script = std::move(script);
    options.limits.vocabulary = tokenizer_->vocabulary_size();
    options.limits.max_context = 4096;
    engine_ = engine::Engine::create(std::make_unique<engine::FakeBackend>(std::move(options)),
                                     engine_options);
    LocalOptions local;
    local.model.max_context = context;
    local.model.vocabulary = tokenizer_->vocabulary_size();
    local.model.default_direct.temperature = 0.0;
    local.model.default_thinking.temperature = 0.0;
    auto service = LocalChatService::create(*engine_, tokenizer_, local);
    ASSERT_TRUE(service) << service.error().message;
    service_ = *std::move(service);
  }
  void says(std::string_view text) {
    start(engine::script_responses({ids(text)}, ids("<|im_end|>")[0]));
  }

  static chat::ChatRequest request(std::string content = "Hi") {
    chat::ChatRequest made;
    made.prompt.messages.emplace_back();
    made.prompt.messages.back().content = std::move(content);
    return made;
  }
  // What a request is refused with; a dry run says the same.
  chat::Refusal refused(const chat::ChatRequest& made) {
    const auto measured = service_->measure(made);
    const auto started = service_->start(made, [] {});
    EXPECT_FALSE(started);
    EXPECT_TRUE(measured && measured->refusal);
    if (started || !measured || !measured->refusal) return {};
    EXPECT_EQ(measured->refusal->param, started.error().param);
    EXPECT_EQ(measured->refusal->message, started.error().message);
    return started.error();
  }

  static chat::TextRequest text_request(std::variant<std::string, std::vector<TokenId>> prompt) {
    chat::TextRequest made;
    made.prompt = std::move(prompt);
    return made;
  }

  Answer ask(chat::ChatRequest made) {
    return read(service_->start(std::move(made), [this] { ring(); }));
  }
  Answer ask(chat::TextRequest made) {
    return read(service_->start_text(std::move(made), [this] { ring(); }));
  }
  void ring() {
    std::lock_guard lock(mutex_);
    ready_ = true;
    wake_.notify_one();
  }
  Answer read(Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> started) {
    EXPECT_TRUE(started) << started.error().message;
    Answer answer;
    while (!answer.completed && !answer.failed) {
      if (const auto event = (*started)->next()) {
        note(*event, answer);
        continue;
      }
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ready_; });
      ready_ = false;
    }
    EXPECT_EQ((*started)->next(), std::nullopt) << "something came after the terminal event";
    return answer;
  }

  static void note(const chat::ChatEvent& event, Answer& answer) {
    if (const auto* reasoning = std::get_if<chat::ReasoningDelta>(&event))
      answer.reasoning += reasoning->text;
    if (const auto* content = std::get_if<chat::ContentDelta>(&event)) {
      if (content->choice == 0) answer.content += content->text;
      answer.contents.at(static_cast<std::size_t>(content->choice)) += content->text;
      auto& logprobs = answer.logprobs.at(static_cast<std::size_t>(content->choice));
      logprobs.insert(logprobs.end(), content->logprobs.begin(), content->logprobs.end());
    }
    if (const auto* call = std::get_if<chat::ToolCallStart>(&event))
      answer.calls.push_back(call->name);
    if (const auto* piece = std::get_if<chat::ToolCallArguments>(&event))
      answer.calls.back() += piece->text;
    if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
      answer.finishes.push_back(finish->reason);
    if (const auto* completed = std::get_if<chat::Completed>(&event)) answer.completed = *completed;
    if (const auto* failed = std::get_if<chat::Failed>(&event)) answer.failed = failed->error;
  }

  // Before the engine: its thread may still ring when the reader has all it waits for.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ready_ = false;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  TokenId padding_ = 0;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<LocalChatService> service_;
};

}  // namespace tessera::local
