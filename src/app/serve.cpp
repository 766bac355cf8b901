// `tessera serve`: wires the rooms together, tells how to use it, and drains on SIGTERM.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "access/gate.h"
#include "api/handler.h"
#include "app/admin.h"
#include "app/checkpoint.h"
#include "app/commands.h"
#include "app/serve_keys.h"
#include "app/shared_prompts.h"
#include "app/warm_up.h"
#include "base/bytes.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "http/server.h"
#include "local/local_service.h"

namespace tessera::app {
namespace {

std::string base_url(const NetworkOptions& network, std::uint16_t port) {
  const bool any = network.host == "0.0.0.0" || network.host == "::";
  const std::string host = any ? "127.0.0.1" : network.host;
  return fmt::format("{}://{}:{}/v1", network.tls_key.empty() ? "http" : "https",
                     host.find(':') == std::string::npos ? host : "[" + host + "]", port);
}

Result<http::ServerOptions> http_options(const NetworkOptions& network, std::size_t body_bytes) {
  if (network.tls_cert.empty() != network.tls_key.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--tls-cert and --tls-key go together; {} is missing",
                            network.tls_key.empty() ? "--tls-key" : "--tls-cert"));
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(std::llround(seconds * 1000));
  };
  http::ServerOptions options;
  options.host = network.host;
  options.port = network.port;
  options.tls_certificate_file = network.tls_cert;
  options.tls_key_file = network.tls_key;
  options.io_threads = network.io_threads;
  options.max_connections = network.max_connections;
  options.max_connections_per_address = network.max_connections_per_address;
  options.max_body_bytes = body_bytes;
  options.max_body_memory_bytes = network.body_memory;
  options.handshake_timeout = milliseconds(network.handshake_timeout);
  options.header_timeout = milliseconds(network.header_timeout);
  options.body_timeout = milliseconds(network.body_timeout);
  options.keep_alive_timeout = milliseconds(network.idle_timeout);
  options.write_stall_timeout = milliseconds(network.write_timeout);
  options.stream_ping_interval = milliseconds(network.ping_interval);
  return options;
}

void print_memory(const model::Backend& backend, const model::MemoryUse& use) {
  const model::BackendLimits limits = backend.limits();
  if (use.weight_bytes == 0) return;  // a script
  fmt::print(
      "  memory    {}: weights {}, scratch {}, sequences and their cache {}\n"
      "            ({} blocks of {} tokens beside one state; up to {} sequences at once)\n",
      human_bytes(use.weight_bytes + use.scratch_bytes + limits.sequence_memory_bytes),
      human_bytes(use.weight_bytes), human_bytes(use.scratch_bytes),
      human_bytes(limits.sequence_memory_bytes), limits.kv_blocks, limits.kv_block_tokens,
      limits.max_sequences);
}

void print_start(const ServeOptions& options, const chat::ModelInfo& info,
                 const model::Backend& backend, const model::MemoryUse& use, bool embedded,
                 const ServeKeys& keys, std::uint16_t port) {
  const std::string url = base_url(options.network, port);
  const model::BackendLimits limits = backend.limits();
  fmt::print("Tessera {} serves {}\n", TESSERA_VERSION, fmt::join(options.served_names, ", "));
  fmt::print("  weights   {}{}\n", info.weights_name, embedded ? ", embedded" : "");
  if (embedded) {
    fmt::print(
        "            This is a toy that shows the machinery, not the model whose name it answers "
        "to:\n"
        "            serve the real one with --model FILE (README.md tells where it comes "
        "from).\n");
  }
  fmt::print("  backend   {}\n", backend.name());
  fmt::print(
      "  context   {} tokens a request; {:.1f} KiB of KV a token, {:.1f} MiB of recurrent state a "
      "sequence\n",
      info.max_context, static_cast<double>(limits.kv_bytes_per_token) / 1024,
      static_cast<double>(limits.state_bytes_per_sequence) / 1048576);
  print_memory(backend, use);
  fmt::print("  key       {}\n  url       {}\n\n", keys.origin, url);
  fmt::print(
      "Try:\n  curl {}/chat/completions \\\n    -H \"Authorization: Bearer {}\" -H \"Content-Type: "
      "application/json\" \\\n"
      "    -d '{{\"model\": \"{}\", \"temperature\": 0.3, \"max_tokens\": 200, \"messages\": [\n"
      "          {{\"role\": \"system\", \"content\": \"You are a concise assistant.\"}},\n"
      "          {{\"role\": \"user\", \"content\": \"Summarise Cervantes in one "
      "sentence.\"}}]}}'\n\n",
      url, keys.shown.empty() ? "$TESSERA_API_KEY" : keys.shown, options.served_names.front());
  std::fflush(stdout);
}

