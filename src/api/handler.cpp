#include "api/handler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "api/chat_session.h"
#include "api/parse_chat.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sha256.h"

namespace tessera::api {
namespace {

constexpr std::string_view kModelsPrefix = "/v1/models/";

// The caller's X-Request-Id if it is short and harmless, or a new one. Never echoed raw.
std::string request_id(const http::RequestHead& head) {
  const std::string_view given = head.header("X-Request-Id");
  const auto harmless = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_.:").find(c) != std::string_view::npos;
  };
  if (!given.empty() && given.size() <= 128 && std::all_of(given.begin(), given.end(), harmless))
    return std::string(given);
  return "req_" + random_alphanumeric(24);
}

void answer(const http::RequestHead& head, http::Exchange& exchange, http::Response response) {
  response.headers.emplace_back("X-Request-Id", request_id(head));
  exchange.respond(std::move(response));
}

http::Response json_response(std::string body) {
  http::Response response;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

// The key of "Bearer KEY"; empty when there is none.
std::string_view bearer_key(std::string_view authorization) {
  const std::size_t space = authorization.find(' ');
  if (space == std::string_view::npos ||
      !equal_ignoring_case(authorization.substr(0, space), "bearer"))
    return {};
  std::string_view key = authorization.substr(space + 1);
  while (key.starts_with(' ')) key.remove_prefix(1);
  return key;
}

// application/json with or without parameters (charset utf-8), or no Content-Type at all.
bool takes_content_type(std::string_view type) {
  const std::size_t semicolon = type.find(';');
  std::string_view essence = type.substr(0, semicolon);
  while (essence.ends_with(' ')) essence.remove_suffix(1);
  if (!essence.empty() && !equal_ignoring_case(essence, "application/json")) return false;
  if (semicolon == std::string_view::npos) return true;
  std::string parameters(type.substr(semicolon + 1));
  std::erase_if(parameters, [](char c) { return c == ' ' || c == '"'; });
  return !equal_ignoring_case(std::string_view(parameters).substr(0, 8), "charset=") ||
         equal_ignoring_case(parameters, "charset=utf-8");
}

// Header values hold names from requests only after this.
std::string printable_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (text.size() + name.size() > 1000) break;
    if (!text.empty()) text += ", ";
    for (const char c : name)
      text += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'
                  ? c
                  : '?';
  }
  return text;
}

std::string sampling_object(const chat::Sampling& sampling) {
  return fmt::format(
      R"({{"temperature":{},"top_p":{},"top_k":{},"min_p":{},"presence_penalty":{},"frequency_penalty":{},"repetition_penalty":{}}})",
      sampling.temperature.value_or(1), sampling.top_p.value_or(1), sampling.top_k.value_or(0),
      sampling.min_p.value_or(0), sampling.presence_penalty.value_or(0),
      sampling.frequency_penalty.value_or(0), sampling.repetition_penalty.value_or(1));
}

}  // namespace

const ApiHandler::RouteRow ApiHandler::kRoutes[] = {
    {"POST", "/v1/chat/completions", true, &ApiHandler::chat_completions},
    {"GET", "/v1/models", true, &ApiHandler::list_models},
    {"GET", kModelsPrefix, true, &ApiHandler::get_model},  // and everything behind it
    {"GET", "/healthz", false, &ApiHandler::alive},
    {"GET", "/health", false, &ApiHandler::ready},
    {"GET", "/livez", false, &ApiHandler::alive},
    {"GET", "/readyz", false, &ApiHandler::ready},
};

ApiHandler::ApiHandler(HandlerOptions options, chat::ChatService& service, access::Gate& gate,
                       const Clock& clock)
    : options_(std::move(options)), service_(service), gate_(gate), clock_(clock) {
  CHECK(!options_.served_names.empty());
}

const ApiHandler::RouteRow* ApiHandler::find_route(const http::RequestHead& head) {
  for (const RouteRow& candidate : kRoutes) {
    const bool prefix = candidate.path == kModelsPrefix;
    if (prefix ? head.path.starts_with(kModelsPrefix) : head.path == candidate.path)
      return &candidate;
  }
  return nullptr;
}

bool ApiHandler::serves(std::string_view name) const {
  return std::find(options_.served_names.begin(), options_.served_names.end(), name) !=
         options_.served_names.end();
}

// ---------------------------------------------------------------- before the body

