#include "local/local_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/sha256.h"
#include "local/answer_constraint.h"
#include "local/local_stream.h"
#include "local/thinking_budget.h"
#include "local/token_digest.h"

namespace tessera::local {
namespace {

using chat::Refusal;
using chat::RefusalCode;

constexpr std::int32_t kEndless = std::numeric_limits<std::int32_t>::max();

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
    default:
      return {RefusalCode::kInternal, "The request could not be started.", "", 0};
  }
}

// The shortest answer of the form that was asked for does not fit.
Refusal refuse_way(std::int32_t needed, std::int32_t room, const chat::ChatRequest& request) {
  const std::string least =
      needed == kEndless ? fmt::format("more than {} bytes or a thousand free keys", kLongestWay)
                         : fmt::format("{} tokens", needed);
  if (request.max_tokens && *request.max_tokens <= room) {
    return {
        RefusalCode::kMaxTokensTooSmall,
        fmt::format("'{}' is {}, but the shortest answer of the form that was asked for has {}.",
                    request.max_tokens_field, room, least),
        request.max_tokens_field, 0};
  }
  return {RefusalCode::kContextLengthExceeded,
          fmt::format("The messages leave {} tokens of the context, but the shortest answer of the "
                      "form that was asked for has {}.",
                      room, least),
          "messages", 0};
}

// Whether the answer begins with a think block. A budget of nothing is direct mode.
bool thinks(const chat::ChatRequest& request) {
  return request.prompt.enable_thinking && request.thinking_budget != 0;
}

chat::Prompt render(const chat::ChatRequest& request) {
  if (thinks(request) == request.prompt.enable_thinking) return chat::render_prompt(request.prompt);
  chat::PromptInput input = request.prompt;
  input.enable_thinking = false;
  return chat::render_prompt(input);
}

Result<chat::TokenisedPrompt, Refusal> tokenise_prompt(const chat::Prompt& prompt,
                                                       const text::Tokenizer& tokenizer) {
  auto tokens = chat::tokenise(prompt, tokenizer);
  if (!tokens)
    return Unexpected{Refusal{RefusalCode::kInternal, "The prompt could not be tokenised.", "", 0}};
  return *std::move(tokens);
}

}  // namespace

struct LocalChatService::Room {
  std::int32_t context = 0;
  std::int32_t answer = 0;
};

struct LocalChatService::Form {
  grammar::GrammarPtr grammar;  // may be null
  std::optional<std::int32_t> thinking_budget;
  bool whole = false;  // it comes to its end within max_tokens
};

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
  TRY_ASSIGN(service->think_open_, find("<think>"));
  TRY_ASSIGN(service->think_close_, find("</think>"));
  TRY_ASSIGN(service->tool_call_, find("<tool_call>"));
  TRY_ASSIGN(service->end_of_text_, find("<|endoftext|>"));
  const std::int32_t rows = engine.limits().vocabulary;
  if (rows < vocabulary.vocabulary_size()) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the model knows {} tokens, fewer than the {} of its vocabulary", rows,
                            vocabulary.vocabulary_size()));
  }
  for (TokenId id = 0; id < rows; ++id) {
    if (!service->has_text(id)) service->never_sampled_.push_back(id);
  }
  service->vocabulary_ = grammar::Vocabulary::create(vocabulary, service->end_tokens_);
  grammar::warm_up(service->vocabulary_);
  service->ways_ = std::make_shared<const WayTokens>(service->tokenizer_, service->vocabulary_);
  return service;
}

bool LocalChatService::has_text(TokenId token) const {
  return token >= 0 && token < tokenizer_->vocabulary_size() &&
         tokenizer_->kind(token) != text::TokenKind::kUnused;
}

// The request's values over the checkpoint's.
engine::SamplingParams LocalChatService::resolve_sampling(const chat::Sampling& given,
                                                          const chat::Sampling& standard) const {
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
  return params;
}

void LocalChatService::ask_for_logprobs(std::optional<std::int32_t> top,
                                        engine::EngineRequest& request) const {
  request.top_logprobs = top;
  if (top) request.unlisted = never_sampled_;
}

std::shared_ptr<const ThinkingPlan> LocalChatService::plan_thinking(std::int32_t budget) const {
  const auto plan = std::make_shared<ThinkingPlan>();
  plan->tokenizer = tokenizer_;
  plan->budget = budget;
  plan->close = think_close_;
  tokenizer_->encode_text("\n", plan->newline);
  tokenizer_->encode_text("\n\n", plan->after_newlines);
  return plan;
}

Result<LocalChatService::Form, Refusal> LocalChatService::find_form(
    const chat::ChatRequest& request, bool in_reasoning, const Room& room) {
  Form form;
  TRY_ASSIGN(form.grammar, grammars_.compile(request, in_reasoning, *vocabulary_));
  if (in_reasoning) form.thinking_budget = request.thinking_budget;
  if (form.grammar == nullptr || request.cut_at_max_tokens) return form;
  form.whole = true;
  grammar::Machine machine(form.grammar);
  const auto way = grammar::shortest_end(machine, machine.start(), kLongestWay).way;
  if (way && way->empty()) return form;  // free text
  const std::int32_t needed = way ? ways_->count(*way) : kEndless;
  if (needed > room.answer) return Unexpected{refuse_way(needed, room.answer, request)};
  // </think> itself is the budget's.
  if (in_reasoning)
    form.thinking_budget =
        std::min(form.thinking_budget.value_or(room.answer), room.answer - needed + 1);
  return form;
}

