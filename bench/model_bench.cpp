// Whole steps of the CPU backend on a model file: decode and prefill, beside the limits of the
// machine at that moment.
//
//   build/release/bench/model_bench MODEL.gguf [--threads N] [--isa avx512] [--float32] [--streams
//   1,4]
//   [--prefill 512] [--depth 0]
//
// The bandwidth of rented machines drifts within minutes, so every slice of eight decode steps is
// paired with a probe of read bandwidth; medians of tokens a second and of the percentage of the
// limit are printed. Tokens are random.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpu/cpu_backend.h"
#include "read_bandwidth.h"

namespace {

using namespace tessera;  // NOLINT(google-build-using-namespace): a program of its own
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Options {
  std::string path;
  std::string kv = "F16";
  std::string isa = "auto";
  bool float32 = false;
  int threads = 0;
  std::vector<int> streams = {1};
  std::vector<int> prefill = {512};
  int depth = 0;
  int slices = 8;
};

// Bytes that a step with one token of each of `streams` sequences moves: weights, and the recurrent
// state twice. With routing at random, the number of different experts is experts (1 - (1 - used /
// experts)^streams).
double step_bytes(const model::TensorTable& table, const model::BackendLimits& limits, int streams,
                  int depth) {
  const model::ModelConfig& c = table.config;
  const double share = 1 - std::pow(1 - static_cast<double>(c.experts_used) / c.experts, streams);
  double bytes = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (&tensor == table.token_embedding && table.output != table.token_embedding) continue;
    const bool routed = tensor.name.find("_exps.") != std::string_view::npos;
    bytes += static_cast<double>(tensor.bytes) * (routed ? share : 1);
  }
  const double state = 2 * static_cast<double>(limits.state_bytes_per_sequence);
  const double kv = static_cast<double>(depth) * static_cast<double>(limits.kv_bytes_per_token);
  return bytes + streams * (state + kv);
}

// Multiplications and additions that a prompt token costs in matrices, without the head.
double token_flops(const model::TensorTable& table) {
  const model::ModelConfig& c = table.config;
  const double share = static_cast<double>(c.experts_used) / c.experts;
  double weights = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (&tensor == table.token_embedding || &tensor == table.output) continue;
    const bool routed = tensor.name.find("_exps.") != std::string_view::npos;
    weights += static_cast<double>(tensor.elements()) * (routed ? share : 1);
  }
  return 2 * weights;
}

class Runner {
 public:
  Runner(model::Backend& backend, bench::ReadBandwidth& probe) : backend_(backend), probe_(probe) {}

  std::vector<TokenId> tokens(std::size_t count) {
    std::vector<TokenId> ids(count);
    for (TokenId& id : ids) {
      id = static_cast<TokenId>(random_() % static_cast<unsigned>(backend_.config().vocabulary));
    }
    return ids;
  }