// The route, or null with `error` filled in. Keys are asked for on everything under /v1/, also
// where there is no route.
const ApiHandler::RouteRow* ApiHandler::authorised_route(const http::RequestHead& head,
                                                         ApiError& error,
                                                         std::string& allow) const {
  const RouteRow* found = find_route(head);
  const bool needs_key = found == nullptr ? head.path.starts_with("/v1/") : found->needs_key;
  if (needs_key) {
    if (head.header_count("Authorization") > 1) {
      error = {ErrorId::kBadHttp, "The Authorization header must not be repeated."};
      return nullptr;
    }
    const std::string_view key = bearer_key(head.header("Authorization"));
    if (!gate_.identify(key, head.client_address)) {
      error = {ErrorId::kInvalidApiKey,
               "Incorrect or missing API key. Send it as 'Authorization: Bearer sk-tessera-…'; a "
               "lost key cannot be read back, only replaced."};
      return nullptr;
    }
  }
  if (found == nullptr) {
    const bool responses = head.path == "/v1/responses";
    error = {ErrorId::kUnknownUrl,
             responses ? "This server has no Responses API; use POST /v1/chat/completions (in "
                         "SDKs: the chat completions client)."
                       : "Unknown URL. This server has POST /v1/chat/completions, GET /v1/models, "
                         "/healthz and /readyz."};
    return nullptr;
  }
  if (head.method != found->method && !(head.method == "HEAD" && found->method == "GET")) {
    error = {ErrorId::kMethodNotAllowed, fmt::format("This URL takes {} requests.", found->method)};
    allow = found->method == "GET" ? "GET, HEAD" : std::string(found->method);
    return nullptr;
  }
  return found;
}

std::unique_ptr<http::Response> ApiHandler::on_head(const http::RequestHead& head,
                                                    std::int64_t content_length) {
  ApiError error;
  std::string allow;
  const RouteRow* route = authorised_route(head, error, allow);
  if (route != nullptr) {
    if (route->method != "POST") return nullptr;
    const std::string_view encoding = head.header("Content-Encoding");
    if (!encoding.empty() && !equal_ignoring_case(encoding, "identity")) {
      error = {ErrorId::kUnsupportedContentEncoding, "Send the body without Content-Encoding."};
    } else if (!takes_content_type(head.header("Content-Type"))) {
      error = {ErrorId::kUnsupportedMediaType,
               "Send the body as Content-Type: application/json (UTF-8)."};
    } else if (content_length > static_cast<std::int64_t>(options_.limits.body_bytes)) {
      error = {ErrorId::kRequestTooLarge, fmt::format("The body has {} bytes; the limit is {}.",
                                                      content_length, options_.limits.body_bytes)};
    } else {
      return nullptr;
    }
  }
  auto response = std::make_unique<http::Response>(api::error_response(error));
  response->headers.emplace_back("X-Request-Id", request_id(head));
  if (!allow.empty()) response->headers.emplace_back("Allow", allow);
  return response;
}

void ApiHandler::on_request(http::RequestHead head, std::string body,
                            std::shared_ptr<http::Exchange> exchange) {
  const RouteRow* route = find_route(head);
  CHECK(route != nullptr);  // on_head refused the rest
  (this->*route->route)(head, body, exchange);
}

http::Response ApiHandler::error_response(unsigned status, std::string_view code,
                                          std::string_view message) {
  for (int i = 0; i < static_cast<int>(ErrorId::kCount); ++i) {
    const ErrorRow& entry = row(static_cast<ErrorId>(i));
    if (entry.code == code && entry.status == status) {
      http::Response response = api::error_response({entry.id, std::string(message)});
      response.headers.emplace_back("X-Request-Id", "req_" + random_alphanumeric(24));
      return response;
    }
  }
  log_error("no row in the error table for {} {}", status, code);
  return api::error_response({ErrorId::kInternalError, "The request could not be answered."});
}

// ---------------------------------------------------------------- routes

