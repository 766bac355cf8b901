// `tessera bench`: how fast the model runs here, beside what the machine allows at that moment,
// from the library itself, without HTTP.
//
// The bandwidth of rented machines drifts within minutes, so every slice of eight decode steps is
// paired with a probe of read bandwidth; medians are told. Tokens are random.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/checkpoint.h"
#include "app/commands.h"
#include "app/read_bandwidth.h"
#include "base/check.h"
#include "base/json.h"

namespace tessera::app {
namespace {

using Steady = std::chrono::steady_clock;
constexpr int kSliceSteps = 8;

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool is_routed(const weights::TensorView& tensor) {
  return tensor.name.find("_exps.") != std::string_view::npos;
}

// Bytes that a step with one token of each of `streams` sequences moves: weights, the recurrent
// state twice, keys and values. With routing at random, the number of different experts is
// experts (1 - (1 - used / experts)^streams).
double step_bytes(const model::TensorTable& table, const model::BackendLimits& limits, int streams,
                  int depth) {
  const model::ModelConfig& c = table.config;
  const double share = 1 - std::pow(1 - static_cast<double>(c.experts_used) / c.experts, streams);
  double bytes = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (&tensor == table.token_embedding && table.output != table.token_embedding) continue;
    bytes += static_cast<double>(tensor.bytes) * (is_routed(tensor) ? share : 1);
  }
  const double state = 2 * static_cast<double>(limits.state_bytes_per_sequence);
  const double kv = static_cast<double>(depth) * static_cast<double>(limits.kv_bytes_per_token);
  return bytes + streams * (state + kv);
}

// Multiplications and additions that a prompt token costs in matrices, without the head.
double token_operations(const model::TensorTable& table) {
  const model::ModelConfig& c = table.config;
  const double share = static_cast<double>(c.experts_used) / c.experts;
  double weights = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (&tensor == table.token_embedding || &tensor == table.output) continue;
    weights += static_cast<double>(tensor.elements()) * (is_routed(tensor) ? share : 1);
  }
  return 2 * weights;
}

class Bench {
 public:
  Bench(const BenchOptions& options, const model::TensorTable& table, model::Backend& backend,
        ReadBandwidth& probe)
      : options_(options), table_(table), backend_(backend), probe_(probe) {}

  Result<void> run() {
    if (!options_.json) {
      fmt::print("{}: a token moves {:.3f} GB and takes {:.2f} GFLOP in matrices\n",
                 backend_.name(), step_bytes(table_, backend_.limits(), 1, 0) / 1e9,
                 token_operations(table_) / 1e9);
      fmt::print("{:>12} {:>7} {:>10} {:>9} {:>10}  {}\n", "", "depth", "tokens/s", "spread %",
                 "read GB/s", "beside the limit");
    }
    for (const int depth : options_.depths) {
      TRY_ASSIGN(const CheckpointId past, make_past(depth));
      for (const int streams : options_.streams) TRY(decode(past, depth, streams));
      if (options_.prompt > 0) TRY(prefill(past, depth));
      backend_.free_checkpoint(past);
    }
    return {};
  }

 private:
  struct Row {
    std::string what;
    int depth = 0;
    std::vector<double> rates;  // tokens a second
    double bandwidth = 0;       // bytes a second, read at that time
    std::string beside;         // the figure beside its limit, in words
    double percent = 0;
  };

  std::vector<TokenId> tokens(std::size_t count) {
    std::vector<TokenId> ids(count);
    for (TokenId& id : ids)
      id = static_cast<TokenId>(random_() % static_cast<unsigned>(backend_.config().vocabulary));
    return ids;
  }

