// The chat service over the engine in this process: messages to tokens on the way in, tokens to
// chat events on the way out. Everything that is text happens here and in chat/, on the caller's
// (I/O) thread; the engine sees tokens alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/sha256.h"
#include "chat/output_parser.h"
#include "chat/prompt.h"
#include "chat/service.h"
#include "engine/engine.h"
#include "grammar/grammar.h"
#include "grammar/vocabulary.h"
#include "local/answer_grammar.h"
#include "local/thinking_budget.h"
#include "local/way_tokens.h"
#include "text/tokenizer.h"

namespace tessera::local {

struct LocalOptions {
  chat::ModelInfo model;  // max_context is what one request may use, prompt and answer together
  std::function<bool()> healthy = [] { return true; };  // false: nothing can be answered any more
  // What an overloaded server tells its clients while it does not know how long its backlog takes.
  std::int32_t retry_after_s = 5;
  // SHA-256 of system prompts whose state all accounts may share in the prefix cache.
  std::vector<Sha256> shared_prompts;
};

class LocalChatService final : public chat::ChatService {
 public:
  // The vocabulary must have Qwen's control tokens; the error names the one that is missing.
  static Result<std::unique_ptr<LocalChatService>> create(
      engine::Engine& engine, std::shared_ptr<const text::Tokenizer> tokenizer,
      LocalOptions options);

  const chat::ModelInfo& model() const override { return options_.model; }
  bool ready() const override { return options_.healthy() && engine_.healthy(); }
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> start(
      chat::ChatRequest request, std::function<void()> on_ready) override;
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> start_text(
      chat::TextRequest request, std::function<void()> on_ready) override;
  Result<chat::PromptFacts, chat::Refusal> measure(const chat::ChatRequest& request) override;
  Result<std::vector<TokenId>, chat::Refusal> tokenise(std::string_view text,
                                                       bool control) override;
  Result<std::string, chat::Refusal> detokenise(std::span<const TokenId> tokens) override;

 private:
  LocalChatService(engine::Engine& engine, std::shared_ptr<const text::Tokenizer> tokenizer,
                   LocalOptions options);

  struct Room;  // for prompt and answer

  std::int32_t retry_after_s() const;
  std::int32_t count_shared(const chat::ChatRequest& request,
                            std::span<const std::int32_t> boundaries) const;

  engine::SamplingParams resolve_sampling(const chat::Sampling& given,
                                          const chat::Sampling& standard) const;
  Result<Room, chat::Refusal> measure_room(std::size_t prompt_tokens, std::int32_t max_context,
                                           std::optional<std::int32_t> max_tokens,
                                           std::int32_t choices, std::string_view param) const;
  Result<std::vector<TokenId>, chat::Refusal> text_prompt(
      std::variant<std::string, std::vector<TokenId>> prompt) const;
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> submit(engine::EngineRequest request,
                                                                  const chat::OutputOptions& output,
                                                                  std::function<void()> on_ready);
  bool has_text(TokenId token) const;
  void ask_for_logprobs(std::optional<std::int32_t> top, engine::EngineRequest& request) const;
  // What holds the answer to its form.
  struct Form;
  Result<Form, chat::Refusal> find_form(const chat::ChatRequest& request, bool in_reasoning,
                                        const Room& room);
  std::shared_ptr<const ThinkingPlan> plan_thinking(std::int32_t budget) const;
  void constrain(Form form, engine::EngineRequest& request) const;

  engine::Engine& engine_;
  const std::shared_ptr<const text::Tokenizer> tokenizer_;
  const LocalOptions options_;
  grammar::VocabularyPtr vocabulary_;
  AnswerGrammars grammars_;
  std::shared_ptr<const WayTokens> ways_;
  std::vector<TokenId> end_tokens_;
  std::vector<TokenId> never_sampled_;  // padding rows and unused ids
  TokenId tool_call_ = 0;
  TokenId think_open_ = 0;
  TokenId think_close_ = 0;
  TokenId end_of_text_ = 0;
};

}  // namespace tessera::local
