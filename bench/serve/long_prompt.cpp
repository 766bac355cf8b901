#include "serve/long_prompt.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "app/bench_row.h"
#include "serve/talk.h"

namespace tessera::bench {
namespace {

using app::quantile;
struct Small {
  std::vector<double> first_ms;
  std::vector<double> gaps_ms;
  std::vector<double> whole_ms;
};

void append(std::vector<double>& to, const std::vector<double>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

class Scenario {
 public:
  Scenario(std::uint16_t port, const LongPromptOptions& options) : port_(port), options_(options) {}

  bool run() {
    if (!small(warm_up_)) return false;
    const int idle = std::max(20, 60 / options_.rounds);
    for (int round = 0; round < options_.rounds; ++round) {
      for (int i = 0; i < idle; ++i)
        if (!small(idle_)) return false;
      const bool alone_first = round % 2 == 0;  // the machine drifts
      if (alone_first && !long_alone()) return false;
      if (!together()) return false;
      if (!alone_first && !long_alone()) return false;
    }
    report();
    return true;
  }

 private:
  bool failed(std::string_view what, const Talk& answer) const {
    fmt::print(stderr, "serve_bench: a {} request was not answered (status {})\n", what,
               answer.status);
    return false;
  }

  bool small(Small& into) {
    const Talk answer = talk(port_, completion_request(options_.key, options_.small_tokens,
                                                       options_.answer_tokens, ++seed_));
    if (!answer.whole || answer.events.empty()) return failed("small", answer);
    into.first_ms.push_back(answer.first_event_ms());
    append(into.gaps_ms, answer.gaps_ms());
    into.whole_ms.push_back(
        std::chrono::duration<double, std::milli>(answer.events.back() - answer.sent).count());
    return true;
  }

  Talk long_one() {
    return talk(port_, completion_request(options_.key, options_.long_tokens, 1, ++seed_));
  }

  bool long_alone() {
    const Talk answer = long_one();
    alone_s_.push_back(answer.first_event_ms() / 1000);
    return answer.whole || failed("long", answer);
  }

  // Only small requests that were in while the long prompt was read count.
  bool together() {
    const double pause_ms = quantile(idle_.whole_ms, 0.5) * (1 / options_.share - 1);
    std::atomic<bool> read{false};
    Talk answer;
    const unsigned seed = ++seed_;
    std::thread reader([&] {
      answer = talk(port_, completion_request(options_.key, options_.long_tokens, 1, seed));
      read = true;
    });
    bool good = true;
    while (good && !read) {
      // Random, so that requests come at all moments of a step.
      const double wait = pause_ms * 2 * std::uniform_real_distribution<>(0, 1)(random_);
      for (const auto end = Talk::Clock::now() + std::chrono::duration<double, std::milli>(wait);
           Talk::Clock::now() < end && !read;)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (read) break;
      Small one;
      good = small(one);
      if (read) break;
      append(beside_.first_ms, one.first_ms);
      append(beside_.gaps_ms, one.gaps_ms);
    }
    reader.join();
    together_s_.push_back(answer.first_event_ms() / 1000);
    return good && (answer.whole || failed("long", answer));
  }

  void print(std::string what, std::string unit, std::vector<double> samples,
             std::string bar = {}) const {
    app::Row row{.what = std::move(what),
                 .settings = {},
                 .samples = std::move(samples),
                 .unit = std::move(unit)};
    row.settings.set("long", options_.long_tokens);
    row.settings.set("small", options_.small_tokens);
    row.settings.set("share", options_.share);
    row.bar = std::move(bar);
    app::print_row("serve", row, options_.json);
  }

  void report() const {
    const auto p99_ratio = [](const std::vector<double>& a, const std::vector<double>& b) {
      return quantile(a, 0.99) / quantile(b, 0.99);
    };
    print("small first token, idle", "ms", idle_.first_ms);
    print("small first token, beside", "ms", beside_.first_ms);
    print("small first token, p99 idle", "ms", {quantile(idle_.first_ms, 0.99)});
    print("small first token, p99 beside", "ms", {quantile(beside_.first_ms, 0.99)});
    print("small first token, p99 ratio", "x", {p99_ratio(beside_.first_ms, idle_.first_ms)},
          "<= 3");
    print("small gap, idle", "ms", idle_.gaps_ms);
    print("small gap, beside", "ms", beside_.gaps_ms);
    print("small gap, p99 ratio", "x", {p99_ratio(beside_.gaps_ms, idle_.gaps_ms)}, "<= 2");
    print("long prompt, alone", "s", alone_s_);
    print("long prompt, beside", "s", together_s_);
    print("long prompt, loss", "%",
          {100 * (1 - quantile(alone_s_, 0.5) / quantile(together_s_, 0.5))}, "<= 15");
  }

  const std::uint16_t port_;
  const LongPromptOptions& options_;
  std::minstd_rand random_{5};
  unsigned seed_ = 0;
  Small warm_up_, idle_, beside_;
  std::vector<double> alone_s_, together_s_;
};

}  // namespace

std::string completion_request(const std::string& key, int tokens, int answer, unsigned seed) {
  constexpr unsigned kFirst = 300, kIds = 1500;
  std::minstd_rand random(seed + 1);
  std::string ids;
  for (int i = 0; i < tokens; ++i) {
    if (i > 0) ids += ',';
    ids += std::to_string(kFirst + static_cast<unsigned>(random()) % kIds);
  }
  // Token 64 is "a" in byte-level vocabularies; biased so that nothing else is ever said.
  const std::string body = fmt::format(
      R"({{"model":"Qwen/Qwen3.6-35B-A3B","prompt":[{}],"max_tokens":{},"temperature":0,"stream":true,"logit_bias":{{"64":100}}}})",
      ids, answer);
  return fmt::format(
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      key, body.size(), body);
}

bool measure_long_prompt(std::uint16_t port, const LongPromptOptions& options) {
  return Scenario(port, options).run();
}

}  // namespace tessera::bench
