// What constraints cost a step of the engine: choices whose masks take so long, beside a model that
// takes so long, with masks found behind the model (0 threads) and beside it. In front of them what
// a step takes without any, and with masks that take no time: what is more than that was waited for
// masks. All ways in turn, medians of the rounds.
//
//   build/bench/bench/constraint_bench [--choices 16] [--mask-us 100] [--model-us 3000]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine_core.h"
#include "engine/fake_backend.h"

namespace {

using namespace tessera;  // NOLINT(google-build-using-namespace): a program of its own
using Steady = std::chrono::steady_clock;

constexpr std::int32_t kVocabulary = 1 << 15;
constexpr std::int32_t kTokens = 100;

// Works for so long, and allows everything.
class BusyConstraint final : public engine::Constraint {
 public:
  explicit BusyConstraint(std::chrono::microseconds work) : work_(work) {}
  Result<engine::NextToken> next(std::span<std::uint32_t> mask) override {
    const Steady::time_point end = Steady::now() + work_;
    std::fill(mask.begin(), mask.end(), ~std::uint32_t{0});
    while (Steady::now() < end) {
    }
    return engine::NextToken::masked();
  }
  TokenId accept(TokenId token) override { return token; }

 private:
  const std::chrono::microseconds work_;
};

struct Load {
  std::int32_t choices = 16;
  std::int64_t mask_us = 100;
  std::int64_t model_us = 3000;
};

// How masks are found; `threads` < 0: there are none.
struct Way {
  std::string_view name;
  std::int32_t threads = 0;
  bool busy = true;
};

constexpr Way kWays[] = {{"free", -1, false},     {"masks in no time", 2, false},
                         {"behind the model", 0}, {"beside it, 1 thread", 1},
                         {"2 threads", 2},        {"4 threads", 4}};

double milliseconds_per_step(const Load& load, const Way& way) {
  engine::FakeOptions fake;
  fake.script = engine::script_never_ends(5);
  fake.limits.vocabulary = kVocabulary;
  fake.limits.max_sequences = load.choices;
  fake.step_delay = std::chrono::microseconds(load.model_us);
  engine::FakeBackend backend(std::move(fake));
  engine::EngineOptions options;
  options.constraint_threads = std::max(way.threads, 0);
  options.event_channel_capacity = 1 << 20;
  options = engine::resolve_options(options, backend.limits());
  engine::EngineCounters counters;
  engine::RequestLedger ledger(options.max_queue + options.max_running_requests);
  engine::EngineCore core(backend, options, Clock::real(), ledger, counters);
  engine::EngineRequest request;
  request.prompt = {1};
  request.max_tokens = kTokens;
  request.choices = load.choices;
  const std::chrono::microseconds work(way.busy ? load.mask_us : 0);
  if (way.threads >= 0) {
    request.make_constraint = [work](std::int32_t) {
      return std::make_unique<BusyConstraint>(work);
    };
  }
  const auto events =
      std::make_shared<engine::EventChannel>(std::size_t{1} << 20, std::function<void()>());
  core.add(std::make_unique<engine::LiveRequest>(*ledger.accept(), std::move(request), events));
  const Steady::time_point start = Steady::now();
  std::int64_t steps = 0;
  while (core.step()) ++steps;
  const std::chrono::duration<double, std::milli> taken = Steady::now() - start;
  return taken.count() / static_cast<double>(steps);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"constraints beside the model"};
  Load load;
  int rounds = 9;
  app.add_option("--choices", load.choices);
  app.add_option("--mask-us", load.mask_us);
  app.add_option("--model-us", load.model_us);
  app.add_option("--rounds", rounds);
  CLI11_PARSE(app, argc, argv);
  std::vector<std::vector<double>> times(std::size(kWays));
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < std::size(kWays); ++i)
      times[i].push_back(milliseconds_per_step(load, kWays[i]));
  }
  std::vector<double> medians;
  for (std::vector<double>& list : times) {
    std::sort(list.begin(), list.end());
    medians.push_back(list[list.size() / 2]);
  }
  for (std::size_t i = 0; i < std::size(kWays); ++i) {
    fmt::print("{:<20} {:>7.2f} ms a step", kWays[i].name, medians[i]);
    if (kWays[i].busy) fmt::print(", {:>5.2f} of it for masks", medians[i] - medians[1]);
    fmt::print("\n");
  }
  return 0;
}
