// The server under load; but for the last two with the fake backend behind it, so that all time
// seen is the server's own:
//
//   serve_bench [BINARY]                         all three rows of docs/performance.md
//   serve_bench --only long --model FILE         a long prompt beside short ones, with a real model
//   serve_bench --only flood --model FILE        one account's flood and another's first tokens
//   serve_bench --only ready --model FILE        from exec to the first answer of /readyz
//   serve_bench --url 127.0.0.1:8080 --key KEY   one load on a server that is there already
//
// The client runs on the same machine and takes its share of the cores; it says how much of a core
// both took.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "app/bench_row.h"
#include "serve/echo.h"
#include "serve/flood.h"
#include "serve/load.h"
#include "serve/long_prompt.h"
#include "serve/server_process.h"
#include "serve/talk.h"

namespace {

using namespace tessera;         // NOLINT(google-build-using-namespace): a program of its own
using namespace tessera::bench;  // NOLINT(google-build-using-namespace)

struct Flags {
  std::string binary = "build/release/tessera";
  std::string url;
  std::string key = "sk-tessera-" + std::string(40, 'B');
  int io_threads = 2;
  int seconds = 5;
  int repeat = 3;
  int streams = 10'000;
  int stream_tokens = 400;
  int connections = 32;
  double rate = 0;
  int prompt_words = 1'000;
  int max_tokens = 16;
  bool stream = false;
  bool once = false;
  std::string only;
  std::string model;  // a file; empty: the demo model
  std::vector<std::string> server_flags;
  LongPromptOptions long_prompt;
  FloodOptions flood;
  bool json = false;
};

std::string request_text(const Flags& flags, int words, int max_tokens, bool stream) {
  std::string prompt;
  for (int i = 0; i < words; ++i) prompt += " a";  // one token each, in any vocabulary of this kind
  const std::string body = fmt::format(
      R"({{"model":"Qwen/Qwen3.6-35B-A3B","messages":[{{"role":"user","content":"{}"}}],"max_tokens":{},"temperature":0,"stream":{}}})",
      prompt, max_tokens, stream);
  return fmt::format(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      flags.key, body.size(), body);
}

// Server flags that make way for a load from one key and one address.
std::vector<std::string> open_doors(const Flags& flags) {
  const std::filesystem::path tiers = ServerProcess::folder() / "tiers.toml";
  std::ofstream(tiers) << "[tier.enterprise]\nrequests_per_minute = \"unlimited\"\n"
                          "concurrent_requests = \"unlimited\"\n";
  return {"--api-key",
          flags.key,
          "--io-threads",
          std::to_string(flags.io_threads),
          "--tiers",
          tiers,
          "--max-connections-per-address",
          "0"};
}

// With a script in place of a model.
class Server : public ServerProcess {
 public:
  Server(const Flags& flags, int delay_us, int sequences, int batch_tokens, int max_queue = 20'000,
         const std::vector<std::string>& more = {})
      : ServerProcess(flags.binary,
                      arguments(flags, delay_us, sequences, batch_tokens, max_queue, more)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }

