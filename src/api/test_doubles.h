// For tests: a chat service that says what it is told, a connection that keeps what is written, and
// a gate with a handful of keys. All on one thread, but for what an exchange gets from a worker.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "access/gate.h"
#include "chat/service.h"
#include "http/server.h"

namespace tessera::api {

struct Script {
  std::deque<chat::ChatEvent> events;
  bool cancelled = false;
  std::function<void()> on_ready;
};

class ScriptedStream final : public chat::ChatStream {
 public:
  explicit ScriptedStream(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedStream() override { cancel(); }
  std::optional<chat::ChatEvent> next() override {
    if (script_->events.empty()) return std::nullopt;
    chat::ChatEvent event = std::move(script_->events.front());
    script_->events.pop_front();
    return event;
  }
  void cancel() override { script_->cancelled = true; }
  chat::Usage usage() const override { return {.prompt_tokens = 3}; }

 private:
  std::shared_ptr<Script> script_;
};

class ScriptedService final : public chat::ChatService {
 public:
  ScriptedService() {
    info.max_context = 100;
    info.vocabulary = 50;
  }

  chat::ModelInfo info;
  std::vector<std::shared_ptr<Script>> scripts;  // of each start, in order
  std::optional<chat::Refusal> refusal;
  std::function<void()> before_measuring;
  chat::ChatRequest last;  // that was started or measured

  const chat::ModelInfo& model() const override { return info; }
  bool ready() const override { return true; }
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> start(
      chat::ChatRequest request, std::function<void()> on_ready) override {
    if (refusal) return Unexpected{*refusal};
    last = std::move(request);
    scripts.push_back(std::make_shared<Script>());
    scripts.back()->on_ready = std::move(on_ready);
    return std::unique_ptr<chat::ChatStream>(std::make_unique<ScriptedStream>(scripts.back()));
  }
  Result<std::unique_ptr<chat::ChatStream>, chat::Refusal> start_text(
      chat::TextRequest, std::function<void()> on_ready) override {
    return start({}, std::move(on_ready));
  }
  Result<chat::PromptFacts, chat::Refusal> measure(const chat::ChatRequest& request) override {
    if (before_measuring) before_measuring();
    last = request;
    return chat::PromptFacts{3, "digest", {1, 2, 3}, refusal, 100, 97};
  }
  Result<std::vector<TokenId>, chat::Refusal> tokenise(std::string_view text, bool) override {
    return std::vector<TokenId>(text.begin(), text.end());
  }
  Result<std::string, chat::Refusal> detokenise(std::span<const TokenId> tokens) override {
    return std::string(tokens.begin(), tokens.end());
  }
};

// Posted work runs when the test says so.
class FakeExchange final : public http::Exchange {
 public:
  void respond(http::Response answer) override {
    const std::lock_guard lock(mutex_);
    response = std::move(answer);
    something_.notify_all();
  }
  void start_stream(unsigned status, std::vector<http::Header> sent) override {
    stream_status = status;
    headers = std::move(sent);
  }
  void write(std::string frame) override {
    written += frame;
    waiting += frame.size();
  }
  void finish_stream(std::vector<http::Header> sent) override {
    finished = true;
    trailers = std::move(sent);
  }
  std::size_t buffered() const override { return waiting; }
  void post(std::function<void()> work) override {
    const std::lock_guard lock(mutex_);
    posted.push_back(std::move(work));
    something_.notify_all();
  }
  void on_ring(std::function<void()> work) override { ring_work = std::move(work); }
  void ring() override { post(ring_work); }
  void on_disconnect(std::function<void()> callback) override { disconnect = std::move(callback); }
  void on_writable(std::function<void()> callback) override { writable = std::move(callback); }

  void run_posted() {
    for (;;) {
      std::function<void()> work;
      {
        const std::lock_guard lock(mutex_);
        if (posted.empty()) return;
        work = std::move(posted.front());
        posted.pop_front();
      }
      work();
    }
  }
  // Until a worker has answered or posted.
  void wait() {
    std::unique_lock lock(mutex_);
    something_.wait(lock, [this] { return response || !posted.empty(); });
  }
  // A connection always ends; it then lets go of what it held.
  void close() {
    if (const auto callback = std::exchange(disconnect, nullptr)) callback();
    writable = nullptr;
  }