  // Appends `count` tokens to a sequence in steps as large as they may be; seconds.
  double fill(SequenceId id, int count) {
    const auto ids = tokens(static_cast<std::size_t>(count));
    const auto start = Clock::now();
    for (int at = 0; at < count;) {
      const int now = std::min(count - at, backend_.limits().max_batch_tokens);
      const model::BatchItem item{
          id, at,
          std::span(ids).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(now)),
          at + now == count ? model::LogitsWanted::kLast : model::LogitsWanted::kNone};
      CHECK(backend_.forward({{&item, 1}}).has_value());
      at += now;
    }
    return seconds_since(start);
  }

  void prefill(int count, double flops, int repeats) {
    std::vector<double> rates;
    for (int i = 0; i < repeats; ++i) {
      const SequenceId id = backend_.create_sequence(count).value();
      rates.push_back(count / fill(id, count));
      backend_.free_sequence(id);
    }
    fmt::print("prefill {:5}           {:8.2f} tok/s  {:7.1f} GFLOP/s in matrices\n", count,
               median(rates), median(rates) * flops / 1e9);
  }

  void decode(const model::TensorTable& table, int streams, int depth, int slices) {
    constexpr int kSteps = 8;
    std::vector<SequenceId> ids;
    for (int i = 0; i < streams; ++i) {
      ids.push_back(backend_.create_sequence(depth + 1 + (slices + 1) * kSteps).value());
      fill(ids.back(), depth + 1);
    }
    std::vector<double> rates, percents, bandwidths;
    std::int32_t position = depth + 1;
    for (int slice = 0; slice <= slices; ++slice) {
      const double bandwidth = probe_.measure();
      const auto start = Clock::now();
      for (int step = 0; step < kSteps; ++step, ++position) {
        const auto next = tokens(ids.size());
        std::vector<model::BatchItem> items;
        for (std::size_t i = 0; i < ids.size(); ++i)
          items.push_back({ids[i], position, {&next[i], 1}});
        CHECK(backend_.forward({items}).has_value());
      }
      const double step_seconds = seconds_since(start) / kSteps;
      if (slice == 0) continue;  // pages and caches settle
      rates.push_back(streams / step_seconds);
      bandwidths.push_back(bandwidth);
      percents.push_back(100 * step_bytes(table, backend_.limits(), streams, position) /
                         step_seconds / bandwidth);
    }
    for (SequenceId id : ids) backend_.free_sequence(id);
    fmt::print(
        "decode {:3} x depth {:5} {:8.2f} tok/s  bandwidth {:5.1f} GB/s  {:5.1f} % of the limit\n",
        streams, depth, median(rates), median(bandwidths) / 1e9, median(percents));
  }

 private:
  model::Backend& backend_;
  bench::ReadBandwidth& probe_;
  std::minstd_rand random_{11};
};

int run(const Options& options) {
  auto file = weights::GgufFile::open(options.path);
  if (!file) return fmt::print("{}\n", file.error().message), 1;
  auto table = model::load_tensor_table(*std::move(file));
  if (!table) return fmt::print("{}\n", table.error().message), 1;
  cpu::CpuOptions cpu_options;
  cpu_options.threads = options.threads;
  if (options.float32) cpu_options.activations = cpu::Activations::kFloat32;
  for (cpu::Isa isa : cpu::supported_isas()) {
    if (cpu::isa_name(isa) == options.isa) cpu_options.isa = isa;
  }
  for (const weights::TensorType type :
       {weights::TensorType::kF32, weights::TensorType::kBF16, weights::TensorType::kQ8_0}) {
    if (weights::info(type).name == options.kv) cpu_options.kv_type = type;
  }
  const int longest = std::max(*std::max_element(options.prefill.begin(), options.prefill.end()),
                               options.depth + 200);
  cpu_options.max_context = longest;
  cpu_options.max_sequences = *std::max_element(options.streams.begin(), options.streams.end());
  auto backend = cpu::make_backend(*table, cpu_options);
  if (!backend) return fmt::print("{}\n", backend.error().message), 1;
  const int threads =
      options.threads > 0 ? options.threads : static_cast<int>(std::thread::hardware_concurrency());
  bench::ReadBandwidth probe(threads);
  Runner runner(**backend, probe);
  fmt::print("{} on {}, {} threads; a token moves {:.3f} GB and takes {:.2f} GFLOP\n",
             (*backend)->name(), options.path, threads,
             step_bytes(*table, (*backend)->limits(), 1, 0) / 1e9, token_flops(*table) / 1e9);
  for (int streams : options.streams) runner.decode(*table, streams, options.depth, options.slices);
  for (int count : options.prefill) {
    if (count > 0) runner.prefill(count, token_flops(*table), 3);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("decode and prefill speed of the CPU backend");
  app.add_option("model", options.path, "GGUF file")->required();
  app.add_option("--threads", options.threads, "0: all cores");
  app.add_option("--isa", options.isa, "auto, avx512, avx2, scalar");
  app.add_flag("--float32", options.float32, "activations as they are, not as int8");
  app.add_option("--kv", options.kv, "keys and values as F16, BF16, F32 or Q8_0");
  app.add_option("--streams", options.streams, "sequences decoding together")->delimiter(',');
  app.add_option("--prefill", options.prefill, "prompt lengths; 0: none")->delimiter(',');
  app.add_option("--depth", options.depth, "tokens before decoding starts");
  app.add_option("--slices", options.slices, "slices of eight decode steps");
  CLI11_PARSE(app, argc, argv);
  return run(options);
}