 private:
  static std::vector<std::string> arguments(const Flags& flags, int delay_us, int sequences,
                                            int batch_tokens, int max_queue,
                                            const std::vector<std::string>& more) {
    const std::filesystem::path script = folder() / "script.json";
    // Token 300 without end: every answer is as long as the request says.
    std::ofstream(script) << fmt::format(
        R"({{"never_ends":300,"vocabulary":2048,"max_context":131072,"max_sequences":{},)"
        R"("max_batch_tokens":{},"delay_us":{}}})",
        sequences, batch_tokens, delay_us);
    std::vector<std::string> all = open_doors(flags);
    all.insert(all.end(), {"--backend", "fake", "--fake-script", script.string(), "--max-queue",
                           std::to_string(max_queue), "--max-running", std::to_string(sequences)});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::optional<LoadResult> report(std::string_view name, const LoadOptions& options,
                                 const Server* server) {
  const double own = own_cpu_seconds();
  const double theirs = server == nullptr ? 0 : server->cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  auto loaded = run_load(options);
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!loaded) {
    fmt::print(stderr, "serve_bench: {}\n", loaded.error().message);
    return std::nullopt;
  }
  LoadResult& r = *loaded;
  fmt::print(
      "{:<22} {:>8.0f} req/s  latency p50 {:.3f} p99 {:.3f} ms  first event p50 {:.3f} p99 {:.3f} "
      "ms  "
      "gap p50 {:.2f} p99 {:.2f} ms  events/s {:.0f}  refused {} ({}) broken {} late {}  "
      "cores: server {:.2f} client {:.2f}\n",
      name, static_cast<double>(r.requests) / r.seconds, percentile(r.latency, 0.5),
      percentile(r.latency, 0.99), percentile(r.first_event, 0.5), percentile(r.first_event, 0.99),
      percentile(r.gaps, 0.5), percentile(r.gaps, 0.99), static_cast<double>(r.events) / r.seconds,
      r.refused, r.last_status, r.broken, r.late,
      server == nullptr ? 0.0 : (server->cpu_seconds() - theirs) / wall,
      (own_cpu_seconds() - own) / wall);
  std::fflush(stdout);
  return std::move(r);
}

LoadOptions base_options(const Flags& flags, std::uint16_t port) {
  LoadOptions options;
  options.port = port;
  options.connections = flags.connections;
  options.duration = std::chrono::seconds(flags.seconds);
  return options;
}

// As long as what the server says to that: some 0.4 KiB of head and 0.5 of body.
std::string canned_answer() {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Filler: {}\r\n"
      "Content-Length: 500\r\n\r\n{}",
      std::string(280, 'x'), std::string(500, 'x'));
}

// What the server adds to a request whose model takes no time, and by turns with it what is there
// without a server: the client, the kernel, a loop that answers at once.
void added_latency(const Flags& flags) {
  const Server server(flags, 0, 64, 65536);
  LoadOptions options = base_options(flags, server.port());
  options.request = request_text(flags, flags.prompt_words, 1, false);
  options.rate = 1000;
  const auto echo = Echo::start(options.request.size(), canned_answer());
  if (!echo) {
    fmt::print(stderr, "serve_bench: {}\n", echo.error().message);
    return;
  }
  std::vector<float> with_server, with_echo;
  for (int i = 0; i < flags.repeat; ++i) {
    options.port = server.port();
    auto of_server = report("1000/s, 1000 tokens", options, &server);
    options.port = (*echo)->port();
    auto of_echo = report("the same, a bare echo", options, nullptr);
    if (!of_server || !of_echo) return;
    with_server.push_back(percentile(of_server->latency, 0.5));
    with_echo.push_back(percentile(of_echo->latency, 0.5));
  }
  fmt::print("{:<22} p50, medians: {:.3f} ms, of which a bare echo takes {:.3f} ms\n", "",
             percentile(with_server, 0.5), percentile(with_echo, 0.5));
}

void short_requests(const Flags& flags) {
  const Server server(flags, 0, 256, 65536);
  LoadOptions options = base_options(flags, server.port());
  options.connections = 128;
  options.request = request_text(flags, 1, 1, false);
  for (int i = 0; i < flags.repeat; ++i) report("short, back to back", options, &server);
}

void open_streams(const Flags& flags) {
  // Twenty tokens a second for each: the model computes kBatch of them at a time, and what it takes
  // for that is what is left of its share of 50 ms when the engine's own work is done.
  constexpr int kBatch = 1000;
  constexpr int kEngineUs = 3600;
  const int delay_us = std::max(100, 50'000 / std::max(1, flags.streams / kBatch) - kEngineUs);
  // All of one account, which is to have all there is.
  const Server server(flags, delay_us, flags.streams, kBatch, 20'000, {"--account-share", "1"});
  LoadOptions options = base_options(flags, server.port());
  options.request = request_text(flags, 8, flags.stream_tokens, true);
  options.connections = flags.streams;
  options.once = true;
  options.duration = std::chrono::seconds(120);
  const double before = server.resident_kib();
  double peak = before;
  std::jthread watch([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      peak = std::max(peak, server.resident_kib());
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    }
  });
  auto loaded = report(fmt::format("{} open streams", flags.streams), options, &server);
  watch.request_stop();
  watch.join();
  if (!loaded) return;
  fmt::print("{:<22} tokens/s of each, first to last: median {:.1f}, slowest {:.1f} (bar: 20)\n",
             "", percentile(loaded->rates, 0.5), percentile(loaded->rates, 0));
  fmt::print(
      "{:<22} {:.1f} KiB of anonymous memory a stream (peak {:.0f} MiB, before {:.0f} MiB)\n", "",
      (peak - before) / flags.streams, peak / 1024, before / 1024);
}

// More than the model can do: what comes of it, beside the most that it does, and how soon the rest
// is refused. Sixteen answers at once of 32 tokens, 10 ms each: 50 a second at most.
void overload(const Flags& flags) {
  const Server server(flags, 10'000, 16, 512, 64);
  LoadOptions options = base_options(flags, server.port());
  options.request = request_text(flags, 8, 32, false);
  options.connections = 32;
  const auto peak = report("as much as it can do", options, &server);
  if (!peak) return;
  const double most = static_cast<double>(peak->requests) / peak->seconds;
  for (const int times : {2, 10, 50}) {
    options.rate = most * times;
    options.connections = 1000;
    auto loaded = report(fmt::format("{} times as much", times), options, &server);
    if (!loaded) return;
    const double share = static_cast<double>(loaded->requests) / loaded->seconds / most;
    fmt::print(
        "{:<22} {:.1f} % of the peak (bar: 90); refusals p50 {:.2f} p99 {:.2f} ms (bar: 10)\n", "",
        100 * share, percentile(loaded->refusal, 0.5), percentile(loaded->refusal, 0.99));
  }
}

std::vector<std::string> with_model(const Flags& flags) {
  std::vector<std::string> arguments = open_doors(flags);
  if (!flags.model.empty()) arguments.insert(arguments.end(), {"--model", flags.model});
  arguments.insert(arguments.end(), flags.server_flags.begin(), flags.server_flags.end());
  return arguments;
}

bool long_prompt(const Flags& flags) {
  std::vector<std::string> arguments = with_model(flags);
  const ServerProcess server(flags.binary, std::move(arguments));
  LongPromptOptions options = flags.long_prompt;
  options.key = flags.key;
  options.rounds = flags.repeat;
  options.json = flags.json;
  return measure_long_prompt(server.port(), options);
}

bool flood(const Flags& flags) {
  FloodOptions options = flags.flood;
  options.key = flags.key;
  options.flooding_key = "sk-tessera-" + std::string(40, 'F');
  options.rounds = flags.repeat;
  options.seconds = flags.seconds;
  options.json = flags.json;
  std::vector<std::string> arguments = with_model(flags);
  arguments.insert(arguments.end(), {"--api-key", options.flooding_key});
  const ServerProcess server(flags.binary, std::move(arguments));
  return measure_flood(server.port(), options);
}

// The model file has to be in the page cache; the first start, which sees to that, does not count.
bool ready(const Flags& flags) {
  const std::string request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  app::Row row{.what = "from exec to /readyz", .settings = {}, .samples = {}, .unit = "s"};
  row.settings.set("model", flags.model.empty() ? "demo" : flags.model);
  row.bar = "<= 1.5";
  for (int i = 0; i <= flags.repeat; ++i) {
    const ServerProcess server(flags.binary, with_model(flags));
    const auto begin = std::chrono::steady_clock::now();
    if (const Talk answer = talk(server.port(), request); answer.status != 200) {
      fmt::print(stderr, "serve_bench: /readyz answers {}\n", answer.status);
      return false;
    }
    const std::chrono::duration<double> asked = std::chrono::steady_clock::now() - begin;
    if (i > 0) row.samples.push_back(server.seconds_to_listen() + asked.count());
  }
  app::print_row("serve", row, flags.json);
  return true;
}

int run(const Flags& flags) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (!flags.url.empty()) {
    const std::size_t colon = flags.url.find(':');
    LoadOptions options =
        base_options(flags, static_cast<std::uint16_t>(std::atoi(flags.url.c_str() + colon + 1)));
    options.host = flags.url.substr(0, colon);
    options.rate = flags.rate;
    options.once = flags.once;
    options.request = request_text(flags, flags.prompt_words, flags.max_tokens, flags.stream);
    return report("load", options, nullptr) ? 0 : 1;
  }
  if (flags.only == "long") return long_prompt(flags) ? 0 : 1;
  if (flags.only == "flood") return flood(flags) ? 0 : 1;
  if (flags.only == "ready") return ready(flags) ? 0 : 1;
  if (flags.only.empty() || flags.only == "latency") added_latency(flags);
  if (flags.only.empty() || flags.only == "short") short_requests(flags);
  if (flags.only.empty() || flags.only == "streams") open_streams(flags);
  if (flags.only.empty() || flags.only == "overload") overload(flags);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("the server under load");
  app.add_option("BINARY", flags.binary,
                 "tessera, to be started with the fake backend (build/release/tessera)");
  app.add_option("--url", flags.url, "host:port of a server that is there already");
  app.add_option("--key", flags.key, "API key");
  app.add_option("--only", flags.only, "latency, short, streams, overload, long, flood or ready")
      ->check(CLI::IsMember({"latency", "short", "streams", "overload", "long", "flood", "ready"}));
  app.add_option("--model", flags.model, "for long, flood and ready: GGUF file (the demo model)");
  app.add_option("--long", flags.long_prompt.long_tokens, "for long: tokens of the long prompt");
  app.add_option("--small", flags.long_prompt.small_tokens, "for long: tokens of the short ones");
  app.add_option("--answer", flags.long_prompt.answer_tokens, "for long: of their answers");
  app.add_option("--share", flags.long_prompt.share,
                 "for long: of the time, that short ones take when they are alone")
      ->check(CLI::Range(0.001, 0.9));
  app.add_option("--flood-small", flags.flood.small_tokens, "for flood: of the measured prompts");
  app.add_option("--flood-clients", flags.flood.clients, "for flood: requests of it in at a time");
  app.add_option("--flood-longest", flags.flood.longest, "for flood: tokens of its prompts");
  app.add_option("--flood-answer", flags.flood.longest_answer, "for flood: of its answers");
  app.add_option("--server", flags.server_flags,
                 "for long, flood and ready: a flag of the server's more")
      ->allow_extra_args(false);
  app.add_flag("--json", flags.json, "for long, flood and ready: a JSON object a line");
  app.add_option("--io-threads", flags.io_threads, "of the server");
  app.add_option("--seconds", flags.seconds, "of each measurement");
  app.add_option("--repeat", flags.repeat, "measurements");
  app.add_option("--streams", flags.streams, "open at once");
  app.add_option("--stream-tokens", flags.stream_tokens, "for streams: of each answer");
  app.add_option("--connections", flags.connections, "of the client");
  app.add_flag("--once", flags.once, "with --url: one request a connection, all at once");
  app.add_option("--rate", flags.rate, "with --url: requests a second; 0: back to back");
  app.add_option("--prompt", flags.prompt_words, "tokens of the prompt");
  app.add_option("--max-tokens", flags.max_tokens, "with --url: of the answer");
  app.add_flag("--stream", flags.stream, "with --url: streamed");
  CLI11_PARSE(app, argc, argv);
  return run(flags);
}
