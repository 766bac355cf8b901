// One request's way out: engine events in, chat events out. One thread at a time (its connection's
// strand).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "chat/output_parser.h"
#include "chat/service.h"
#include "engine/engine.h"

namespace tessera::local {

class LocalChatStream final : public chat::ChatStream {
 public:
  LocalChatStream(engine::Engine& engine, const std::shared_ptr<const text::Tokenizer>& tokenizer,
                  const chat::OutputOptions& output, std::int32_t choices,
                  std::int64_t prompt_tokens);
  ~LocalChatStream() override { cancel(); }

  void attach(engine::Engine::Submitted submitted) { submitted_ = std::move(submitted); }

  std::optional<chat::ChatEvent> next() override;
  void cancel() override;
  chat::Usage usage() const override;

 private:
  struct Choice {
    chat::OutputParser parser;
    std::vector<TokenId> tokens;  // that the answer is made of
    bool finished = false;
  };

  void handle(const engine::EngineEvent& event);
  void on_token(const engine::TokenEvent& event);
  std::optional<chat::ContentLogprob> to_logprob(const engine::TokenEvent& event) const;
  void end_choice(Choice& choice, chat::OutputEnd end);
  void complete();

  engine::Engine& engine_;
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::optional<engine::Engine::Submitted> submitted_;
  std::vector<Choice> choices_;
  const std::int64_t prompt_tokens_;
  std::int64_t cached_tokens_ = 0;
  std::vector<chat::ChatEvent> events_;  // that next() gives out, from next_event_ on
  std::size_t next_event_ = 0;
  bool over_ = false;  // the terminal event is in events_
};

}  // namespace tessera::local