void ApiHandler::chat_completions(const http::RequestHead& head, const std::string& body,
                                  const std::shared_ptr<http::Exchange>& exchange) {
  const auto refuse_with = [&](const ApiError& error) {
    answer(head, *exchange, api::error_response(error));
  };
  if (draining_)
    return refuse_with({ErrorId::kDraining, "The server is shutting down. Please retry.", "", 5});
  if (!service_.ready())
    return refuse_with(
        {ErrorId::kModelUnavailable, "The model is not available now. Please retry.", "", 5});

  auto parsed = parse_chat(body, {.vocabulary = service_.model().vocabulary});
  if (!parsed) return refuse_with(parsed.error());
  if (!serves(parsed->model)) {
    return refuse_with(
        {ErrorId::kModelNotFound,
         fmt::format(
             "The requested model does not exist here. This server has '{}'; see GET /v1/models.",
             options_.served_names.front()),
         "model"});
  }

  ChatSession::Options session;
  session.identity = {"chatcmpl-" + random_alphanumeric(29), clock_.unix_seconds(), parsed->model,
                      service_.model().fingerprint};
  session.choices = parsed->chat.choices;
  session.stream = parsed->stream;
  session.include_usage = parsed->include_usage;
  session.thinking = parsed->chat.prompt.enable_thinking;
  session.headers.emplace_back("X-Request-Id", request_id(head));
  if (!parsed->ignored.empty())
    session.headers.emplace_back("X-Tessera-Ignored-Params", printable_names(parsed->ignored));

  const auto caller = gate_.identify(bearer_key(head.header("Authorization")), head.client_address);
  if (!caller) return refuse_with({ErrorId::kInvalidApiKey, caller.error().message});
  parsed->chat.account = caller->account;
  auto log_end = [id = session.identity.id, address = head.client_address, start = clock_.now(),
                  &clock = clock_](std::string_view outcome, const chat::Usage& usage) {
    const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(clock.now() - start);
    log_info("{} {} from {}: {} prompt + {} completion tokens, {} ms", id, outcome, address,
             usage.prompt_tokens, usage.completion_tokens, elapsed.count());
  };
  ChatSession::run(service_, std::move(parsed->chat), std::move(session), exchange,
                   std::move(log_end));
}

std::string ApiHandler::model_object(const std::string& name) const {
  const chat::ModelInfo& info = service_.model();
  std::string out = R"({"id":)";
  json::append_string(name, out);
  out +=
      fmt::format(R"(,"object":"model","created":{},"owned_by":"tessera","root":)", info.created);
  json::append_string(info.weights_name, out);
  out +=
      fmt::format(R"(,"parent":null,"max_model_len":{},"system_fingerprint":)", info.max_context);
  json::append_string(info.fingerprint, out);
  out += fmt::format(R"(,"sampling_defaults":{{"direct":{},"thinking":{}}}}})",
                     sampling_object(info.default_direct), sampling_object(info.default_thinking));
  return out;
}

void ApiHandler::list_models(const http::RequestHead& head, const std::string&,
                             const std::shared_ptr<http::Exchange>& exchange) {
  std::string body = R"({"object":"list","data":[)";
  for (std::size_t i = 0; i < options_.served_names.size(); ++i) {
    if (i != 0) body += ',';
    body += model_object(options_.served_names[i]);
  }
  answer(head, *exchange, json_response(body + "]}"));
}

void ApiHandler::get_model(const http::RequestHead& head, const std::string&,
                           const std::shared_ptr<http::Exchange>& exchange) {
  // SDKs percent-encode the slash of the model's name.
  std::string name = head.path.substr(kModelsPrefix.size());
  for (std::size_t at = name.find("%2"); at != std::string::npos; at = name.find("%2", at + 1)) {
    if (name.compare(at, 3, "%2F") == 0 || name.compare(at, 3, "%2f") == 0)
      name.replace(at, 3, "/");
  }
  if (!serves(name)) {
    return answer(head, *exchange,
                  api::error_response(
                      {ErrorId::kModelNotFound,
                       "The requested model does not exist here; see GET /v1/models.", "model"}));
  }
  answer(head, *exchange, json_response(model_object(name)));
}

void ApiHandler::alive(const http::RequestHead& head, const std::string&,
                       const std::shared_ptr<http::Exchange>& exchange) {
  answer(head, *exchange, json_response(R"({"status":"ok"})"));
}

void ApiHandler::ready(const http::RequestHead& head, const std::string&,
                       const std::shared_ptr<http::Exchange>& exchange) {
  if (draining_)
    return answer(head, *exchange,
                  api::error_response({ErrorId::kDraining, "The server is shutting down.", "", 5}));
  if (!service_.ready())
    return answer(
        head, *exchange,
        api::error_response({ErrorId::kModelUnavailable, "The model is not available.", "", 5}));
  answer(head, *exchange, json_response(R"({"status":"ok"})"));
}

}  // namespace tessera::api
