#include "app/bench_turn.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "app/bench_row.h"
#include "app/bench_sketch.h"
#include "engine/engine.h"

namespace tessera::app {
namespace {

constexpr int kNewTokens = 16;
constexpr int kBarTokens = 32'000;  // the conversation that the bars are about

class Bell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    ready_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  bool rung_ = false;
};

struct Answer {
  double first_token_s = 0;
  std::int32_t cached = 0;
};

// Asks for one token behind `prompt`, and waits for it.
Result<Answer> ask(engine::Engine& engine, std::vector<TokenId> prompt, std::int32_t boundary) {
  engine::EngineRequest request;
  request.account = AccountId{1};
  request.prompt = std::move(prompt);
  request.boundaries = {boundary};
  request.max_tokens = 1;
  request.sampling.temperature = 0;
  const auto bell = std::make_shared<Bell>();
  const auto start = std::chrono::steady_clock::now();
  TRY_ASSIGN(const auto submitted, engine.submit(std::move(request), [bell] { bell->ring(); }));
  Answer answer;
  for (;;) {
    bell->wait();
    while (const std::optional<engine::EngineEvent> event = submitted.events->pop()) {
      if (const auto* prefill = std::get_if<engine::PrefillDone>(&*event)) {
        answer.cached = prefill->cached_tokens;
      } else if (std::holds_alternative<engine::TokenEvent>(*event)) {
        answer.first_token_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      } else if (const auto* failed = std::get_if<engine::RequestFailed>(&*event)) {
        return Unexpected{failed->error};
      } else if (std::holds_alternative<engine::RequestDone>(*event)) {
        return answer;
      }
    }
  }
}

}  // namespace

std::int32_t turn_context(int conversation) {
  return conversation + kNewTokens + 1;
}

Result<void> bench_turn(const BenchOptions& options, const model::TensorTable& table,
                        std::unique_ptr<model::Backend> backend, ReadBandwidth& probe,
                        const json::Object& common) {
  const model::BackendLimits limits = backend->limits();
  std::minstd_rand random(13);
  const auto add = [&](std::vector<TokenId>& to, int count) {
    for (int i = 0; i < count; ++i)
      to.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(limits.vocabulary)));
  };
  std::vector<TokenId> conversation;
  add(conversation, options.turn);
  const auto with_new = [&] {
    std::vector<TokenId> prompt = conversation;
    add(prompt, kNewTokens);
    return prompt;
  };
  const auto engine = engine::Engine::create(std::move(backend), {});
  TRY_ASSIGN(const Answer cold, ask(*engine, with_new(), options.turn));

  const auto row_of = [&](std::string what, std::string unit) {
    Row row{.what = std::move(what), .settings = {}, .samples = {}, .unit = std::move(unit)};
    row.settings.set("conversation", options.turn);
    return row;
  };
  Row warm = row_of("next turn of 16 tokens, first token", "s");
  Row ratio = row_of("next turn, sooner than cold by", "x");
  // Its weights and states, once more the state that it starts from, and all keys and values.
  const double bytes =
      step_bytes(table, limits, {.sequences = 1, .tokens = kNewTokens, .depth = options.turn}) +
      2 * static_cast<double>(limits.state_bytes_per_sequence);
  std::vector<double> bandwidths, percents;
  for (int i = 0; i < options.repeats; ++i) {
    bandwidths.push_back(probe.measure());
    TRY_ASSIGN(const Answer answer, ask(*engine, with_new(), options.turn));
    if (answer.cached != options.turn) {
      return fail(ErrorCode::kInternal, fmt::format("{} of {} tokens came from the prefix cache",
                                                    answer.cached, options.turn));
    }
    warm.samples.push_back(answer.first_token_s);
    ratio.samples.push_back(cold.first_token_s / answer.first_token_s);
    percents.push_back(100 * bytes / answer.first_token_s / bandwidths.back());
  }
  warm.roof_name = "reading at";
  warm.roof = quantile(bandwidths, 0.5) / 1e9;
  warm.roof_unit = "GB/s";
  warm.percent_of_roof = quantile(percents, 0.5);
  if (options.turn >= kBarTokens) {
    warm.bar = "<= 0.8";
    ratio.bar = ">= 300";
  }
  Row whole = row_of("whole conversation, first token", "s");
  whole.samples = {cold.first_token_s};
  for (const Row& row : {whole, warm, ratio}) print_row("engine", row, options.json, common);
  return {};
}

}  // namespace tessera::app