  // Appends `count` tokens, in steps as large as they may be; seconds.
  Result<double> append(SequenceId sequence, int position, int count) {
    const auto ids = tokens(static_cast<std::size_t>(count));
    const auto start = Steady::now();
    for (int at = 0; at < count;) {
      const int now = std::min(count - at, backend_.limits().max_batch_tokens);
      const model::BatchItem item{
          sequence, position + at,
          std::span(ids).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(now)),
          at + now == count ? model::LogitsWanted::kLast : model::LogitsWanted::kNone};
      TRY(backend_.forward({{&item, 1}}));
      backend_.synchronise();
      at += now;
    }
    return seconds_since(start);
  }

  // What all runs at one depth start from, computed once. A sequence has seen one token at least.
  Result<CheckpointId> make_past(int depth) {
    TRY_ASSIGN(const SequenceId sequence, backend_.create_sequence(depth + 1));
    TRY(append(sequence, 0, depth + 1));
    TRY_ASSIGN(const CheckpointId past, backend_.save_checkpoint(sequence));
    backend_.free_sequence(sequence);
    return past;
  }

  Result<void> prefill(CheckpointId past, int depth) {
    Row row{fmt::format("prompt {}", options_.prompt), depth, {}, probe_.measure(), "", 0};
    for (int i = 0; i <= options_.repeats; ++i) {
      TRY_ASSIGN(const SequenceId sequence,
                 backend_.create_sequence_from(past, depth + 1 + options_.prompt));
      TRY_ASSIGN(const double seconds, append(sequence, depth + 1, options_.prompt));
      backend_.free_sequence(sequence);
      if (i > 0) row.rates.push_back(options_.prompt / seconds);  // pages and caches settle first
    }
    row.beside =
        fmt::format("{:.0f} GOP/s in matrices", median(row.rates) * token_operations(table_) / 1e9);
    print(row);
    return {};
  }

  Result<void> decode(CheckpointId past, int depth, int streams) {
    const int slices = options_.repeats;
    std::vector<SequenceId> sequences;
    for (int i = 0; i < streams; ++i) {
      TRY_ASSIGN(const SequenceId sequence,
                 backend_.create_sequence_from(past, depth + 1 + (slices + 1) * kSliceSteps));
      sequences.push_back(sequence);
    }
    Row row{fmt::format("decode {}", streams), depth, {}, 0, "", 0};
    std::vector<double> bandwidths, percents;
    std::int32_t position = depth + 1;
    for (int slice = 0; slice <= slices; ++slice) {
      const double bandwidth = probe_.measure();
      TRY_ASSIGN(const double seconds, decode_slice(sequences, position));
      if (slice == 0) continue;  // pages and caches settle
      row.rates.push_back(streams * kSliceSteps / seconds);
      bandwidths.push_back(bandwidth);
      percents.push_back(100 * step_bytes(table_, backend_.limits(), streams, position) *
                         kSliceSteps / seconds / bandwidth);
    }
    for (const SequenceId sequence : sequences) backend_.free_sequence(sequence);
    row.bandwidth = median(bandwidths);
    row.percent = median(percents);
    row.beside = fmt::format("{:.1f} % of the bandwidth's limit", row.percent);
    print(row);
    return {};
  }

  Result<double> decode_slice(const std::vector<SequenceId>& sequences, std::int32_t& position) {
    const auto start = Steady::now();
    for (int step = 0; step < kSliceSteps; ++step, ++position) {
      const auto next = tokens(sequences.size());
      std::vector<model::BatchItem> items;
      for (std::size_t i = 0; i < sequences.size(); ++i)
        items.push_back({sequences[i], position, {&next[i], 1}});
      TRY(backend_.forward({items}));
      backend_.synchronise();
    }
    return seconds_since(start);
  }

  void print(const Row& row) const {
    const double rate = median(row.rates);
    const auto [least, most] = std::minmax_element(row.rates.begin(), row.rates.end());
    const double spread = 100 * (*most - *least) / rate;
    if (options_.json) {
      json::Object out;
      out.set("what", row.what);
      out.set("depth", row.depth);
      out.set("backend", backend_.name());
      out.set("tokens_per_second", rate);
      out.set("spread_percent", spread);
      out.set("runs", std::ssize(row.rates));
      out.set("read_bytes_per_second", row.bandwidth);
      if (row.percent > 0) out.set("percent_of_bandwidth", row.percent);
      fmt::print("{}\n", json::to_text(std::move(out)));
    } else {
      fmt::print("{:>12} {:>7} {:>10.2f} {:>9.0f} {:>10.1f}  {}\n", row.what, row.depth, rate,
                 spread, row.bandwidth / 1e9, row.beside);
    }
    std::fflush(stdout);
  }

  const BenchOptions& options_;
  const model::TensorTable& table_;
  model::Backend& backend_;
  ReadBandwidth& probe_;
  std::minstd_rand random_{11};
};

Result<void> bench(const BenchOptions& options) {
  TRY_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.model.path));
  const int deepest = *std::max_element(options.depths.begin(), options.depths.end());
  const std::int32_t context =
      deepest + 1 + std::max(options.prompt, (options.repeats + 1) * kSliceSteps);
  // One more than decode together: the past that they start from.
  const int most = *std::max_element(options.streams.begin(), options.streams.end());
  TRY_ASSIGN(const auto backend, make_backend(options.model, checkpoint, context, most + 1));
  ReadBandwidth probe(options.model.threads > 0
                          ? options.model.threads
                          : static_cast<int>(std::thread::hardware_concurrency()));
  return Bench(options, checkpoint.tensors, *backend, probe).run();
}

}  // namespace

int run_bench(const BenchOptions& options) {
  const Result<void> done = bench(options);
  if (done) return 0;
  fmt::print(stderr, "tessera: {}\n", done.error().message);
  return 1;
}

}  // namespace tessera::app
