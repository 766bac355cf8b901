#include "api/handler.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/openapi.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/sha256.h"

namespace tessera::api {
namespace {

constexpr std::string_view kModelsPrefix = "/v1/models/";
constexpr std::int64_t kRetryMs = 5000;  // where nobody can say better
// A body up to this size is parsed, rendered and tokenised in two milliseconds or less.
constexpr std::size_t kSmallBodyBytes = std::size_t{32} << 10;
constexpr std::size_t kMaxPutAside = 256;  // requests of one account
// The tree of a larger body may be worth giving back at once.
constexpr std::size_t kHugeBodyBytes = std::size_t{1} << 20;

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
  while (essence.ends_with(' ') || essence.ends_with('\t')) essence.remove_suffix(1);
  if (!essence.empty() && !equal_ignoring_case(essence, "application/json")) return false;
  std::string parameters(type.substr(std::min(semicolon, type.size())));
  std::erase_if(parameters, [](char c) { return c == ' ' || c == '\t' || c == '"'; });
  for (std::string_view rest = parameters; !rest.empty();) {
    rest.remove_prefix(1);  // ';'
    const std::string_view parameter = rest.substr(0, rest.find(';'));
    rest.remove_prefix(parameter.size());
    if (equal_ignoring_case(parameter.substr(0, 8), "charset=") &&
        !equal_ignoring_case(parameter, "charset=utf-8"))
      return false;
  }
  return true;
}

// What Content-Length says: digits, perhaps more of them than a number here holds.
std::string announced(const http::RequestHead& head) {
  constexpr std::size_t kMost = 24;
  const std::string_view digits = head.header("Content-Length");
  return digits.size() <= kMost
             ? std::string(digits)
             : fmt::format("{}… ({} digits)", digits.substr(0, kMost), digits.size());
}

bool takes_method(const ApiHandler::Route& route, std::string_view method) {
  return method == route.method || (method == "HEAD" && route.method == "GET");
}

std::string_view allowed_methods(const ApiHandler::Route& route) {
  return route.method == "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}

// What a 404 tells: the routes, or where to look instead.
std::string unknown_url_text(std::string_view path) {
  if (path.starts_with("/v1/responses")) {
    return "This server has no Responses API; use POST /v1/chat/completions (in SDKs: the chat "
           "completions client).";
  }
  std::string text = "Unknown URL. This server has";
  for (const ApiHandler::Route& route : ApiHandler::routes())
    text +=
        fmt::format(" {} {}{},", route.method, route.path, route.path.ends_with('/') ? "…" : "");
  text.back() = '.';
  return text;
}

}  // namespace

ApiError to_api_error(const access::Denial& denial) {
  using access::DenialCode;
  const std::int64_t retry = std::max<std::int64_t>(denial.retry_after_ms, 1);
  switch (denial.code) {
    case DenialCode::kInvalidKey:
      return {ErrorId::kInvalidApiKey,
              "Incorrect or missing API key. Send it as 'Authorization: Bearer sk-tessera-…'; a "
              "lost key cannot be read back, only replaced."};
    case DenialCode::kAccountDisabled:
      return {ErrorId::kAccountDisabled, denial.message};
    case DenialCode::kTooManyBadKeys:
    case DenialCode::kRateLimited:
      return {ErrorId::kRateLimitExceeded, denial.message, "", retry};
    case DenialCode::kConcurrency:
      return {ErrorId::kConcurrencyLimit, denial.message, "", retry};
    case DenialCode::kThinkingQuota:
      return {ErrorId::kInsufficientQuota, denial.message, "", denial.retry_after_ms};
    case DenialCode::kUsageStore:
      return {ErrorId::kUsageStoreUnavailable, denial.message, "",
              std::max(denial.retry_after_ms, std::int64_t{1000})};
  }
  return {ErrorId::kInternalError, "The request could not be answered."};
}

// ---------------------------------------------------------------- the table

std::span<const ApiHandler::Route> ApiHandler::routes() {
  static constexpr Route kRoutes[] = {
      {"POST", "/v1/chat/completions", true, &ApiHandler::chat_completions},
      {"POST", "/v1/chat/completions/input_tokens", true, &ApiHandler::input_tokens},
      {"POST", "/v1/completions", true, &ApiHandler::completions},
      {"GET", "/v1/models", true, &ApiHandler::list_models},
      {"GET", kModelsPrefix, true, &ApiHandler::get_model},
      {"POST", "/v1/tokenize", true, &ApiHandler::tokenize},
      {"POST", "/v1/detokenize", true, &ApiHandler::detokenize},
      {"POST", "/tokenize", true, &ApiHandler::tokenize},
      {"POST", "/detokenize", true, &ApiHandler::detokenize},
      {"GET", "/openapi.json", false, &ApiHandler::openapi},
      {"GET", "/version", false, &ApiHandler::version},
      {"GET", "/health", false, &ApiHandler::ready},
      {"GET", "/healthz", false, &ApiHandler::alive},
      {"GET", "/livez", false, &ApiHandler::alive},
      {"GET", "/readyz", false, &ApiHandler::ready},
  };
  return kRoutes;
}

const ApiHandler::Route* ApiHandler::find_route(std::string_view path) {
  for (const Route& route : routes()) {
    if (route.path.ends_with('/') ? path.starts_with(route.path) : path == route.path)
      return &route;
  }
  return nullptr;
}

ApiHandler::ApiHandler(HandlerOptions options, chat::ChatService& service, access::Gate& gate,
                       const Clock& clock)
    : options_(std::move(options)),
      service_(service),
      gate_(gate),
      clock_(clock),
      origins_(options_.origins),
      workers_(options_.work_threads, kMaxPutAside) {
  CHECK(!options_.served_names.empty());
}

// ---------------------------------------------------------------- before the body

// Keys are asked for on everything under /v1/, also where there is no route.
ApiHandler::Verdict ApiHandler::judge(const http::RequestHead& head) const {
  Verdict verdict;
  verdict.headers.gate = &gate_;
  verdict.headers.fixed = origins_.headers(head);
  verdict.headers.fixed.emplace_back("X-Request-Id", request_id(head));
  verdict.route = find_route(head.path);
  if (!origins_.takes_host(head.header("Host"))) {
    verdict.error = {ErrorId::kHostNotAllowed,
                     "This server does not answer to the name in the Host header; its operator can "
                     "allow it with --allowed-host."};
    return verdict;
  }
  const Route* route = verdict.route;
  if (route == nullptr ? head.path.starts_with("/v1/") : route->needs_key) {
    judge_key(head, verdict);
  } else {
    recognise(head, verdict.headers);
  }
  if (verdict.error) return verdict;
  if (head.method == "CONNECT") {  // its target is no path
    verdict.error = {ErrorId::kMethodNotAllowed, "This server is no proxy."};
    verdict.allow = "GET, HEAD, POST, OPTIONS";
  } else if (route == nullptr) {
    verdict.error = {ErrorId::kUnknownUrl, unknown_url_text(head.path)};
  } else if (!takes_method(*route, head.method)) {
    verdict.error = {ErrorId::kMethodNotAllowed,
                     fmt::format("This URL takes {} requests.", route->method)};
    verdict.allow = allowed_methods(*route);
  }
  return verdict;
}

void ApiHandler::judge_key(const http::RequestHead& head, Verdict& verdict) const {
  if (head.header_count("Authorization") > 1) {
    verdict.error = {ErrorId::kBadHttp, "The Authorization header must not be repeated."};
    return;
  }
  auto caller = gate_.identify(bearer_key(head.header("Authorization")), head.client_address);
  if (caller) {
    verdict.headers.caller = *std::move(caller);
  } else {
    verdict.error = to_api_error(caller.error());
    verdict.headers.rate = caller.error().rate;
  }
}

// Where no key is asked for: who sends a good one is told its rate all the same.
void ApiHandler::recognise(const http::RequestHead& head, CommonHeaders& headers) const {
  const std::string_view key = bearer_key(head.header("Authorization"));
  if (key.empty()) return;
  if (auto caller = gate_.identify(key, head.client_address)) headers.caller = *std::move(caller);
}

std::size_t ApiHandler::body_limit() const {
  return service_.model().max_context <= kRequestLimits.small_context
             ? kRequestLimits.small_body_bytes
             : kRequestLimits.body_bytes;
}

// What of a POST can be refused before its body is read.
void ApiHandler::judge_body(const http::RequestHead& head, std::int64_t content_length,
                            Verdict& verdict) const {
  const std::string_view encoding = head.header("Content-Encoding");
  if ((!encoding.empty() && !equal_ignoring_case(encoding, "identity")) ||
      head.header_count("Content-Encoding") > 1) {
    verdict.error = {ErrorId::kUnsupportedContentEncoding,
                     "Send the body without Content-Encoding."};
  } else if (!takes_content_type(head.header("Content-Type")) ||
             head.header_count("Content-Type") > 1) {
    verdict.error = {ErrorId::kUnsupportedMediaType,
                     "Send the body as Content-Type: application/json (UTF-8)."};
  } else if (content_length > static_cast<std::int64_t>(body_limit())) {
    verdict.error = {
        ErrorId::kRequestTooLarge,
        fmt::format("The body has {} bytes; the limit is {}.", announced(head), body_limit())};
  } else if (const auto denial = verdict.headers.caller
                                     ? gate_.peek_request(*verdict.headers.caller)
                                     : std::nullopt) {
    verdict.error = to_api_error(*denial);
    verdict.headers.rate = denial->rate;
  }
}

// A preflight, or the question which methods a URL takes. Null: an ordinary refusal is the answer.
std::unique_ptr<http::Response> ApiHandler::answer_options(const http::RequestHead& head) const {
  if (OriginPolicy::is_preflight(head)) return origins_.preflight(head);
  const Route* route = find_route(head.path);
  if (route == nullptr && head.path != "*") return nullptr;
  auto response = std::make_unique<http::Response>();
  response->status = 204;
  response->headers.emplace_back(
      "Allow", route == nullptr ? "GET, HEAD, POST, OPTIONS" : allowed_methods(*route));
  return response;
}

std::unique_ptr<http::Response> ApiHandler::on_head(const http::RequestHead& head,
                                                    std::int64_t content_length) {
  Verdict verdict;
  if (head.method == "OPTIONS") {
    CommonHeaders common{origins_.headers(head)};
    common.gate = &gate_;
    common.fixed.emplace_back("X-Request-Id", request_id(head));
    auto response = origins_.takes_host(head.header("Host")) ? answer_options(head) : nullptr;
    if (response == nullptr && OriginPolicy::is_preflight(head)) {
      response = std::make_unique<http::Response>(api::error_response(
          {ErrorId::kOriginNotAllowed, "Pages of this origin may not use this server."}));
    }
    if (response != nullptr) {
      recognise(head, common);
      common.add_to(response->headers);
      return response;
    }
  }
  verdict = judge(head);
  if (!verdict.error && verdict.route->method == "POST") judge_body(head, content_length, verdict);
  if (!verdict.error) return nullptr;
  auto response = std::make_unique<http::Response>(api::error_response(*verdict.error));
  verdict.headers.add_to(response->headers);
  if (!verdict.allow.empty()) response->headers.emplace_back("Allow", verdict.allow);
  return response;
}

// ---------------------------------------------------------------- the whole request

void ApiHandler::on_request(http::RequestHead head, std::string body,
                            std::shared_ptr<http::Exchange> exchange) {
  // Once more: the key may have been revoked while the body came.
  Verdict verdict = judge(head);
  const Call call{head, body, exchange, verdict.headers};
  if (verdict.error) return call.refuse(*verdict.error);
  if (verdict.route->method == "POST") {
    if (draining_)
      return call.refuse(
          {ErrorId::kDraining, "The server is shutting down. Please retry.", "", kRetryMs});
    if (!service_.ready())
      return call.refuse({ErrorId::kModelUnavailable,
                          "The model is not available now. Please retry.", "", kRetryMs});
    const auto taken = gate_.take_request(call.caller());
    if (!taken) {
      verdict.headers.rate = taken.error().rate;
      return call.refuse(to_api_error(taken.error()));
    }
    verdict.headers.caller->counted = *taken;
  }
  const bool body_matters = verdict.route->method == "POST";
  if (!body_matters || body.size() <= kSmallBodyBytes) return (this->*verdict.route->run)(call);
  put_aside(call, std::move(body),
            [this, run = verdict.route->run](const Call& large) { (this->*run)(large); });
}

void ApiHandler::put_aside(const Call& call, std::string body,
                           std::function<void(const Call&)> work) {
  struct Kept {
    http::RequestHead head;
    std::string body;
    std::shared_ptr<http::Exchange> exchange;
    CommonHeaders headers;
  };
  const auto kept =
      std::make_shared<const Kept>(call.head, std::move(body), call.exchange, call.headers);
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  call.exchange->on_disconnect([gone] { *gone = true; });
  const bool taken =
      workers_.try_submit(call.caller().account, [kept, gone, work = std::move(work)] {
        if (!*gone) work({kept->head, kept->body, kept->exchange, kept->headers, true});
        if (kept->body.size() > kHugeBodyBytes) trim_heap();
      });
  if (taken) return;
  call.refuse({ErrorId::kServerOverloaded,
               "Too many large requests of this account wait already. Please retry later.", "",
               kRetryMs});
}

void ApiHandler::Call::answer(http::Response response) const {
  headers.add_to(response.headers);
  exchange->respond(std::move(response));
}

void ApiHandler::Call::answer_json(std::string json, std::vector<http::Header> more) const {
  http::Response response;
  response.headers = std::move(more);
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = std::move(json);
  answer(std::move(response));
}

void ApiHandler::Call::refuse(const ApiError& error) const {
  answer(api::error_response(error));
}

http::Response ApiHandler::error_response(unsigned status, std::string_view code,
                                          std::string_view message, const http::RequestHead* head) {
  CommonHeaders headers;
  if (head != nullptr) {
    headers = judge(*head).headers;
  } else {
    headers.fixed.emplace_back("X-Request-Id", "req_" + random_alphanumeric(24));
  }
  for (int i = 0; i < static_cast<int>(ErrorId::kCount); ++i) {
    const ErrorRow& entry = row(static_cast<ErrorId>(i));
    if (entry.code == code && entry.status == status) {
      const std::int64_t retry = entry.id == ErrorId::kServerOverloaded ? kRetryMs : 0;
      http::Response response = api::error_response({entry.id, std::string(message), "", retry});
      headers.add_to(response.headers);
      return response;
    }
  }
  log_error("no row in the error table for {} {}", status, code);
  return api::error_response({ErrorId::kInternalError, "The request could not be answered."});
}

// The account, where there is a key.
std::string ApiHandler::body_owner(const http::RequestHead& head) const {
  const auto caller = gate_.identify(bearer_key(head.header("Authorization")), head.client_address);
  return caller ? caller->account_name : head.client_address;
}

// ---------------------------------------------------------------- small routes

void ApiHandler::alive(const Call& call) {
  call.answer_json(R"({"status":"ok"})");
}

// A store of keys and usage that fails is told, but no reason to send all traffic away: keys are
// known from memory, and tiers without quotas go on.
void ApiHandler::ready(const Call& call) {
  if (draining_)
    return call.refuse({ErrorId::kDraining, "The server is shutting down.", "", kRetryMs});
  if (!service_.ready())
    return call.refuse({ErrorId::kModelUnavailable, "The model is not available.", "", kRetryMs});
  call.answer_json(gate_.healthy() ? R"({"status":"ok","store":"ok"})"
                                   : R"({"status":"ok","store":"failing"})");
}

void ApiHandler::version(const Call& call) {
  call.answer_json(fmt::format(R"({{"version":"{}"}})", TESSERA_VERSION));
}

void ApiHandler::openapi(const Call& call) {
  call.answer_json(openapi_document());
}

}  // namespace tessera::api
