// The server under load, with the fake backend behind it, so that all time seen is the server's
// own:
//
//   serve_bench [BINARY]                         all three rows of docs/performance.md
//   serve_bench --url 127.0.0.1:8080 --key KEY   one load on a server that is there already
//
// The client runs on the same machine and takes its share of the cores; it says how much of a core
// both took.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "serve/load.h"

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
  int connections = 32;
  double rate = 0;
  int prompt_words = 1'000;
  int max_tokens = 16;
  bool stream = false;
  bool once = false;
  std::string only;
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

// The binary with a script: a process of ours, ended by its id.
class Server {
 public:
  Server(const Flags& flags, int delay_us, int sequences, int batch_tokens,
         int max_queue = 20'000) {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("serve_bench.{}", ::getpid());
    std::filesystem::create_directories(folder_);
    // Token 300 without end: every answer is as long as the request says.
    std::ofstream(folder_ / "script.json") << fmt::format(
        R"({{"never_ends":300,"vocabulary":2048,"max_context":131072,"max_sequences":{},)"
        R"("max_batch_tokens":{},"delay_us":{}}})",
        sequences, batch_tokens, delay_us);
    std::ofstream(folder_ / "tiers.toml") << "[tier.enterprise]\nrequests_per_minute = "
                                             "\"unlimited\"\nconcurrent_requests = \"unlimited\"\n";
    const std::vector<std::string> arguments = {flags.binary,
                                                "serve",
                                                "--backend",
                                                "fake",
                                                "--fake-script",
                                                folder_ / "script.json",
                                                "--port",
                                                "0",
                                                "--api-key",
                                                flags.key,
                                                "--io-threads",
                                                std::to_string(flags.io_threads),
                                                "--db",
                                                folder_ / "bench.db",
                                                "--tiers",
                                                folder_ / "tiers.toml",
                                                "--max-connections-per-address",
                                                "0",
                                                "--max-queue",
                                                std::to_string(max_queue),
                                                "--max-running",
                                                std::to_string(sequences)};
    int out[2];
    if (::pipe(out) != 0) std::exit(1);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::close(out[0]);
      std::freopen((folder_ / "log").c_str(), "w", stderr);
      std::vector<char*> argv;
      for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      ::execv(flags.binary.c_str(), argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    FILE* lines = ::fdopen(out[0], "r");
    char line[4096];
    while (port == 0 && std::fgets(line, sizeof line, lines) != nullptr) {
      const char* url = std::strstr(line, "http://127.0.0.1:");
      if (url != nullptr) port = static_cast<std::uint16_t>(std::atoi(url + 17));
    }
    if (port == 0) {
      fmt::print(stderr, "serve_bench: the server did not start; its log: {}\n",
                 (folder_ / "log").string());
      std::exit(1);
    }
    lines_ = lines;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  ~Server() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::fclose(lines_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Of all its threads, user and system.
  double cpu_seconds() const {
    std::ifstream file(fmt::format("/proc/{}/stat", pid_));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    text.erase(0, text.rfind(')') + 2);
    std::istringstream fields(text);
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  double resident_kib() const {
    std::ifstream file(fmt::format("/proc/{}/status", pid_));
    std::string word;
    double value = 0;
    while (file >> word)
      if (word == "RssAnon:") file >> value;
    return value;
  }

  std::uint16_t port = 0;

 private:
  std::filesystem::path folder_;
  pid_t pid_ = 0;
  FILE* lines_ = nullptr;
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

// What the server adds to a request whose model takes no time.
void added_latency(const Flags& flags) {
  const Server server(flags, 0, 64, 65536);
  LoadOptions options = base_options(flags, server.port);
  options.request = request_text(flags, flags.prompt_words, 1, false);
  options.rate = 1000;
  for (int i = 0; i < flags.repeat; ++i) report("1000/s, 1000 tokens", options, &server);
}

void short_requests(const Flags& flags) {
  const Server server(flags, 0, 256, 65536);
  LoadOptions options = base_options(flags, server.port);
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
  const Server server(flags, delay_us, flags.streams, kBatch);
  LoadOptions options = base_options(flags, server.port);
  options.request = request_text(flags, 8, 400, true);
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
  report(fmt::format("{} open streams", flags.streams), options, &server);
  watch.request_stop();
  watch.join();
  fmt::print(
      "{:<22} {:.1f} KiB of anonymous memory a stream (peak {:.0f} MiB, before {:.0f} MiB)\n", "",
      (peak - before) / flags.streams, peak / 1024, before / 1024);
}

// More than the model can do: what comes of it, beside the most that it does, and how soon the rest
// is refused. Sixteen answers at once of 32 tokens, 10 ms each: 50 a second at most.
void overload(const Flags& flags) {
  const Server server(flags, 10'000, 16, 512, 64);
  LoadOptions options = base_options(flags, server.port);
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
  app.add_option("--only", flags.only, "latency, short, streams or overload");
  app.add_option("--io-threads", flags.io_threads, "of the server");
  app.add_option("--seconds", flags.seconds, "of each measurement");
  app.add_option("--repeat", flags.repeat, "measurements");
  app.add_option("--streams", flags.streams, "open at once");
  app.add_option("--connections", flags.connections, "of the client");
  app.add_flag("--once", flags.once, "with --url: one request a connection, all at once");
  app.add_option("--rate", flags.rate, "with --url: requests a second; 0: back to back");
  app.add_option("--prompt", flags.prompt_words, "tokens of the prompt");
  app.add_option("--max-tokens", flags.max_tokens, "with --url: of the answer");
  app.add_flag("--stream", flags.stream, "with --url: streamed");
  CLI11_PARSE(app, argc, argv);
  return run(flags);
}
