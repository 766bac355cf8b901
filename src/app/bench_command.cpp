// `tessera bench`: how fast the model runs here, beside what the machine allows at that moment,
// from the library itself, without HTTP.
//
// The bandwidth of rented machines drifts within minutes, so every slice of eight decode steps is
// paired with a probe of read bandwidth, depths take turns slice by slice, and medians are told.
// Tokens are random, and so is what lies behind at a depth: it is read in full, once.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/bench_row.h"
#include "app/bench_sketch.h"
#include "app/bench_turn.h"
#include "app/checkpoint.h"
#include "app/commands.h"
#include "app/machine_peak.h"
#include "app/read_bandwidth.h"
#include "app/warm_up.h"

namespace tessera::app {
namespace {

using Steady = std::chrono::steady_clock;
constexpr int kSliceSteps = 8;
// The bars are for files that no cache holds.
constexpr std::size_t kLeastForBars = std::size_t{1} << 30;

double seconds_since(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

class Bench {
 public:
  // `peak`: operations a second that the vector units give; 0: not known.
  Bench(const BenchOptions& options, const model::TensorTable& table, model::Backend& backend,
        ReadBandwidth& probe, double peak, const json::Object& common)
      : options_(options),
        table_(table),
        backend_(backend),
        probe_(probe),
        peak_(peak),
        common_(common),
        has_bars_(table.file->file_bytes() >= kLeastForBars) {}

  Result<void> run() {
    for (const int depth : options_.depths) TRY(add_past(depth));
    for (const int streams : options_.streams)
      if (streams > 0) TRY(decode(streams));
    for (const int prompt : options_.prompts)
      if (prompt > 0) TRY(prefill(prompt));
    for (const Past& past : pasts_) backend_.free_checkpoint(past.checkpoint);
    return {};
  }

 private:
  // What all runs at one depth start from. A sequence has seen one token at least.
  struct Past {
    int depth = 0;
    CheckpointId checkpoint;
  };

  // The sequences that decode at one depth, and how they did.
  struct Decoding {
    int depth = 0;
    std::int32_t position = 0;
    std::vector<SequenceId> sequences;
    std::vector<double> rates, bandwidths, percents, step_s;
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

  // Depths are in ascending order: each goes on where the one before it ends.
  Result<void> add_past(int depth) {
    SequenceId sequence;
    int seen = 0;
    if (pasts_.empty()) {
      TRY_ASSIGN(sequence, backend_.create_sequence(depth + 1));
    } else {
      seen = pasts_.back().depth + 1;
      TRY_ASSIGN(sequence, backend_.create_sequence_from(pasts_.back().checkpoint, depth + 1));
    }
    if (depth + 1 > seen) TRY(append(sequence, seen, depth + 1 - seen));
    TRY_ASSIGN(const CheckpointId past, backend_.save_checkpoint(sequence));
    backend_.free_sequence(sequence);
    pasts_.push_back({depth, past});
    return {};
  }

  Result<void> prefill(int prompt) {
    std::vector<std::vector<double>> rates(pasts_.size());
    for (int i = 0; i <= options_.repeats; ++i) {
      for (std::size_t at = 0; at < pasts_.size(); ++at) {
        const int seen = pasts_[at].depth + 1;
        TRY_ASSIGN(const SequenceId sequence,
                   backend_.create_sequence_from(pasts_[at].checkpoint, seen + prompt));
        TRY_ASSIGN(const double seconds, append(sequence, seen, prompt));
        backend_.free_sequence(sequence);
        if (i > 0) rates[at].push_back(prompt / seconds);  // pages and caches settle first
      }
    }
    for (std::size_t at = 0; at < pasts_.size(); ++at) {
      Row row{.what = "prefill", .settings = {}, .samples = rates[at], .unit = "tokens/s"};
      row.settings.set("prompt", prompt);
      row.settings.set("depth", pasts_[at].depth);
      row.roof_name = "matrices at the measured peak of";
      row.roof = peak_ / 1e9;
      row.roof_unit = "GOP/s";
      const double operations = quantile(rates[at], 0.5) * token_operations(table_);
      if (peak_ > 0) row.percent_of_roof = 100 * operations / peak_;
      if (prompt >= 2048 && pasts_[at].depth == 0) set_percent_bar(row, ">= 40");
      print(row);
      if (at > 0) {
        std::vector<double> ratios;
        for (std::size_t i = 0; i < rates[at].size(); ++i)
          ratios.push_back(rates.front()[i] / rates[at][i]);
        compare("prefill, time of a token", "prompt", prompt, at, std::move(ratios), "x", "<= 2");
      }
    }
    return {};
  }

  Result<void> decode(int streams) {
    std::vector<Decoding> all;
    for (const Past& past : pasts_) {
      Decoding& one = all.emplace_back(Decoding{past.depth, past.depth + 1, {}, {}, {}, {}, {}});
      for (int i = 0; i < streams; ++i) {
        TRY_ASSIGN(const SequenceId sequence,
                   backend_.create_sequence_from(
                       past.checkpoint, past.depth + 1 + (options_.repeats + 1) * kSliceSteps));
        one.sequences.push_back(sequence);
      }
    }
    for (int slice = 0; slice <= options_.repeats; ++slice) {
      for (Decoding& one : all) TRY(decode_slice(one, slice > 0));  // pages and caches settle
    }
    for (std::size_t at = 0; at < all.size(); ++at) {
      for (const SequenceId sequence : all[at].sequences) backend_.free_sequence(sequence);
      tell(all[at], streams);
      if (at > 0 && streams == 1) {
        std::vector<double> slower;
        for (std::size_t i = 0; i < all[at].step_s.size(); ++i)
          slower.push_back(100 * (all[at].step_s[i] / all.front().step_s[i] - 1));
        compare("decode, slower than at the least depth by", "streams", streams, at,
                std::move(slower), "%", all[at].depth <= 4096 ? "<= 8" : "");
      }
    }
    return {};
  }

  Result<void> decode_slice(Decoding& one, bool counts) {
    const double bandwidth = probe_.measure();
    const auto start = Steady::now();
    for (int step = 0; step < kSliceSteps; ++step, ++one.position) {
      const auto next = tokens(one.sequences.size());
      std::vector<model::BatchItem> items;
      for (std::size_t i = 0; i < one.sequences.size(); ++i)
        items.push_back({one.sequences[i], one.position, {&next[i], 1}});
      TRY(backend_.forward({items}));
      backend_.synchronise();
    }
    const double seconds = seconds_since(start);
    if (!counts) return {};
    const int streams = static_cast<int>(one.sequences.size());
    const StepShape shape{.sequences = streams, .tokens = streams, .depth = one.position};
    one.rates.push_back(streams * kSliceSteps / seconds);
    one.step_s.push_back(seconds / kSliceSteps);
    one.bandwidths.push_back(bandwidth);
    one.percents.push_back(100 * step_bytes(table_, backend_.limits(), shape) * kSliceSteps /
                           seconds / bandwidth);
    return {};
  }

  void tell(const Decoding& one, int streams) const {
    Row row{.what = "decode", .settings = {}, .samples = one.rates, .unit = "tokens/s"};
    row.settings.set("streams", streams);
    row.settings.set("depth", one.depth);
    row.roof_name = "reading at";
    row.roof = quantile(one.bandwidths, 0.5) / 1e9;
    row.roof_unit = "GB/s";
    row.percent_of_roof = quantile(one.percents, 0.5);
    if (one.depth == 0 && streams == 1) set_percent_bar(row, ">= 92");
    if (one.depth == 0 && streams == 8) set_percent_bar(row, ">= 85");
    if (one.depth == 0 && streams == 16) set_percent_bar(row, ">= 80");
    print(row);
  }

  // Of slices that were measured one after the other.
  void compare(std::string what, std::string_view setting, int value, std::size_t at,
               std::vector<double> samples, std::string unit, std::string bar) const {
    Row row{.what = std::move(what),
            .settings = {},
            .samples = std::move(samples),
            .unit = std::move(unit)};
    row.settings.set(setting, value);
    row.settings.set("depth", pasts_[at].depth);
    row.settings.set("against", pasts_.front().depth);
    if (has_bars_ && pasts_.front().depth == 0) row.bar = std::move(bar);
    print(row);
  }

  void set_percent_bar(Row& row, std::string bar) const {
    if (!has_bars_) return;
    row.bar = std::move(bar);
    row.bar_is_percent = true;
  }

  void print(const Row& row) const { print_row("engine", row, options_.json, common_); }

  const BenchOptions& options_;
  const model::TensorTable& table_;
  model::Backend& backend_;
  ReadBandwidth& probe_;
  const double peak_;
  const json::Object& common_;
  const bool has_bars_;
  std::vector<Past> pasts_;
  std::minstd_rand random_{11};
};

// With one instruction set and number of threads.
Result<void> bench_one(const BenchOptions& options, const Checkpoint& checkpoint) {
  const int deepest = options.depths.back();
  const int longest = *std::max_element(options.prompts.begin(), options.prompts.end());
  const std::int32_t context =
      std::max(deepest + 1 + std::max(longest, (options.repeats + 1) * kSliceSteps),
               options.turn > 0 ? turn_context(options.turn) : 0);
  // Those that decode together at all depths, and the pasts that they start from.
  const int most = *std::max_element(options.streams.begin(), options.streams.end());
  const auto depths = static_cast<int>(options.depths.size());
  TRY_ASSIGN(auto backend, make_backend(options.model, checkpoint, context,
                                        std::max(depths * (most + 1) + 1, kTurnSequences)));
  const int threads = options.model.threads > 0
                          ? options.model.threads
                          : static_cast<int>(std::thread::hardware_concurrency());
  TRY_ASSIGN(const cpu::Isa isa, find_isa(options.model.isa));
  TRY_ASSIGN(const cpu::KvType kv_type, find_kv_type(options.model));
  TRY_ASSIGN(const cpu::Isa chosen, cpu::choose_isa(isa));
  const bool int8 = options.model.activations == "int8";
  const double peak = measure_peak(int8 ? PeakKind::kInt8 : PeakKind::kFloat32, chosen, threads);

  json::Object common;
  common.set("weights", describe_model(checkpoint, context).weights_name);
  common.set("backend", backend->name());
  common.set("threads", threads);
  common.set("activations", options.model.activations);
  common.set("kv", std::string(cpu::kv_type_name(kv_type)));
  if (!options.json) {
    const StepShape one{.sequences = 1, .tokens = 1, .depth = 0};
    fmt::print(
        "{}\n  a token moves {:.3f} GB and takes {:.3g} GFLOP in matrices; peak measured: {:.0f} "
        "GOP/s\n",
        settings_text(common).substr(1),
        step_bytes(checkpoint.tensors, backend->limits(), one) / 1e9,
        token_operations(checkpoint.tensors) / 1e9, peak / 1e9);
  }
  ReadBandwidth probe(threads);
  TRY(Bench(options, checkpoint.tensors, *backend, probe, peak, common).run());
  if (options.turn > 0)
    TRY(bench_turn(options, checkpoint.tensors, std::move(backend), probe, common));
  return {};
}

Result<void> bench(BenchOptions options) {
  std::sort(options.depths.begin(), options.depths.end());
  if (options.by_isa.empty()) options.by_isa = {options.model.isa};
  if (options.by_threads.empty()) options.by_threads = {options.model.threads};
  TRY_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.model.path));
  if (!checkpoint.embedded) warm_up(*checkpoint.tensors.file);
  for (const std::string& isa : options.by_isa) {
    for (const int threads : options.by_threads) {
      options.model.isa = isa;
      options.model.threads = threads;
      TRY(bench_one(options, checkpoint));
    }
  }
  return {};
}

}  // namespace

int run_bench(const BenchOptions& options) {
  const Result<void> done = bench(options);
  return done ? 0 : report(done.error());
}

}  // namespace tessera::app
