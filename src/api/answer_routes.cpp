// POST /v1/chat/completions and /v1/completions: a typed request to a running answer.
#include <fmt/format.h>

#include <algorithm>

#include "api/chat_format.h"
#include "api/handler.h"
#include "api/parse_completion.h"
#include "api/text_format.h"
#include "base/log.h"
#include "base/sha256.h"

namespace tessera::api {
namespace {

// Whether a grammar may have to be compiled.
bool has_form(const chat::ChatRequest& chat) {
  const bool callable =
      !chat.prompt.tools.empty() && chat.tool_choice.mode != chat::ToolChoice::Mode::kNone;
  return callable || chat.response_format.kind == chat::ResponseFormat::Kind::kJsonSchema;
}

}  // namespace

ParseOptions ApiHandler::parse_options(const access::Caller& caller) const {
  ParseOptions options;
  options.vocabulary = service_.model().vocabulary;
  options.max_choices = std::min<std::int64_t>(options_.max_choices, caller.tier->max_choices);
  options.strict = options_.strict_parameters;
  return options;
}

ApiError ApiHandler::explain(const chat::Refusal& refusal, const access::Caller& caller) const {
  ApiError error = to_api_error(refusal);
  if (error.id == ErrorId::kContextLengthExceeded) {
    error.message +=
        fmt::format(" (Tier '{}': up to {} tokens; the model here: up to {}.)", caller.tier->name,
                    caller.context_tokens, service_.model().max_context);
    error.status = options_.context_overflow_status;
  }
  return error;
}

// What the caller's tier allows less of than was asked for.
void ApiHandler::limit_to_tier(chat::ChatRequest& request, const access::Caller& caller) const {
  request.account = caller.account;
  request.weight = caller.tier->weight;
  request.max_context = caller.context_tokens;
  if (const auto cap = caller.tier->thinking_budget_tokens)
    request.thinking_budget = std::min(request.thinking_budget.value_or(*cap), *cap);
}

std::vector<http::Header> ApiHandler::ignored_header(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  ignored_parameters_ += static_cast<std::int64_t>(names.size());
  return {{"X-Tessera-Ignored-Params", printable_names(names)}};
}

Identity ApiHandler::identity(std::string id, const std::string& model) const {
  return {std::move(id), clock_.unix_seconds(), model, service_.model().fingerprint};
}

template <class Request>
void ApiHandler::start(const Call& call, std::string_view endpoint, std::string id,
                       const Request& request, std::int32_t choices_of_each,
                       std::int64_t reasoning_tokens, std::unique_ptr<AnswerFormat> format,
                       const std::vector<AnswerSession::Start>& prompts) {
  auto admission =
      gate_.admit(call.caller(), {id, std::string(endpoint), call.head.client_address,
                                  std::string(call.head.header("User-Agent")), reasoning_tokens});
  if (!admission) {
    CommonHeaders headers = call.headers;
    if (admission.error().rate) headers.rate = admission.error().rate;
    return Call{call.head, call.body, call.exchange, headers}.refuse(
        to_api_error(admission.error()));
  }
  AnswerSession::Options session;
  session.id = id;
  session.stream = request.stream;
  session.choices = choices_of_each;
  session.headers = call.headers;
  session.latency = &latency_.of(call.caller().tier->name);
  session.arrived = clock_.now();
  session.clock = &clock_;
  session.aside = call.aside;
  for (http::Header& header : ignored_header(request.ignored))
    session.headers.fixed.push_back(std::move(header));
  auto log_end = [id = std::move(id), address = call.head.client_address, start = session.arrived,
                  &clock = clock_](std::string_view outcome, const chat::Usage& usage) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - start);
    log_info("{} {} from {}: {} prompt + {} completion tokens, {} ms", id, outcome, address,
             usage.prompt_tokens, usage.completion_tokens, elapsed.count());
  };
  AnswerSession::run(prompts, std::move(session), std::move(format), *std::move(admission),
                     call.exchange, std::move(log_end));
}

