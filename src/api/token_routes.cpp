// What a request comes to without an answer: POST /v1/chat/completions/input_tokens (a dry run),
// and POST /tokenize and /detokenize in the forms of llama.cpp and vLLM.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "api/fields.h"
#include "api/handler.h"
#include "api/request_context.h"
#include "base/utf8.h"

namespace tessera::api {
namespace {

constexpr Field kModel{.path = "model", .types = kString};
constexpr Field kContent{.path = "content",
                         .types = kString,
                         .string = {0, kRequestLimits.tokenize_bytes},
                         .in_bytes = true};
constexpr Field kPrompt{.path = "prompt",
                        .types = kString,
                        .string = {0, kRequestLimits.tokenize_bytes},
                        .in_bytes = true};
constexpr Field kParseSpecial{.path = "parse_special", .types = kBoolean};
constexpr Field kWithPieces{.path = "with_pieces", .types = kBoolean};
constexpr std::array<std::string_view, 5> kTokenizeFields = {"model", "content", "prompt",
                                                             "parse_special", "with_pieces"};
constexpr std::array<std::string_view, 2> kDetokenizeFields = {"model", "tokens"};
constexpr Field kTokens{.path = "tokens",
                        .types = kArray,
                        .required = true,
                        .items = {0, kRequestLimits.detokenize_tokens}};

struct TokenizeRequest {
  std::string text;
  bool control = false;  // control tokens that are spelt out count as such
  bool with_pieces = false;
};

Parsed<bool> read_flag(const json::Object& body, const Field& field) {
  TRY_ASSIGN(const json::Value* flag, read_member(body, "", field));
  return flag != nullptr && *flag->if_bool();
}

Parsed<TokenizeRequest> read_tokenize(const json::Object& body) {
  TokenizeRequest request;
  TRY_ASSIGN(const json::Value* content, read_member(body, "", kContent));
  if (content == nullptr) {
    TRY_ASSIGN(content, read_member(body, "", kPrompt));
  }
  if (content == nullptr) return missing("content");
  request.text = *content->if_string();
  TRY_ASSIGN(request.control, read_flag(body, kParseSpecial));
  TRY_ASSIGN(request.with_pieces, read_flag(body, kWithPieces));
  return request;
}

Parsed<std::vector<TokenId>> read_tokens(const json::Object& body, std::int32_t vocabulary) {
  TRY_ASSIGN(const json::Value* list, read_member(body, "", kTokens));
  const json::Array& items = *list->if_array();
  const Field id{.path = "tokens[]", .types = kInteger, .integer = {0, vocabulary - 1}};
  std::vector<TokenId> tokens;
  tokens.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    TRY(check_field(id, items[i], join("tokens", i)));
    tokens.push_back(static_cast<TokenId>(*items[i].as_int64()));
  }
  return tokens;
}

// What of the body is not among `known`: its names, or that it is refused.
Parsed<std::vector<std::string>> unknown_fields(const json::Object& body,
                                                std::span<const std::string_view> known,
                                                bool strict) {
  std::vector<std::string> names;
  for (const auto& [name, value] : body) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      TRY(read_unknown(name, strict, names));
  }
  return names;
}

// The body as an object; the model that it may name has to be one that the caller may use.
Parsed<json::Value> read_object(const std::string& body) {
  TRY_ASSIGN(json::Value parsed, parse_body(body));
  TRY(read_member(*parsed.if_object(), "", kModel));
  return parsed;
}

std::string token_list(const std::vector<TokenId>& tokens) {
  return fmt::format("[{}]", fmt::join(tokens, ","));
}

// A token's text, or its bytes where they are no text.
std::string piece(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return quoted(bytes);
  std::string out = "[";
  for (const char c : bytes) out += fmt::format("{},", static_cast<unsigned char>(c));
  out.back() = ']';
  return out;
}

// Of the body as a whole, not of one of its fields.
bool concerns_all(const std::vector<ApiError>& problems) {
  return !problems.empty() && problems.front().param.empty();
}

bool concerns_model(const ApiError& problem) {
  return problem.param == "model";
}

}  // namespace

// ---------------------------------------------------------------- the dry run

