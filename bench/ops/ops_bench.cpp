// The operations that a step is made of, each against this machine's own measured roof: matrix
// products by weight type, instruction set, shape, number of tokens and kind of activations, and
// attention by the type of keys and values. A product is first held to the scalar set's bits; one
// that has other bits ends the program.
//
//   ops_bench --types Q4_K,Q6_K --tokens 1,8,128 --threads 1,4
//
// Of a product's two bounds, reading its weights and multiplying, the nearer one counts: beside it
// stands how much of it was reached, in its own unit. Weights are 256 MiB, larger than any cache.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "app/bench_row.h"
#include "app/machine_peak.h"
#include "app/read_bandwidth.h"
#include "base/thread_team.h"
#include "cpu/op_cases.h"

namespace {

using namespace tessera;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kWeightBytes = std::size_t{256} << 20;
constexpr std::size_t kChunkRows = 64;

struct Flags {
  std::vector<std::string> types;
  std::vector<std::string> isas;
  std::vector<std::size_t> tokens = {1, 8, 128};
  std::vector<std::size_t> columns = {2048};
  std::vector<int> threads = {static_cast<int>(std::thread::hardware_concurrency())};
  std::string activations = "both";
  int repeats = 7;
  bool attention = true;
  bool json = false;
};

template <class List, class Value>
bool wanted(const List& list, const Value& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

// Seconds of each of some runs, after one that does not count.
template <class F>
std::vector<double> time_runs(int repeats, F&& run) {
  std::vector<double> seconds;
  for (int i = 0; i <= repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    if (i > 0) seconds.push_back(time.count());
  }
  return seconds;
}

class Ops {
 public:
  explicit Ops(const Flags& flags) : flags_(flags) {
    for (const int threads : flags.threads) probes_.try_emplace(threads, threads);
  }

  bool run() {
    for (const cpu::OpCase& c : cpu::op_cases()) {
      if (!is_wanted(c)) continue;
      if (!check(c)) return false;
      for (const int threads : flags_.threads) product(c, threads);
    }
    if (!flags_.attention) return true;
    for (const cpu::KvType type : cpu::kKvTypes)
      for (const cpu::Isa isa : cpu::supported_isas())
        for (const std::size_t tokens : {1, 16})
          if (is_wanted_set(isa) && wanted(flags_.types, std::string(cpu::kv_type_name(type))))
            attention(type, isa, tokens);
    return true;
  }

 private:
  // Of the sets the best one, unless some are named.
  bool is_wanted_set(cpu::Isa isa) const {
    return flags_.isas.empty() ? isa == cpu::supported_isas().front()
                               : wanted(flags_.isas, std::string(cpu::isa_name(isa)));
  }
  bool is_wanted(const cpu::OpCase& c) const {
    const bool activations =
        flags_.activations == "both" || c.int8 == (flags_.activations == "int8");
    return activations && is_wanted_set(c.isa) &&
           wanted(flags_.types, std::string(weights::info(c.type).name)) &&
           wanted(flags_.tokens, c.tokens) && wanted(flags_.columns, c.columns);
  }

  bool check(const cpu::OpCase& c) {
    const auto key = std::tuple(c.type, c.columns, c.int8);
    if (!references_.contains(key))
      references_.emplace(key, cpu::op_reference(c.type, c.columns, c.int8));
    if (cpu::has_parity(c, references_.at(key))) return true;
    fmt::print(stderr, "ops_bench: {} has other bits than the scalar set\n", cpu::name_of(c));
    return false;
  }

  const std::vector<std::byte>& weights_of(weights::TensorType type) {
    if (data_.empty() || data_type_ != type) {
      data_ = cpu::random_rows(type, 1, 2048, 7);
      data_type_ = type;
      const std::vector<std::byte> row = data_;
      data_.reserve(kWeightBytes + row.size());
      while (data_.size() < kWeightBytes) data_.insert(data_.end(), row.begin(), row.end());
    }
    return data_;
  }

  double peak(cpu::Isa isa, bool int8, int threads) {
    const auto key = std::tuple(isa, int8, threads);
    if (!peaks_.contains(key)) {
      peaks_[key] =
          app::measure_peak(int8 ? app::PeakKind::kInt8 : app::PeakKind::kFloat32, isa, threads);
    }
    return peaks_[key];
  }

  void product(const cpu::OpCase& c, int threads) {
    const std::size_t row_bytes = weights::row_bytes(c.type, c.columns);
    const std::size_t rows = kWeightBytes / row_bytes / kChunkRows * kChunkRows;
    const std::vector<std::byte>& data = weights_of(c.type);
    cpu::OpRun op(c, rows);
    ThreadTeam team(threads);
    std::vector<cpu::OpRun::Scratch> scratch;
    for (int i = 0; i < threads; ++i) scratch.emplace_back(c.columns);
    const double bandwidth = probes_.at(threads).measure();
    const std::vector<double> seconds = time_runs(flags_.repeats, [&] {
      // As the backend does it.
      team.for_stretches(rows / kChunkRows, [&](std::size_t chunk, std::size_t next, int member) {
        const std::byte* const ahead =
            next == ThreadTeam::kNone ? nullptr : data.data() + next * kChunkRows * row_bytes;
        op.run(data.data(), chunk * kChunkRows, kChunkRows,
               scratch[static_cast<std::size_t>(member)], ahead);
      });
    });
    const auto bytes = static_cast<double>(rows * row_bytes);
    const double operations = 2.0 * static_cast<double>(rows * c.columns * c.tokens);
    const double most = peak(c.isa, c.int8, threads);
    const bool by_memory = most == 0 || bytes / bandwidth > operations / most;
    app::Row row{.what = "product", .settings = {}, .samples = {}, .unit = ""};
    row.settings.set("type", std::string(weights::info(c.type).name));
    row.settings.set("isa", std::string(cpu::isa_name(c.isa)));
    row.settings.set("activations", c.int8 ? "int8" : "float32");
    row.settings.set("columns", static_cast<std::int64_t>(c.columns));
    row.settings.set("tokens", static_cast<std::int64_t>(c.tokens));
    row.settings.set("threads", threads);
    tell(std::move(row), seconds, by_memory ? bytes : operations, by_memory,
         by_memory ? bandwidth : most);
  }

  // The true shape: eight query heads of 256 that share keys and values, which are far away; of one
  // token, or of a prompt's neighbours, who meet them together. One thread.
  void attention(cpu::KvType type, cpu::Isa isa, std::size_t tokens) {
    constexpr std::size_t kGroup = 8, kHeadDim = 256;
    const cpu::KvKernels& kv = cpu::kernels(isa).of(type);
    const std::size_t area = cpu::kv_area_bytes(type, kHeadDim);
    const std::size_t areas =
        kWeightBytes / area / tokens / (2 * cpu::kBlocksPerSpan) * (2 * cpu::kBlocksPerSpan);
    std::vector<std::byte> data(areas * area);
    std::vector<const std::byte*> at;
    for (std::size_t i = 0; i < areas; ++i) {
      at.push_back(data.data() + i * area);
      const bool keys = i % (2 * cpu::kBlocksPerSpan) < cpu::kBlocksPerSpan;
      for (std::size_t slot = 0; slot < cpu::kKeysPerBlock; ++slot) {
        cpu::Floats row(kHeadDim, 0.25F);
        (keys ? kv.store_key : kv.store_value)(row.data(), kHeadDim, slot, data.data() + i * area);
      }
    }
    cpu::Floats q(tokens * kGroup * kHeadDim, 0.25F);
    for (std::size_t i = 0; i < q.size() && kv.prepare_query != nullptr; i += kHeadDim)
      kv.prepare_query(q.data() + i, kHeadDim);
    const std::size_t floats = kGroup * cpu::attention_partial_floats(kHeadDim);
    cpu::Floats partial(tokens * floats);
    std::vector<const float*> queries;
    std::vector<float*> partials;
    for (std::size_t t = 0; t < tokens; ++t) {
      queries.push_back(q.data() + t * kGroup * kHeadDim);
      partials.push_back(partial.data() + t * floats);
    }
    const std::vector<std::size_t> seen(tokens, cpu::kKeysPerSpan);
    const double bandwidth = probes_.try_emplace(1, 1).first->second.measure();
    const std::vector<double> seconds = time_runs(flags_.repeats, [&] {
      for (std::size_t i = 0; i < areas; i += 2 * cpu::kBlocksPerSpan) {
        kv.attend_span({tokens, queries.data(), kGroup, kHeadDim, 0.0625F, &at[i],
                        &at[i + cpu::kBlocksPerSpan], seen.data(), partials.data()});
      }
    });
    const auto bytes = static_cast<double>(areas * area);
    const double operations =
        2.0 * static_cast<double>(areas * cpu::kKeysPerBlock * tokens * kGroup * kHeadDim);
    const double most = peak(isa, type == cpu::KvType::kInt8, 1);
    const bool by_memory = most == 0 || bytes / bandwidth > operations / most;
    app::Row row{.what = "attention", .settings = {}, .samples = {}, .unit = ""};
    row.settings.set("kv", std::string(cpu::kv_type_name(type)));
    row.settings.set("isa", std::string(cpu::isa_name(isa)));
    row.settings.set("tokens", static_cast<std::int64_t>(tokens));
    row.settings.set("threads", 1);
    tell(std::move(row), seconds, by_memory ? bytes : operations, by_memory,
         by_memory ? bandwidth : most);
  }

  // `work`: bytes or operations of one run; `roof`: of them a second.
  void tell(app::Row row, const std::vector<double>& seconds, double work, bool by_memory,
            double roof) const {
    for (const double time : seconds) row.samples.push_back(work / time / 1e9);
    row.unit = by_memory ? "GB/s" : "GOP/s";
    row.roof_name = by_memory ? "reading at" : "the peak of";
    row.roof = roof / 1e9;
    row.roof_unit = by_memory ? "GB/s" : "GOP/s";
    row.percent_of_roof = 100 * app::quantile(row.samples, 0.5) / row.roof;
    app::print_row("ops", row, flags_.json);
  }

  const Flags& flags_;
  std::map<int, app::ReadBandwidth> probes_;
  std::map<std::tuple<cpu::Isa, bool, int>, double> peaks_;
  std::map<std::tuple<weights::TensorType, std::size_t, bool>, cpu::Floats> references_;
  std::vector<std::byte> data_;  // of the type that was last asked for
  weights::TensorType data_type_ = weights::TensorType::kF32;
};

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("the CPU backend's operations beside what the machine gives");
  app.add_option("--types", flags.types, "of weights, Q4_K,Q6_K; without it all")->delimiter(',');
  app.add_option("--isa", flags.isas, "avx512,avx2,scalar; without it the best")->delimiter(',');
  app.add_option("--tokens", flags.tokens, "of 1,2,3,4,8,16,64,128")
      ->delimiter(',')
      ->check(CLI::IsMember(
          std::vector<std::size_t>(std::begin(cpu::kOpTokens), std::end(cpu::kOpTokens))));
  app.add_option("--columns", flags.columns, "of 512,2048")
      ->delimiter(',')
      ->check(CLI::IsMember({std::size_t{512}, std::size_t{2048}}));
  app.add_option("--threads", flags.threads, "1,4; without it all cores")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  app.add_option("--activations", flags.activations, "int8, float32 or both")
      ->check(CLI::IsMember({"int8", "float32", "both"}));
  app.add_option("--repeats", flags.repeats, "runs of each")->check(CLI::Range(1, 10'000));
  app.add_flag("!--no-attention", flags.attention, "products alone");
  app.add_flag("--json", flags.json, "a JSON object a line");
  CLI11_PARSE(app, argc, argv);
  return Ops(flags).run() ? 0 : 1;
}
