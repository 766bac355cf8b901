// The API's routes behind the HTTP server: authentication before the body is read, then parse,
// validate, answer. Thread-safe: I/O threads call it side by side.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "access/gate.h"
#include "api/error.h"
#include "api/limits.h"
#include "base/clock.h"
#include "chat/service.h"
#include "http/server.h"

namespace tessera::api {

struct HandlerOptions {
  std::vector<std::string> served_names;  // at least one; the first is shown, all are accepted
  RequestLimits limits;
};

class ApiHandler final : public http::Handler {
 public:
  // `service` and `gate` outlive the handler.
  ApiHandler(HandlerOptions options, chat::ChatService& service, access::Gate& gate,
             const Clock& clock = Clock::real());

  std::unique_ptr<http::Response> on_head(const http::RequestHead& head,
                                          std::int64_t content_length) override;
  void on_request(http::RequestHead head, std::string body,
                  std::shared_ptr<http::Exchange> exchange) override;
  http::Response error_response(unsigned status, std::string_view code,
                                std::string_view message) override;

  // From now on new work is refused with 503 `draining`, and readiness is false.
  void start_draining() { draining_ = true; }

 private:
  using Route = void (ApiHandler::*)(const http::RequestHead& head, const std::string& body,
                                     const std::shared_ptr<http::Exchange>& exchange);
  struct RouteRow {
    std::string_view method;
    std::string_view path;
    bool needs_key;
    Route route;
  };
  static const RouteRow kRoutes[];
  static const RouteRow* find_route(const http::RequestHead& head);

  const RouteRow* authorised_route(const http::RequestHead& head, ApiError& error,
                                   std::string& allow) const;
  void chat_completions(const http::RequestHead& head, const std::string& body,
                        const std::shared_ptr<http::Exchange>& exchange);
  void list_models(const http::RequestHead& head, const std::string& body,
                   const std::shared_ptr<http::Exchange>& exchange);
  void get_model(const http::RequestHead& head, const std::string& body,
                 const std::shared_ptr<http::Exchange>& exchange);
  void alive(const http::RequestHead& head, const std::string& body,
             const std::shared_ptr<http::Exchange>& exchange);
  void ready(const http::RequestHead& head, const std::string& body,
             const std::shared_ptr<http::Exchange>& exchange);
  std::string model_object(const std::string& name) const;
  bool serves(std::string_view name) const;

  const HandlerOptions options_;
  chat::ChatService& service_;
  access::Gate& gate_;
  const Clock& clock_;
  std::atomic<bool> draining_{false};
};

}  // namespace tessera::api