void ApiHandler::input_tokens(const Call& call) {
  if (!call.aside)
    return put_aside(call, call.body, [this](const Call& later) { input_tokens(later); });
  auto [problems, request, prompt_known] = check_chat(call.body, parse_options(call.caller()));
  if (concerns_all(problems)) return call.refuse(problems.front());
  std::optional<chat::PromptFacts> facts;
  std::string model = "null";
  if (std::none_of(problems.begin(), problems.end(), concerns_model)) {
    model = quoted(request.model);
    if (const auto error = refuse_model(request.model, call.caller())) problems.push_back(*error);
  }
  if (prompt_known) {
    limit_to_tier(request.chat, call.caller());
    auto measured = service_.measure(request.chat);
    std::optional<chat::Refusal> refusal =
        measured ? measured->refusal : std::optional(std::move(measured.error()));
    if (refusal && request.function_calls) use_older_names(*refusal);
    if (refusal) problems.push_back(explain(*refusal, call.caller()));
    if (measured) facts = *std::move(measured);
  }
  std::string rejections;
  for (const ApiError& problem : problems) {
    if (!rejections.empty()) rejections += ',';
    rejections += error_object(problem);
  }
  const bool fits = facts && problems.empty();
  call.answer_json(
      fmt::format(
          R"({{"object":"chat.completion.input_tokens","model":{},"input_tokens":{},"prompt_digest":{},)"
          R"("context_window":{},"max_output_tokens":{},"would_be_rejected":[{}]}})",
          model, facts ? fmt::to_string(facts->tokens) : "null",
          facts ? quoted(facts->digest) : "null", context_of(call.caller()),
          fits ? fmt::to_string(facts->max_answer) : "null", rejections),
      ignored_header(request.ignored));
}

// ---------------------------------------------------------------- text and tokens

void ApiHandler::tokenize(const Call& call) {
  const auto answer = [&](const std::string& tokens, std::size_t count,
                          const std::vector<std::string>& ignored) {
    call.answer_json(fmt::format(R"({{"tokens":{},"count":{},"max_model_len":{}}})", tokens, count,
                                 context_of(call.caller())),
                     ignored_header(ignored));
  };
  const auto body = read_object(call.body);
  if (!body) return call.refuse(body.error());
  const json::Object& object = *body->if_object();
  if (const json::Value* model = optional_member(object, "model"))
    if (const auto error = refuse_model(*model->if_string(), call.caller()))
      return call.refuse(*error);

  if (optional_member(object, "messages") != nullptr) {  // a chat's prompt, as vLLM has it
    if (!call.aside)
      return put_aside(call, call.body, [this](const Call& later) { tokenize(later); });
    auto parsed = parse_chat(call.body, parse_options(call.caller()));
    if (!parsed) return call.refuse(parsed.error());
    limit_to_tier(parsed->chat, call.caller());
    const auto measured = service_.measure(parsed->chat);
    if (!measured) return call.refuse(explain(measured.error(), call.caller()));
    if (measured->refusal) return call.refuse(explain(*measured->refusal, call.caller()));
    return answer(token_list(measured->prompt), measured->prompt.size(), parsed->ignored);
  }
  const auto ignored = unknown_fields(object, kTokenizeFields, options_.strict_parameters);
  if (!ignored) return call.refuse(ignored.error());
  const auto request = read_tokenize(object);
  if (!request) return call.refuse(request.error());
  const auto tokens = service_.tokenise(request->text, request->control);
  if (!tokens) return call.refuse(explain(tokens.error(), call.caller()));
  if (!request->with_pieces) return answer(token_list(*tokens), tokens->size(), *ignored);
  std::string list;
  for (const TokenId token : *tokens) {
    const auto bytes = service_.detokenise({&token, 1});
    if (!bytes) return call.refuse(explain(bytes.error(), call.caller()));
    if (!list.empty()) list += ',';
    list += fmt::format(R"({{"id":{},"piece":{}}})", token, piece(*bytes));
  }
  answer("[" + list + "]", tokens->size(), *ignored);
}

void ApiHandler::detokenize(const Call& call) {
  const auto body = read_object(call.body);
  if (!body) return call.refuse(body.error());
  const json::Object& object = *body->if_object();
  if (const json::Value* model = optional_member(object, "model"))
    if (const auto error = refuse_model(*model->if_string(), call.caller()))
      return call.refuse(*error);
  const auto ignored = unknown_fields(object, kDetokenizeFields, options_.strict_parameters);
  if (!ignored) return call.refuse(ignored.error());
  const auto tokens = read_tokens(object, service_.model().vocabulary);
  if (!tokens) return call.refuse(tokens.error());
  const auto bytes = service_.detokenise(*tokens);
  if (!bytes) return call.refuse(explain(bytes.error(), call.caller()));
  const std::string text = quoted(with_replacements(*bytes));
  call.answer_json(fmt::format(R"({{"content":{},"prompt":{}}})", text, text),
                   ignored_header(*ignored));
}

}  // namespace tessera::api
