#include "app/admin.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace tessera::app {
namespace {

// Answers GET (and HEAD) /metrics.
class AdminHandler final : public http::Handler {
 public:
  AdminHandler(const http::Server& server, const api::ApiHandler& api, const engine::Engine& engine)
      : server_(server), api_(api), engine_(engine), start_(Clock::real().unix_seconds()) {}

  std::unique_ptr<http::Response> on_head(const http::RequestHead& head, std::int64_t) override {
    if (head.path != "/metrics")
      return std::make_unique<http::Response>(text(404, "there is only /metrics here\n"));
    if (head.method == "GET" || head.method == "HEAD") return nullptr;
    auto refused = std::make_unique<http::Response>(text(405, "GET only\n"));
    refused->headers.emplace_back("Allow", "GET, HEAD");
    return refused;
  }

  void on_request(http::RequestHead, std::string,
                  std::shared_ptr<http::Exchange> exchange) override {
    http::Response response = text(200, format_metrics());
    response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}};
    exchange->respond(std::move(response));
  }

  http::Response error_response(unsigned status, std::string_view, std::string_view message,
                                const http::RequestHead*) override {
    return text(status, std::string(message) + "\n");
  }

 private:
  static http::Response text(unsigned status, std::string body) {
    http::Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    response.body = std::move(body);
    return response;
  }

  // Names and values are ours alone: nothing that a client sent.
  std::string format_metrics() const {
    const engine::EngineStats engine = engine_.stats();
    const http::ServerStats http = server_.stats();
    std::string out;
    const auto add = [&](std::string_view name, std::string_view type, std::string_view help,
                         std::int64_t value) {
      out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, help, type, value);
    };
    const auto size = [](std::size_t value) { return static_cast<std::int64_t>(value); };
    add("tessera_requests_running", "gauge", "Requests that the engine computes.", engine.running);
    add("tessera_requests_waiting", "gauge", "Requests that wait for a place.", engine.waiting);
    add("tessera_sequences", "gauge", "Sequences that hold memory.", engine.sequences);
    add("tessera_steps_total", "counter", "Steps of the engine.", engine.steps);
    add("tessera_prompt_tokens_total", "counter", "Tokens of prompts read.", engine.prompt_tokens);
    add("tessera_generated_tokens_total", "counter", "Tokens generated.", engine.generated_tokens);
    add("tessera_http_connections", "gauge", "Open client connections.", size(http.connections));
    add("tessera_http_exchanges", "gauge", "Requests whose answer is under way.",
        size(http.active_exchanges));
    add("tessera_http_buffered_bytes", "gauge", "Bytes of answers that wait for their sockets.",
        size(http.buffered_bytes));
    add("tessera_ignored_parameters_total", "counter", "Unknown fields of requests, not refused.",
        api_.ignored_parameters());
    add("process_start_time_seconds", "gauge", "Start of the process, seconds since 1970.", start_);
    return out;
  }

  const http::Server& server_;
  const api::ApiHandler& api_;
  const engine::Engine& engine_;
  const std::int64_t start_;
};

}  // namespace

Result<std::unique_ptr<http::Server>> start_admin(std::uint16_t port, const http::Server& server,
                                                  const api::ApiHandler& api,
                                                  const engine::Engine& engine) {
  http::ServerOptions options;
  options.port = port;
  options.io_threads = 1;
  options.max_connections = 64;
  options.max_body_bytes = 0;
  TRY_ASSIGN(auto admin,
             http::Server::listen(options, std::make_shared<AdminHandler>(server, api, engine)));
  admin->start();
  return admin;
}

}  // namespace tessera::app
