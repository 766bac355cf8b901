#include "serve/flood.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "app/bench_row.h"
#include "serve/long_prompt.h"
#include "serve/talk.h"

namespace tessera::bench {
namespace {

using app::quantile;
using std::chrono::milliseconds;

class Scenario {
 public:
  Scenario(std::uint16_t port, const FloodOptions& options) : port_(port), options_(options) {}

  bool run() {
    std::vector<double> warm_up;
    if (!measure(warm_up, milliseconds(500))) return false;
    for (int round = 0; round < options_.rounds; ++round) {
      if (!measure(alone_ms_, std::chrono::seconds(options_.seconds))) return false;
      if (!beside()) return false;
      std::this_thread::sleep_for(milliseconds(300));  // what the flood had in is cancelled
    }
    report();
    return true;
  }

 private:
  bool measure(std::vector<double>& into, Talk::Clock::duration time) {
    const auto end = Talk::Clock::now() + time;
    while (Talk::Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(
          2 * options_.pause_ms * std::uniform_real_distribution<>(0, 1)(random_)));
      const Talk answer = talk(port_, completion_request(options_.key, options_.small_tokens,
                                                         options_.answer_tokens, ++seed_));
      if (!answer.whole || answer.events.empty()) {
        fmt::print(stderr, "serve_bench: a request was not answered (status {})\n", answer.status);
        return false;
      }
      into.push_back(answer.first_event_ms());
    }
    return true;
  }

  bool beside() {
    std::vector<std::jthread> clients;
    for (int i = 0; i < options_.clients; ++i)
      clients.emplace_back(
          [this, i](const std::stop_token& stop) { keep_asking(stop, static_cast<unsigned>(i)); });
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const bool measured = measure(beside_ms_, std::chrono::seconds(options_.seconds));
    for (std::jthread& client : clients) client.request_stop();
    return measured;
  }

  // One of the flood's: long and short ones by turns.
  void keep_asking(const std::stop_token& stop, unsigned number) {
    std::minstd_rand random(number + 1);
    while (!stop.stop_requested()) {
      const auto up_to = [&](int most) {
        return 1 + static_cast<int>(random() % static_cast<unsigned>(std::max(1, most)));
      };
      const int part = random() % 2 == 0 ? 1 : 8;
      const Talk answer =
          talk(port_,
               completion_request(options_.flooding_key, up_to(options_.longest / part),
                                  up_to(options_.longest_answer / part),
                                  static_cast<unsigned>(random())),
               stop);
      flood_answered_ += answer.whole ? 1 : 0;
      // Refused: it comes again, as rude clients do.
      if (!answer.whole && !stop.stop_requested()) {
        ++flood_refused_;
        std::this_thread::sleep_for(milliseconds(20));
      }
    }
  }

  void print(std::string what, std::string unit, std::vector<double> samples,
             std::string bar = {}) const {
    app::Row row{.what = std::move(what),
                 .settings = {},
                 .samples = std::move(samples),
                 .unit = std::move(unit)};
    row.settings.set("small", options_.small_tokens);
    row.settings.set("clients", options_.clients);
    row.settings.set("longest", options_.longest);
    row.settings.set("answers", options_.longest_answer);
    row.bar = std::move(bar);
    app::print_row("serve", row, options_.json);
  }

  void report() const {
    const auto ratio = [this](double share) {
      return quantile(beside_ms_, share) / quantile(alone_ms_, share);
    };
    print("first token, alone", "ms", alone_ms_);
    print("first token, beside a flood", "ms", beside_ms_);
    print("first token, p99 alone", "ms", {quantile(alone_ms_, 0.99)});
    print("first token, p99 beside a flood", "ms", {quantile(beside_ms_, 0.99)});
    print("first token, median ratio", "x", {ratio(0.5)}, "<= 2");
    print("first token, p99 ratio", "x", {ratio(0.99)}, "<= 2");
    print("the flood's own, answered a second", "/s",
          {static_cast<double>(flood_answered_) / (options_.rounds * (options_.seconds + 1))});
    print("the flood's own, refused", "", {static_cast<double>(flood_refused_)});
  }

  const std::uint16_t port_;
  const FloodOptions& options_;
  std::minstd_rand random_{7};
  unsigned seed_ = 0;
  std::atomic<std::int64_t> flood_answered_{0};
  std::atomic<std::int64_t> flood_refused_{0};
  std::vector<double> alone_ms_, beside_ms_;
};

}  // namespace

bool measure_flood(std::uint16_t port, const FloodOptions& options) {
  return Scenario(port, options).run();
}

}  // namespace tessera::bench
