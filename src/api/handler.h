// The API's routes behind the HTTP server. A request's way: which host, which route, whose key
// (before the body is read), how often; then parse, check, admit, answer. Which routes there are:
// one table (kRoutes). Thread-safe: I/O threads call it side by side.
//
// What may take longer than some milliseconds (large bodies, forms to be compiled) is done aside:
// by workers that accounts share fairly, so that no I/O thread is held up by what one client sent.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/gate.h"
#include "api/answer_format.h"
#include "api/answer_session.h"
#include "api/common_headers.h"
#include "api/error.h"
#include "api/latency.h"
#include "api/limits.h"
#include "api/origin.h"
#include "api/parse_chat.h"
#include "base/clock.h"
#include "base/fair_workers.h"
#include "chat/service.h"
#include "http/server.h"

namespace tessera::api {

struct HandlerOptions {
  std::vector<std::string> served_names;  // at least one; the first is shown, all are accepted
  // Of n, whatever a tier says: what the server can hold at once.
  std::int64_t max_choices = kRequestLimits.choices;
  bool strict_parameters = false;          // unknown fields are refused, not ignored and named
  bool reasoning_alias = false;            // reasoning_content once more as "reasoning"
  unsigned context_overflow_status = 400;  // of context_length_exceeded; or 413
  OriginOptions origins;
  int work_threads = 2;  // for what would hold up an I/O thread
};

class ApiHandler final : public http::Handler {
 public:
  // `service` and `gate` outlive the handler and the exchanges it was given.
  ApiHandler(HandlerOptions options, chat::ChatService& service, access::Gate& gate,
             const Clock& clock = Clock::real());

  std::unique_ptr<http::Response> on_head(const http::RequestHead& head,
                                          std::int64_t content_length) override;
  void on_request(http::RequestHead head, std::string body,
                  std::shared_ptr<http::Exchange> exchange) override;
  http::Response error_response(unsigned status, std::string_view code, std::string_view message,
                                const http::RequestHead* head) override;
  std::string body_owner(const http::RequestHead& head) const override;
  // Bytes of a request's body, by the model's context.
  std::size_t body_limit() const;

  // From now on new work is refused with 503 `draining`, and readiness is false.
  void start_draining() { draining_ = true; }

  // Unknown fields that requests had so far, for the metrics.
  std::int64_t ignored_parameters() const { return ignored_parameters_; }
  const LatencyBook& latency() const { return latency_; }

  struct Call;
  struct Route {
    std::string_view method;  // GET (HEAD goes with it) or POST, which has a body and counts
    std::string_view path;    // ends in '/': and everything behind it
    bool needs_key;
    void (ApiHandler::*run)(const Call& call);
  };
  static std::span<const Route> routes();

  // What a route gets: a request whose key is good, and counted if its route counts.
  struct Call {
    const http::RequestHead& head;
    const std::string& body;
    const std::shared_ptr<http::Exchange>& exchange;
    const CommonHeaders& headers;
    bool aside = false;  // a worker runs it

    const access::Caller& caller() const {  // where a key is needed
      CHECK(headers.caller);
      return *headers.caller;
    }
    void answer(http::Response response) const;
    void answer_json(std::string json, std::vector<http::Header> more = {}) const;
    void refuse(const ApiError& error) const;
  };

 private:
  // What can be said of a request when its head is known.
  struct Verdict {
    const Route* route = nullptr;
    std::optional<ApiError> error;
    CommonHeaders headers;
    std::string allow;  // of a 405
  };
  Verdict judge(const http::RequestHead& head) const;
  void judge_key(const http::RequestHead& head, Verdict& verdict) const;
  void recognise(const http::RequestHead& head, CommonHeaders& headers) const;
  void judge_body(const http::RequestHead& head, std::int64_t content_length,
                  Verdict& verdict) const;
  std::unique_ptr<http::Response> answer_options(const http::RequestHead& head) const;
  static const Route* find_route(std::string_view path);
  // Goes on with `work` on a worker, in the turn of the caller's account. The call is copied but
  // for its body, of which the copy has `body`.
  void put_aside(const Call& call, std::string body, std::function<void(const Call&)> work);

  // handler.cpp
  void alive(const Call& call);
  void ready(const Call& call);
  void version(const Call& call);
  void openapi(const Call& call);
  // model_routes.cpp
  void list_models(const Call& call);
  void get_model(const Call& call);
  std::string model_object(const std::string& name, const access::Caller& caller) const;
  // The header that names fields which had no effect; counts them.
  std::vector<http::Header> ignored_header(const std::vector<std::string>& names);
  // Nothing, or why the caller cannot have this model.
  std::optional<ApiError> refuse_model(std::string_view name, const access::Caller& caller) const;
  std::int32_t context_of(const access::Caller& caller) const;
  // answer_routes.cpp
  void chat_completions(const Call& call);
  void answer_chat(const Call& call, ChatCompletionRequest& request);
  void completions(const Call& call);
  ParseOptions parse_options(const access::Caller& caller) const;
  ApiError explain(const chat::Refusal& refusal, const access::Caller& caller) const;
  void limit_to_tier(chat::ChatRequest& request, const access::Caller& caller) const;
  template <class Request>
  void start(const Call& call, std::string_view endpoint, std::string id, const Request& request,
             std::int32_t choices_of_each, std::int64_t reasoning_tokens,
             std::unique_ptr<AnswerFormat> format,
             const std::vector<AnswerSession::Start>& prompts);
  Identity identity(std::string id, const std::string& model) const;
  // token_routes.cpp
  void input_tokens(const Call& call);
  void tokenize(const Call& call);
  void detokenize(const Call& call);

  const HandlerOptions options_;
  chat::ChatService& service_;
  access::Gate& gate_;
  const Clock& clock_;
  const OriginPolicy origins_;
  std::atomic<bool> draining_{false};
  std::atomic<std::int64_t> ignored_parameters_{0};
  LatencyBook latency_;
  FairWorkers workers_;  // the last member: they use the others
};

// The API's error for what the gate refused.
ApiError to_api_error(const access::Denial& denial);

}  // namespace tessera::api
