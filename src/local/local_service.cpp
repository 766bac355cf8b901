#include "local/local_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/sha256.h"
#include "local/local_stream.h"

namespace tessera::local {
namespace {

using chat::Refusal;
using chat::RefusalCode;

std::uint64_t random_seed() {
  std::uint8_t bytes[8];
  fill_random(bytes);
  std::uint64_t seed;
  std::memcpy(&seed, bytes, sizeof seed);
  return seed;
}

Refusal to_refusal(const Error& error, std::int32_t retry_after_s) {
  switch (error.code) {
    case ErrorCode::kResourceExhausted:
      return {RefusalCode::kOverloaded,
              "The server has as many requests as it can hold. Please retry later.", "",
              retry_after_s};
    case ErrorCode::kUnavailable:
      return {RefusalCode::kDraining, "The server is shutting down. Please retry.", "",
              retry_after_s};
    case ErrorCode::kOutOfRange:
      return {RefusalCode::kContextLengthExceeded, error.message, "messages", 0};
    default:
      return {RefusalCode::kInternal, "The request could not be started.", "", 0};
  }
}

}  // namespace

LocalChatService::LocalChatService(engine::Engine& engine,
                                   std::shared_ptr<const text::Tokenizer> tokenizer,
                                   LocalOptions options)
    : engine_(engine), tokenizer_(std::move(tokenizer)), options_(std::move(options)) {}

Result<std::unique_ptr<LocalChatService>> LocalChatService::create(
    engine::Engine& engine, std::shared_ptr<const text::Tokenizer> tokenizer,
    LocalOptions options) {
  std::unique_ptr<LocalChatService> service(
      new LocalChatService(engine, std::move(tokenizer), std::move(options)));
  const text::Tokenizer& vocabulary = *service->tokenizer_;
  const auto find = [&](std::string_view literal) -> Result<TokenId> {
    if (const std::optional<TokenId> id = vocabulary.find_added(literal)) return *id;
    return fail(ErrorCode::kUnsupported,
                fmt::format("the vocabulary has no control token {}: this is no Qwen3.6 tokenizer",
                            literal));
  };
  for (const std::string_view literal :
       {"<|im_end|>", "<|endoftext|>"}) {  // generation_config.json has both as end tokens
    TRY_ASSIGN(const TokenId id, find(literal));
    service->end_tokens_.push_back(id);
  }
  TRY(find("<|im_start|>"));
  TRY(find("<think>"));
  TRY(find("</think>"));
  TRY_ASSIGN(service->tool_call_, find("<tool_call>"));
  for (TokenId id = 0; id < engine.limits().vocabulary; ++id) {
    if (id >= vocabulary.vocabulary_size() || vocabulary.kind(id) == text::TokenKind::kUnused)
      service->never_sampled_.push_back(id);
  }
  return service;
}

// The request's values over the checkpoint's defaults for the mode.
engine::SamplingParams LocalChatService::resolve_sampling(const chat::ChatRequest& request) const {
  const chat::Sampling& given = request.sampling;
  const chat::Sampling& standard = request.prompt.enable_thinking ? options_.model.default_thinking
                                                                  : options_.model.default_direct;
  const auto number = [](const std::optional<double>& value, const std::optional<double>& fallback,
                         double neutral) {
    return static_cast<float>(value.value_or(fallback.value_or(neutral)));
  };
  engine::SamplingParams params;
  params.temperature = number(given.temperature, standard.temperature, 1.0);
  params.top_p = number(given.top_p, standard.top_p, 1.0);
  params.min_p = number(given.min_p, standard.min_p, 0.0);
  params.top_k = given.top_k.value_or(standard.top_k.value_or(0));
  params.presence_penalty = number(given.presence_penalty, standard.presence_penalty, 0.0);
  params.frequency_penalty = number(given.frequency_penalty, standard.frequency_penalty, 0.0);
  params.repetition_penalty = number(given.repetition_penalty, standard.repetition_penalty, 1.0);
  params.seed = given.seed ? static_cast<std::uint64_t>(*given.seed) : random_seed();
  params.logit_bias = given.logit_bias;
  params.banned = never_sampled_;
  if (!request.prompt.tools.empty() && request.tool_choice == chat::ToolChoice::kNone)
    params.banned.push_back(tool_call_);
  return params;
}

Result<engine::EngineRequest, Refusal> LocalChatService::to_engine_request(
    const chat::ChatRequest& request, const chat::Prompt& prompt) const {
  auto tokens = chat::tokenise(prompt, *tokenizer_);
  if (!tokens)
    return Unexpected{Refusal{RefusalCode::kInternal, "The prompt could not be tokenised.", "", 0}};
  const auto prompt_tokens = static_cast<std::int64_t>(tokens->ids.size());
  const std::int64_t context = options_.model.max_context;
  if (prompt_tokens >= context) {  // at least one token of answer must fit
    return Unexpected{Refusal{RefusalCode::kContextLengthExceeded,
                              fmt::format("This model's maximum context length is {} tokens. "
                                          "However, your messages resulted in {} tokens. "
                                          "Please reduce the length of the messages.",
                                          context, prompt_tokens),
                              "messages", 0}};
  }
  engine::EngineRequest engine_request;
  engine_request.account = request.account;
  engine_request.prompt = std::move(tokens->ids);
  engine_request.boundaries = std::move(tokens->boundaries);
  const std::int64_t room = context - prompt_tokens;
  engine_request.max_tokens = static_cast<std::int32_t>(
      std::min<std::int64_t>(request.max_tokens.value_or(static_cast<std::int32_t>(room)), room));
  engine_request.end_tokens = end_tokens_;
  engine_request.sampling = resolve_sampling(request);
  engine_request.choices = request.choices;
  return engine_request;
}

Result<std::unique_ptr<chat::ChatStream>, Refusal> LocalChatService::start(
    chat::ChatRequest request, std::function<void()> on_ready) {
  const chat::Prompt prompt = chat::render_prompt(request.prompt);
  TRY_ASSIGN(engine::EngineRequest engine_request, to_engine_request(request, prompt));

  chat::OutputOptions output;
  output.starts_in_reasoning = prompt.ends_in_reasoning;
  output.stop = request.stop;
  if (!request.prompt.tools.empty())
    output.tools = std::make_shared<const chat::ToolSet>(std::move(request.prompt.tools));
  auto stream = std::make_unique<LocalChatStream>(
      engine_, tokenizer_, std::move(output), request.choices, request.parallel_tool_calls,
      static_cast<std::int64_t>(engine_request.prompt.size()));
  auto submitted = engine_.submit(std::move(engine_request), std::move(on_ready));
  if (!submitted) return Unexpected{to_refusal(submitted.error(), options_.retry_after_s)};
  stream->attach(*std::move(submitted));
  return std::unique_ptr<chat::ChatStream>(std::move(stream));
}

Result<std::unique_ptr<chat::ChatStream>, Refusal> LocalChatService::start_text(
    chat::TextRequest, std::function<void()>) {
  return Unexpected{Refusal{RefusalCode::kInternal, "Not there yet.", "", 0}};
}

Result<chat::PromptFacts, Refusal> LocalChatService::measure(const chat::ChatRequest&) {
  return Unexpected{Refusal{RefusalCode::kInternal, "Not there yet.", "", 0}};
}

Result<std::vector<TokenId>, Refusal> LocalChatService::tokenise(std::string_view, bool) {
  return Unexpected{Refusal{RefusalCode::kInternal, "Not there yet.", "", 0}};
}

Result<std::string, Refusal> LocalChatService::detokenise(std::span<const TokenId>) {
  return Unexpected{Refusal{RefusalCode::kInternal, "Not there yet.", "", 0}};
}

}  // namespace tessera::local