void ApiHandler::chat_completions(const Call& call) {
  auto parsed = parse_chat(call.body, parse_options(call.caller()));
  if (!parsed) return call.refuse(parsed.error());
  if (const auto error = refuse_model(parsed->model, call.caller())) return call.refuse(*error);
  limit_to_tier(parsed->chat, call.caller());
  if (call.aside || !has_form(parsed->chat)) return answer_chat(call, *parsed);
  const auto request = std::make_shared<ChatCompletionRequest>(*std::move(parsed));
  put_aside(call, {}, [this, request](const Call& later) { answer_chat(later, *request); });
}

void ApiHandler::answer_chat(const Call& call, ChatCompletionRequest& request) {
  chat::ChatRequest& chat = request.chat;

  ChatShape shape;
  shape.include_usage = request.include_usage;
  shape.obfuscate = request.include_obfuscation;
  shape.choices = chat.choices;
  shape.thinking = chat.prompt.enable_thinking && chat.thinking_budget != 0;
  shape.reasoning_alias = options_.reasoning_alias;
  shape.logprobs = chat.top_logprobs.has_value();
  shape.function_calls = request.function_calls;
  shape.metadata = std::move(request.metadata);
  const std::int32_t answer =
      std::min(chat.max_tokens.value_or(context_of(call.caller())), context_of(call.caller()));
  const std::int64_t reasoning =
      shape.thinking
          ? std::int64_t{std::min(chat.thinking_budget.value_or(answer), answer)} * chat.choices
          : 0;
  std::string id = "chatcmpl-" + random_alphanumeric(29);
  auto format = std::make_unique<ChatFormat>(identity(id, request.model), std::move(shape));
  const std::int32_t choices = chat.choices;
  start(
      call, "chat.completions", std::move(id), request, choices, reasoning, std::move(format),
      {[&](std::function<void()> on_ready) -> Result<std::unique_ptr<chat::ChatStream>, ApiError> {
        auto started = service_.start(std::move(chat), std::move(on_ready));
        if (!started && request.function_calls) use_older_names(started.error());
        if (!started) return Unexpected{explain(started.error(), call.caller())};
        return *std::move(started);
      }});
}

void ApiHandler::completions(const Call& call) {
  auto parsed = parse_completion(call.body, parse_options(call.caller()));
  if (!parsed) return call.refuse(parsed.error());
  if (const auto error = refuse_model(parsed->model, call.caller())) return call.refuse(*error);
  chat::TextRequest& text = parsed->text;
  if (parsed->echo && text.top_logprobs) {
    return call.refuse({ErrorId::kUnsupportedValue,
                        "'echo' and 'logprobs' do not go together here: the log probabilities of a "
                        "prompt's own tokens are not computed.",
                        "echo"});
  }
  text.account = call.caller().account;
  text.weight = call.caller().tier->weight;
  text.max_context = call.caller().context_tokens;

  TextShape shape;
  shape.include_usage = parsed->include_usage;
  shape.obfuscate = parsed->include_obfuscation;
  shape.choices = text.choices * static_cast<std::int32_t>(parsed->prompts.size());
  shape.logprobs = text.top_logprobs.has_value();
  if (parsed->echo) {
    for (const auto& prompt : parsed->prompts) {
      std::string shown;
      if (const auto* ids = std::get_if<std::vector<TokenId>>(&prompt)) {
        auto bytes = service_.detokenise(*ids);
        if (!bytes) return call.refuse(explain(bytes.error(), call.caller()));
        shown = with_replacements(*bytes);
      } else {
        shown = std::get<std::string>(prompt);
      }
      shape.echo.insert(shape.echo.end(), static_cast<std::size_t>(text.choices), shown);
    }
  }
  std::vector<AnswerSession::Start> prompts;
  for (auto& prompt : parsed->prompts) {
    prompts.push_back(
        [&](std::function<void()> on_ready) -> Result<std::unique_ptr<chat::ChatStream>, ApiError> {
          chat::TextRequest request = text;
          request.prompt = std::move(prompt);
          auto started = service_.start_text(std::move(request), std::move(on_ready));
          if (!started) return Unexpected{explain(started.error(), call.caller())};
          return *std::move(started);
        });
  }
  std::string id = "cmpl-" + random_alphanumeric(29);
  auto format = std::make_unique<TextFormat>(identity(id, parsed->model), std::move(shape));
  start(call, "completions", std::move(id), *parsed, text.choices, 0, std::move(format), prompts);
}

}  // namespace tessera::api
