#include "api/parse_chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/chat_fields.h"
#include "api/request_context.h"

namespace tessera::api {
namespace {

Parsed<void> check_top_logprobs(Context& context) {
  const bool wanted = context.logprobs.value_or(false);
  if (context.top_logprobs.value_or(0) > 0 && !wanted) {
    return refuse(ErrorId::kInvalidValue,
                  "The 'top_logprobs' parameter is only allowed when 'logprobs' is true.",
                  "top_logprobs");
  }
  if (wanted) context.chat->chat.top_logprobs = context.top_logprobs.value_or(0);
  return {};
}

Parsed<void> check_tool_choice(Context& context) {
  chat::ChatRequest& request = context.chat->chat;
  const auto of_tools = [](const ApiError& e) { return e.param.starts_with("tools"); };
  const bool tools_unknown =
      context.problems != nullptr &&
      std::any_of(context.problems->begin(), context.problems->end(), of_tools);
  if (context.tool_choice == nullptr || tools_unknown) return {};
  TRY_ASSIGN(request.tool_choice, parse_tool_choice(*context.tool_choice, request.prompt.tools));
  return {};
}

Parsed<void> check_continued_message(const Context& context) {
  const chat::PromptInput& prompt = context.chat->chat.prompt;
  if (!prompt.continue_final_message || prompt.messages.empty()) return {};
  const chat::Message& last = prompt.messages.back();
  if (last.role == chat::Role::kAssistant && last.tool_calls.empty()) return {};
  return refuse(
      ErrorId::kInvalidValue,
      "'continue_final_message' needs an assistant message without tool calls at the end.",
      "continue_final_message");
}

// Its beginning is the client's: the form could not be promised of the whole.
Parsed<void> check_continued_form(const Context& context) {
  const chat::ChatRequest& request = context.chat->chat;
  if (!request.prompt.continue_final_message) return {};
  const auto mode = request.tool_choice.mode;
  const bool must_call =
      mode == chat::ToolChoice::Mode::kRequired || mode == chat::ToolChoice::Mode::kNamed;
  if (request.response_format.kind == chat::ResponseFormat::Kind::kText && !must_call) return {};
  return refuse(ErrorId::kInvalidValue,
                "'continue_final_message' cannot be combined with a JSON 'response_format' or a "
                "'tool_choice' that asks for a call.",
                "continue_final_message");
}

// What concerns more than one field.
Parsed<void> finish(const json::Object& body, Context& context) {
  chat::ChatRequest& request = context.chat->chat;
  if (context.max_completion_tokens) {
    request.max_tokens = context.max_completion_tokens;
    request.max_tokens_field = "max_completion_tokens";
  }
  if (request.thinking_budget == 0) request.prompt.enable_thinking = false;
  TRY(settle(check_stream_options(body, context), context));
  TRY(settle(check_top_logprobs(context), context));
  TRY(settle(map_functions(context), context));
  TRY(settle(check_tool_choice(context), context));
  TRY(settle(check_continued_message(context), context));
  TRY(settle(check_continued_form(context), context));
  if (!context.options.reading.as_template) map_custom_tools(request);
  return {};
}

Parsed<ChatCompletionRequest> read_chat(std::string_view body, const ParseOptions& options,
                                        std::vector<ApiError>* problems) {
  TRY_ASSIGN(const json::Value parsed, parse_body(body));
  ChatCompletionRequest request;
  chat::ChatRequest& chat = request.chat;
  Context context{.options = options,
                  .table = chat_fields(),
                  .common = request,
                  .sampling = chat.sampling,
                  .stop = chat.stop,
                  .max_tokens = chat.max_tokens,
                  .choices = chat.choices,
                  .chat = &request,
                  .problems = problems};
  TRY(read_fields(*parsed.if_object(), context));
  TRY(finish(*parsed.if_object(), context));
  return request;
}

// A fault in what the prompt is made of.
bool shapes_prompt(const ApiError& fault) {
  constexpr std::string_view kFields[] = {"messages",        "tools",
                                          "functions",       "chat_template_kwargs",
                                          "thinking_budget", "continue_final_message"};
  const std::string_view path = fault.param;
  const std::string_view field = path.substr(0, path.find_first_of(".["));
  return std::find(std::begin(kFields), std::end(kFields), field) != std::end(kFields);
}

}  // namespace

Parsed<ChatCompletionRequest> parse_chat(std::string_view body, const ParseOptions& options) {
  return read_chat(body, options, nullptr);
}

CheckedChat check_chat(std::string_view body, const ParseOptions& options) {
  CheckedChat checked;
  auto parsed = read_chat(body, options, &checked.problems);
  if (!parsed) {
    checked.problems.push_back(std::move(parsed.error()));
  } else {
    checked.request = *std::move(parsed);
    checked.prompt_known =
        !checked.request.chat.prompt.messages.empty() &&
        std::none_of(checked.problems.begin(), checked.problems.end(), shapes_prompt);
  }
  return checked;
}

}  // namespace tessera::api