// The budget is there only for an answer that begins inside the think block.
void LocalChatService::constrain(Form form, engine::EngineRequest& request) const {
  std::shared_ptr<const ThinkingPlan> plan;
  if (form.thinking_budget) {
    plan = plan_thinking(*form.thinking_budget);
    // A model that opens the block once more, then or later, would think beyond the budget.
    request.sampling.banned.push_back(think_open_);
  }
  if (form.grammar != nullptr) {
    const AnswerLimit limit{request.max_tokens, form.whole};
    request.make_constraint = [grammar = std::move(form.grammar), vocabulary = vocabulary_,
                               ways = ways_, plan, limit](std::int32_t) {
      return std::make_unique<AnswerConstraint>(grammar, vocabulary, ways, plan, limit);
    };
  } else if (plan != nullptr) {
    request.make_constraint = [plan](std::int32_t) {
      return std::make_unique<ThinkingBudget>(plan);
    };
  }
}

// A prompt that leaves room for one token at least; max_tokens cut to what is left.
Result<LocalChatService::Room, Refusal> LocalChatService::measure_room(
    std::size_t prompt_tokens, std::int32_t max_context, std::optional<std::int32_t> max_tokens,
    std::int32_t choices, std::string_view param) const {
  const model::BackendLimits limits = engine_.limits();
  Room room;
  room.context = std::min(options_.model.max_context, limits.max_context);
  if (max_context > 0) room.context = std::min(room.context, max_context);
  if (prompt_tokens >= static_cast<std::size_t>(room.context)) {
    return Unexpected{Refusal{RefusalCode::kContextLengthExceeded,
                              fmt::format("This model's maximum context length is {} tokens. "
                                          "However, your {} resulted in {} tokens. "
                                          "Please reduce the length of the {}.",
                                          room.context, param, prompt_tokens, param),
                              std::string(param), 0}};
  }
  if (choices > limits.max_sequences) {
    return Unexpected{Refusal{
        RefusalCode::kInvalidRequest,
        fmt::format("{} choices were asked for, but this server computes at most {} at once.",
                    choices, limits.max_sequences),
        "n", 0}};
  }
  room.answer = room.context - static_cast<std::int32_t>(prompt_tokens);
  if (max_tokens) room.answer = std::min(room.answer, *max_tokens);
  return room;
}

// The first turn, where it is a listed system prompt and nothing else: tools stand in it, too.
std::int32_t LocalChatService::count_shared(const chat::ChatRequest& request,
                                            std::span<const std::int32_t> boundaries) const {
  const chat::Message& first = request.prompt.messages.front();
  const bool is_plain = first.role == chat::Role::kSystem && request.prompt.tools.empty();
  if (!is_plain || boundaries.empty() || options_.shared_prompts.empty()) return 0;
  const Sha256 digest = sha256(first.content);
  const auto& listed = options_.shared_prompts;
  return std::find(listed.begin(), listed.end(), digest) == listed.end() ? 0 : boundaries.front();
}

// When what is in now is through, at the rate of late.
std::int32_t LocalChatService::retry_after_s() const {
  constexpr double kLongest = 600;
  const double backlog_s = engine_.stats().backlog_s;
  if (backlog_s <= 0) return options_.retry_after_s;
  return static_cast<std::int32_t>(std::clamp(std::ceil(backlog_s), 1.0, kLongest));
}

Result<std::unique_ptr<chat::ChatStream>, Refusal> LocalChatService::submit(
    engine::EngineRequest request, const chat::OutputOptions& output,
    std::function<void()> on_ready) {
  auto stream = std::make_unique<LocalChatStream>(engine_, tokenizer_, output, request.choices,
                                                  static_cast<std::int64_t>(request.prompt.size()));
  request.end_tokens = end_tokens_;
  auto submitted = engine_.submit(std::move(request), std::move(on_ready));
  if (!submitted) return Unexpected{to_refusal(submitted.error(), retry_after_s())};
  stream->attach(*std::move(submitted));
  return std::unique_ptr<chat::ChatStream>(std::move(stream));
}

