#include "app/admin.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "api/origin.h"
#include "base/clock.h"
#include "base/histogram.h"

namespace tessera::app {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Metric families in the order in which they are first named.
class Families {
 public:
  template <class T>
  void counter(const char* name, const char* help, T value) {
    add(prometheus::MetricType::Counter, name, help, {}).counter.value = static_cast<double>(value);
  }
  template <class T>
  void gauge(const char* name, const char* help, T value, const Labels& labels = {}) {
    add(prometheus::MetricType::Gauge, name, help, labels).gauge.value = static_cast<double>(value);
  }
  void histogram(const char* name, const char* help, const Labels& labels,
                 const Histogram::Snapshot& seen) {
    auto& histogram = add(prometheus::MetricType::Histogram, name, help, labels).histogram;
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < seen.counts.size(); ++i) {
      count += static_cast<std::uint64_t>(seen.counts[i]);
      const bool last = i == seen.bounds.size();
      histogram.bucket.push_back(
          {count, last ? std::numeric_limits<double>::infinity() : seen.bounds[i]});
    }
    histogram.sample_count = count;
    histogram.sample_sum = seen.sum;
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  prometheus::ClientMetric& add(prometheus::MetricType type, const char* name, const char* help,
                                const Labels& labels) {
    const auto named = [name](const prometheus::MetricFamily& f) { return f.name == name; };
    auto family = std::find_if(families_.begin(), families_.end(), named);
    if (family == families_.end())
      family = families_.insert(family, prometheus::MetricFamily{name, help, type, {}});
    prometheus::ClientMetric& metric = family->metric.emplace_back();
    metric.label = labels;
    return metric;
  }

  std::vector<prometheus::MetricFamily> families_;
};

// Answers GET (and HEAD) /metrics.
class AdminHandler final : public http::Handler {
 public:
  AdminHandler(const http::Server& server, const api::ApiHandler& api, const engine::Engine& engine,
               std::string model)
      : server_(server),
        api_(api),
        engine_(engine),
        model_(std::move(model)),
        start_(Clock::real().unix_seconds()) {}

  std::unique_ptr<http::Response> on_head(const http::RequestHead& head, std::int64_t) override {
    if (!own_names_.takes_host(head.header("Host")))  // a page whose name leads to 127.0.0.1
      return std::make_unique<http::Response>(text(403, "the Host header has another name\n"));
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

  // Names and values are ours and the operator's: nothing that a client sent.
  std::string format_metrics() const {
    const engine::EngineStats engine = engine_.stats();
    const http::ServerStats http = server_.stats();
    Families out;
    out.gauge("tessera_requests_running", "Requests that the engine computes.", engine.running);
    out.gauge("tessera_requests_waiting", "Requests that wait for a place.", engine.waiting);
    out.gauge("tessera_sequences", "Sequences that hold memory.", engine.sequences);
    out.gauge("tessera_backlog_tokens", "Tokens that requests in are expected to need yet.",
              engine.backlog_tokens);
    out.gauge("tessera_backlog_seconds", "The time for these, at the rate of late.",
              engine.backlog_s);
    out.counter("tessera_steps_total", "Steps of the engine.", engine.steps);
    out.histogram("tessera_step_seconds", "How long steps took.", {}, engine.step_s);
    out.counter("tessera_prompt_tokens_total", "Tokens of prompts read.", engine.prompt_tokens);
    out.counter("tessera_generated_tokens_total", "Tokens generated.", engine.generated_tokens);
    add_memory(engine, out);
    for (const auto& [tier, latency] : api_.latency().all()) {
      const Labels labels = {{"model", model_}, {"tier", tier}};
      out.histogram("tessera_time_to_first_output_seconds",
                    "From a request's arrival to its first output.", labels,
                    latency->first_output_s.snapshot());
      out.histogram("tessera_output_gap_seconds", "Between two deliveries of output to an answer.",
                    labels, latency->gap_s.snapshot());
    }
    out.gauge("tessera_http_connections", "Open client connections.", http.connections);
    out.gauge("tessera_http_exchanges", "Requests whose answer is under way.",
              http.active_exchanges);
    out.gauge("tessera_http_buffered_bytes", "Bytes of answers that wait for their sockets.",
              http.buffered_bytes);
    out.gauge("tessera_http_body_bytes",
              "Bytes of requests' bodies that are being read or worked on.", http.body_bytes);
    out.counter("tessera_ignored_parameters_total", "Unknown fields of requests, not refused.",
                api_.ignored_parameters());
    out.gauge("process_start_time_seconds", "Start of the process, seconds since 1970.", start_);
    return out.text();
  }

  static void add_memory(const engine::EngineStats& engine, Families& out) {
    constexpr const char* kBlocks = "tessera_kv_blocks";
    constexpr const char* kBlocksHelp = "Blocks of keys and values.";
    out.gauge(kBlocks, kBlocksHelp, engine.kv_blocks_free, {{"state", "free"}});
    out.gauge(kBlocks, kBlocksHelp, engine.kv_blocks_running, {{"state", "running"}});
    out.gauge(kBlocks, kBlocksHelp, engine.kv_blocks_cached, {{"state", "cached"}});
    out.counter("tessera_prefix_cache_hits_total", "Requests that found some of their prompt.",
                engine.cache_hits);
    out.counter("tessera_prefix_cache_misses_total", "Requests that found nothing of theirs.",
                engine.cache_misses);
    out.counter("tessera_prefix_cache_tokens_total", "Tokens of prompts that were found.",
                engine.cached_tokens);
    out.gauge("tessera_prefix_cache_entries", "States that are kept.", engine.cache_entries);
    out.counter("tessera_prefix_cache_evictions_total", "States that gave way.",
                engine.cache_evictions);
  }

  const api::OriginPolicy own_names_{api::OriginOptions{{}, {}, true}};
  const http::Server& server_;
  const api::ApiHandler& api_;
  const engine::Engine& engine_;
  const std::string model_;
  const std::int64_t start_;
};

}  // namespace

Result<std::unique_ptr<http::Server>> start_admin(std::uint16_t port, const http::Server& server,
                                                  const api::ApiHandler& api,
                                                  const engine::Engine& engine,
                                                  const std::string& model) {
  http::ServerOptions options;
  options.port = port;
  options.io_threads = 1;
  options.max_connections = 64;
  options.max_body_bytes = 0;
  TRY_ASSIGN(auto admin, http::Server::listen(
                             options, std::make_shared<AdminHandler>(server, api, engine, model)));
  admin->start();
  return admin;
}

}  // namespace tessera::app