// Under a loopback address only this machine's own names are answered to: a web page must not get
// at a server here by a name that leads to 127.0.0.1.
bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// For the errors of a hanging engine to get to their clients; then whoever supervises us begins
// anew.
constexpr std::chrono::seconds kLastWords{2};
constexpr int kExitHung = 70;

engine::EngineOptions describe_engine(const ServeOptions& options) {
  const auto milliseconds = [](double seconds) {
    return static_cast<std::int32_t>(std::lround(seconds * 1000));
  };
  engine::EngineOptions engine;
  engine.max_queue = options.max_queue;
  engine.max_wait_ms = milliseconds(options.queue_timeout);
  engine.step_timeout_ms = milliseconds(options.step_timeout);
  engine.on_hang = [] {
    std::this_thread::sleep_for(kLastWords);
    log_error("the engine hangs: exit");
    std::_Exit(kExitHung);
  };
  engine.account_share = options.account_share;
  engine.max_running_requests = options.max_running;
  engine.max_batch_tokens = options.max_batch_tokens;
  engine.prefill_chunk = options.prefill_chunk;
  engine.prefix_cache_bytes = static_cast<std::int64_t>(
      std::min<std::size_t>(options.prefix_cache, std::numeric_limits<std::int64_t>::max()));
  engine.stall_timeout_ms = milliseconds(options.network.write_timeout);
  engine.request_timeout_ms = milliseconds(options.network.request_timeout);
  return engine;
}

api::HandlerOptions describe_api(const ServeOptions& options, std::int32_t sequences) {
  api::HandlerOptions api;
  api.served_names = options.served_names;
  api.max_choices = std::min<std::int64_t>(api.max_choices, sequences);
  api.strict_parameters = options.api.strict_params;
  api.reasoning_alias = options.api.reasoning_field == "both";
  api.context_overflow_status = options.api.context_overflow_status;
  api.work_threads = options.network.io_threads;
  api.origins.cors_origins = options.api.cors_origins;
  api.origins.allowed_hosts = options.api.allowed_hosts;
  api.origins.check_host = is_loopback(options.network.host) || !options.api.allowed_hosts.empty();
  return api;
}

// Each connection is a file descriptor: as many as the system lets this process have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // threads made from now on inherit it
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file over the limit on sizes is a write that fails, no more
  return signals;
}

// Until one that means the end. A terminal that goes away ends its server; without one SIGHUP asks
// to read files again, which is done without being asked.
void wait_for_signal(const sigset_t& signals) {
  static const bool has_terminal = ::isatty(STDIN_FILENO) == 1;
  for (;;) {
    int received = 0;
    sigwait(&signals, &received);
    if (received != SIGHUP || has_terminal) return;
    log_info("SIGHUP: tiers and certificates are read again whenever they change");
  }
}

// Names are shown in answers, logs and the terminal.
Result<void> check_names(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (name.empty() || name.size() > 256 || !is_valid_utf8(name) ||
        std::any_of(name.begin(), name.end(), is_control))
      return fail(ErrorCode::kInvalidArgument,
                  "--served-model-name is 1 to 256 bytes of UTF-8 without control characters");
  }
  return {};
}