Result<std::unique_ptr<chat::ChatStream>, Refusal> LocalChatService::start(
    chat::ChatRequest request, std::function<void()> on_ready) {
  const chat::Prompt prompt = render(request);
  TRY_ASSIGN(chat::TokenisedPrompt tokens, tokenise_prompt(prompt, *tokenizer_));
  TRY_ASSIGN(const Room room, measure_room(tokens.ids.size(), request.max_context,
                                           request.max_tokens, request.choices, "messages"));
  TRY_ASSIGN(Form form, find_form(request, prompt.ends_in_reasoning, room));
  engine::EngineRequest engine_request;
  engine_request.account = request.account;
  engine_request.weight = request.weight;
  engine_request.prompt = std::move(tokens.ids);
  engine_request.shared_tokens = count_shared(request, tokens.boundaries);
  engine_request.boundaries = std::move(tokens.boundaries);
  // A call's result continues the answer, and so does the next turn where its prompt keeps the
  // think block; else that leaves it out.
  engine_request.keep_answer = !request.prompt.tools.empty() || request.prompt.preserve_thinking;
  engine_request.max_tokens = room.answer;
  engine_request.choices = request.choices;
  engine_request.sampling =
      resolve_sampling(request.sampling, thinks(request) ? options_.model.default_thinking
                                                         : options_.model.default_direct);
  if (!request.prompt.tools.empty() && request.tool_choice.mode == chat::ToolChoice::Mode::kNone)
    engine_request.sampling.banned.push_back(tool_call_);
  const bool calls_fit = form.grammar != nullptr;
  constrain(std::move(form), engine_request);
  ask_for_logprobs(request.top_logprobs, engine_request);

  chat::OutputOptions output;
  output.starts_in_reasoning = prompt.ends_in_reasoning;
  output.calls_fit = calls_fit;
  output.stop = std::move(request.stop);
  if (!request.prompt.tools.empty())
    output.tools = std::make_shared<const chat::ToolSet>(std::move(request.prompt.tools),
                                                         request.custom_tools);
  return submit(std::move(engine_request), std::move(output), std::move(on_ready));
}

// Text becomes text tokens, whatever it spells. Ids are taken at their word, control tokens
// included: nobody's text can turn into one by accident.
Result<std::vector<TokenId>, Refusal> LocalChatService::text_prompt(
    std::variant<std::string, std::vector<TokenId>> prompt) const {
  std::vector<TokenId> ids;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    tokenizer_->encode_text(*text, ids);
  } else {
    ids = std::get<std::vector<TokenId>>(std::move(prompt));
    const std::int32_t vocabulary = engine_.limits().vocabulary;
    for (const TokenId id : ids) {
      if (has_text(id) && id < vocabulary) continue;
      return Unexpected{Refusal{RefusalCode::kInvalidRequest,
                                fmt::format("Token id {} is not in the model's vocabulary.", id),
                                "prompt", 0}};
    }
  }
  if (ids.empty()) ids.push_back(end_of_text_);  // what stands between texts in training
  return ids;
}

Result<std::unique_ptr<chat::ChatStream>, Refusal> LocalChatService::start_text(
    chat::TextRequest request, std::function<void()> on_ready) {
  engine::EngineRequest engine_request;
  TRY_ASSIGN(engine_request.prompt, text_prompt(std::move(request.prompt)));
  TRY_ASSIGN(const Room room, measure_room(engine_request.prompt.size(), request.max_context,
                                           request.max_tokens, request.choices, "prompt"));
  engine_request.account = request.account;
  engine_request.weight = request.weight;
  engine_request.max_tokens = room.answer;
  engine_request.choices = request.choices;
  engine_request.sampling = resolve_sampling(request.sampling, options_.model.default_direct);
  ask_for_logprobs(request.top_logprobs, engine_request);

  chat::OutputOptions output;
  output.plain = true;
  output.stop = std::move(request.stop);
  return submit(std::move(engine_request), std::move(output), std::move(on_ready));
}

Result<chat::PromptFacts, Refusal> LocalChatService::measure(const chat::ChatRequest& request) {
  const chat::Prompt prompt = render(request);
  TRY_ASSIGN(chat::TokenisedPrompt tokens, tokenise_prompt(prompt, *tokenizer_));
  TokenDigest digest;
  digest.add(tokens.ids);
  chat::PromptFacts facts;
  facts.tokens = static_cast<std::int64_t>(tokens.ids.size());
  facts.digest = digest.hex();
  facts.prompt = std::move(tokens.ids);
  const auto room = measure_room(facts.prompt.size(), request.max_context, request.max_tokens,
                                 request.choices, "messages");
  if (!room) {
    facts.refusal = room.error();
  } else if (const auto form = find_form(request, prompt.ends_in_reasoning, *room); !form) {
    facts.refusal = form.error();
  } else {
    facts.context = room->context;
    facts.max_answer = room->answer;
  }
  return facts;
}

Result<std::vector<TokenId>, Refusal> LocalChatService::tokenise(std::string_view text,
                                                                 bool control) {
  std::vector<TokenId> ids;
  control ? tokenizer_->encode_with_added_tokens(text, ids) : tokenizer_->encode_text(text, ids);
  return ids;
}

Result<std::string, Refusal> LocalChatService::detokenise(std::span<const TokenId> tokens) {
  for (const TokenId id : tokens) {
    if (id >= 0 && id < tokenizer_->vocabulary_size()) continue;
    return Unexpected{Refusal{
        RefusalCode::kInvalidRequest,
        fmt::format("Token id {} is not between 0 and {}.", id, tokenizer_->vocabulary_size() - 1),
        "tokens", 0}};
  }
  return tokenizer_->decode(tokens);
}

}  // namespace tessera::local