  std::optional<http::Response> response;
  unsigned stream_status = 0;
  std::vector<http::Header> headers;
  std::vector<http::Header> trailers;
  std::string written;
  std::size_t waiting = 0;
  bool finished = false;
  std::deque<std::function<void()>> posted;
  std::function<void()> ring_work;
  std::function<void()> disconnect;
  std::function<void()> writable;

 private:
  std::mutex mutex_;  // of response and posted
  std::condition_variable something_;
};

inline std::string header_of(const std::vector<http::Header>& headers, std::string_view name) {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
  return found == headers.end() ? std::string() : found->second;
}

struct Settled {
  access::Outcome outcome;
  int status;
  access::Tokens tokens;
};

// What a gate was asked for.
struct GateLog {
  int bad_keys = 0;
  int requests_taken = 0;
  int running = 0;
  std::vector<access::RequestFacts> admitted;
  std::vector<Settled> settled;
  bool commits_at_once = false;
  std::vector<std::function<void()>> done;  // rows that are not durable yet
  std::function<void()> revoke;             // of the last admission
};

class FakeAdmission final : public access::Admission {
 public:
  explicit FakeAdmission(GateLog& log) : log_(log) { ++log_.running; }
  ~FakeAdmission() override { release(); }
  void on_revoked(std::function<void()> callback) override { log_.revoke = std::move(callback); }
  bool settle(access::Outcome outcome, int status, const access::Tokens& tokens,
              std::function<void()> done) override {
    log_.settled.push_back({outcome, status, tokens});
    log_.revoke = nullptr;
    release();
    if (log_.commits_at_once || (tokens.prompt == 0 && tokens.completion == 0)) return true;
    log_.done.push_back(std::move(done));
    return false;
  }

 private:
  void release() {
    if (std::exchange(held_, false)) --log_.running;
  }
  GateLog& log_;
  bool held_ = true;
};

class FakeGate final : public access::Gate {
 public:
  FakeGate() {
    auto lite = std::make_shared<access::Tier>();
    lite->name = "lite";
    callers["good"] = {"key_1", AccountId{1}, "ada", lite, 64, {}};
    callers["other"] = {"key_2", AccountId{2}, "bob", lite, 32, {"only-this"}};
  }

  std::map<std::string, access::Caller, std::less<>> callers;
  std::optional<access::Denial> identify_denial;  // for every key
  std::optional<access::Denial> request_denial;
  std::optional<access::Denial> admit_denial;
  bool is_healthy = true;
  GateLog log;

  Result<access::Caller, access::Denial> identify(std::string_view presented,
                                                  std::string_view) override {
    if (identify_denial) return Unexpected{*identify_denial};
    const auto found = callers.find(presented);
    if (found != callers.end()) return found->second;
    ++log.bad_keys;
    return Unexpected{access::Denial{access::DenialCode::kInvalidKey, 0, "bad", {}}};
  }
  std::optional<access::RateState> rate(const access::Caller&) const override {
    return access::RateState{50, 50 - log.requests_taken, 60};
  }
  std::optional<access::Denial> peek_request(const access::Caller&) const override {
    return request_denial;
  }
  Result<std::optional<access::CountedRequest>, access::Denial> take_request(
      const access::Caller&) override {
    if (request_denial) return Unexpected{*request_denial};
    ++log.requests_taken;
    return std::optional<access::CountedRequest>();
  }
  Result<std::unique_ptr<access::Admission>, access::Denial> admit(
      const access::Caller&, access::RequestFacts facts) override {
    if (admit_denial) return Unexpected{*admit_denial};
    log.admitted.push_back(std::move(facts));
    return std::unique_ptr<access::Admission>(std::make_unique<FakeAdmission>(log));
  }
  bool healthy() const override { return is_healthy; }

  // The rows that wait become durable.
  void commit() {
    for (const auto& done : std::exchange(log.done, {})) done();
  }
};

}  // namespace tessera::api