// Refuses new work, lets running answers end (at most the drain timeout), then closes. A second
// signal ends at once.
void drain(const ServeOptions& options, const sigset_t& signals, api::ApiHandler& handler,
           http::Server& server, engine::Engine& engine) {
  log_info("draining: {} request(s) get up to {} s; a second signal ends at once",
           server.active_exchanges(), options.drain_timeout_s);
  std::thread([&signals] {
    wait_for_signal(signals);
    std::_Exit(130);
  }).detach();
  handler.start_draining();
  server.stop_accepting();
  engine.drain(std::chrono::seconds(options.drain_timeout_s));
  for (int i = 0; i < 200 && server.active_exchanges() > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  server.shutdown();
  log_info("stopped");
}

Result<void> serve(ServeOptions options) {
  static const sigset_t signals = block_signals();
  if (options.served_names.empty()) options.served_names.emplace_back("Qwen/Qwen3.6-35B-A3B");
  TRY(check_names(options.served_names));
  raise_descriptor_limit();
  configure_heap();
  TRY_ASSIGN(ServeKeys keys, find_keys(options));
  // First, and so last to go: whatever still holds an admission at the end gives it back.
  TRY_ASSIGN(const auto gate,
             access::Gate::open({keys.database, options.tiers_file, keys.operator_keys}));
  TRY_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.model.path));
  TRY_ASSIGN(const auto tokenizer, load_tokenizer(*checkpoint.tensors.file));
  TRY_ASSIGN(const std::int32_t context, choose_context(options.model, checkpoint.tensors.config));
  TRY_ASSIGN(auto backend, make_backend(options.model, checkpoint, context));
  const model::Backend& backend_view = *backend;
  const model::MemoryUse use = backend->memory();  // later on it is the engine's thread's

  const auto engine = engine::Engine::create(std::move(backend), describe_engine(options));
  local::LocalOptions local_options;
  local_options.model = describe_model(checkpoint, context);
  TRY_ASSIGN(local_options.shared_prompts, read_shared_prompts(options.shared_prompts));
  local_options.healthy = [file = checkpoint.tensors.file] { return !file->damaged(); };
  TRY_ASSIGN(const auto service,
             local::LocalChatService::create(*engine, tokenizer, local_options));

  TRY(api::check_origins(options.api.cors_origins));
  const api::HandlerOptions handler_options =
      describe_api(options, backend_view.limits().max_sequences);
  const auto handler = std::make_shared<api::ApiHandler>(handler_options, *service, *gate);
  TRY_ASSIGN(const http::ServerOptions listen_options,
             http_options(options.network, handler->body_limit()));
  TRY_ASSIGN(const auto server, http::Server::listen(listen_options, handler));
  std::unique_ptr<http::Server> admin;  // ends before what it tells about
  if (options.network.admin_port >= 0) {
    TRY_ASSIGN(admin, start_admin(static_cast<std::uint16_t>(options.network.admin_port), *server,
                                  *handler, *engine, handler_options.served_names.front()));
  }

  if (!checkpoint.embedded && options.model.backend != "fake") warm_up(*checkpoint.tensors.file);
  TRY(complete_keys(options, keys));
  gate->refresh();  // a key that is shown works
  server->start();
  print_start(options, service->model(), backend_view, use, checkpoint.embedded, keys,
              server->port());
  if (admin) log_info("metrics on http://127.0.0.1:{}/metrics", admin->port());
  wait_for_signal(signals);
  drain(options, signals, *handler, *server, *engine);
  return {};
}

}  // namespace

int run_serve(const ServeOptions& options) {
  configure_log(LogLevel::kInfo, options.log_json);
  const Result<void> served = serve(options);
  return served ? 0 : report(served.error());
}

}  // namespace tessera::app
