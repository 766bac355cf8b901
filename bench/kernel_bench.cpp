// The matmul kernels against the machine: bytes of weights a second (few tokens) and operations a
// second (many tokens), by weight type, instruction set, activations (int8 or float32) and number
// of tokens; beside them what reading alone gives. Then attention over one span of keys and values,
// by their type.
//
//   build/release/bench/kernel_bench [--benchmark_filter=Q4_K] [--benchmark_repetitions=5]
//
// One thread and all threads. Weights are 256 MiB, larger than any cache, unless the name ends in
// /cached.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "app/read_bandwidth.h"
#include "base/thread_team.h"
#include "cpu/kernels.h"
#include "weights/tensor_type.h"

namespace {

using namespace tessera;  // NOLINT(google-build-using-namespace): a program of its own

constexpr std::size_t kColumns = 2048;
constexpr std::size_t kWeightBytes = std::size_t{256} << 20;
constexpr std::size_t kCachedBytes = std::size_t{256} << 10;
constexpr std::size_t kChunkRows = 64;

int all_threads() {
  return static_cast<int>(std::thread::hardware_concurrency());
}

// Random bytes with every scale made finite and small.
std::vector<std::byte> random_weights(std::size_t bytes) {
  std::vector<std::byte> data(bytes + 64);
  std::minstd_rand random(7);
  for (std::size_t i = 0; i + 4 <= bytes; i += 4) {
    const std::uint32_t word =
        static_cast<std::uint32_t>(random()) & 0x2FFF2FFFU;  // halves below 0.2
    std::memcpy(data.data() + i, &word, 4);
  }
  return data;
}

void read_bandwidth(benchmark::State& state) {
  app::ReadBandwidth probe(static_cast<int>(state.range(0)));
  for (auto _ : state) probe.read();
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(app::ReadBandwidth::kBytes));
}

struct Case {
  weights::TensorType type;
  cpu::Isa isa;
  std::size_t tokens;
  int threads;
  bool cached;
  bool int8;
};

void matmul(benchmark::State& state, Case c) {
  const cpu::Kernels& k = cpu::kernels(c.isa);
  const std::size_t row_bytes = weights::row_bytes(c.type, kColumns);
  const std::size_t rows =
      (c.cached ? kCachedBytes : kWeightBytes) / row_bytes / kChunkRows * kChunkRows +
      (c.cached ? kChunkRows : 0);
  const auto data = random_weights(rows * row_bytes);
  std::vector<float> x(c.tokens * kColumns, 0.25F), y(c.tokens * rows);
  std::vector<const float*> xs(c.tokens);
  std::vector<float*> ys(c.tokens);
  std::vector<std::byte> x8(c.tokens * cpu::Int8Layout(kColumns).bytes);
  std::vector<const std::byte*> x8s(c.tokens);
  for (std::size_t t = 0; t < c.tokens; ++t) {
    xs[t] = x.data() + t * kColumns;
    ys[t] = y.data() + t * rows;
    std::byte* row = x8.data() + t * cpu::Int8Layout(kColumns).bytes;
    k.quantise_row(xs[t], 0, kColumns, kColumns, row);
    x8s[t] = row;
  }
  ThreadTeam team(c.threads);
  std::vector<std::vector<float>> panels(c.threads, std::vector<float>(cpu::kPanelRows * kColumns));
  for (auto _ : state) {
    team.for_each(rows / kChunkRows, 1, [&](std::size_t begin, std::size_t end, int thread) {
      for (std::size_t chunk = begin; chunk < end; ++chunk) {
        const std::size_t row = chunk * kChunkRows;
        const std::byte* weights = data.data() + row * row_bytes;
        float* panel = panels[thread].data();
        if (c.int8) {
          k.int8_matmul(c.type)({weights, row_bytes, kChunkRows, kColumns, c.tokens, x8s.data(),
                                 ys.data(), row, reinterpret_cast<std::byte*>(panel)});
        } else {
          k.matmul(c.type)({weights, row_bytes, kChunkRows, kColumns, c.tokens, xs.data(),
                            ys.data(), row, panel});
        }
      }
    });
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(rows * row_bytes));
  state.counters["flop"] = benchmark::Counter(2.0 * static_cast<double>(rows * kColumns * c.tokens),
                                              benchmark::Counter::kIsIterationInvariantRate);
}

void register_matmul(const Case& c) {
  const std::string name = std::string(weights::info(c.type).name) + "/" +
                           std::string(cpu::isa_name(c.isa)) + (c.int8 ? "/int8" : "/float32") +
                           "/tokens:" + std::to_string(c.tokens) +
                           "/threads:" + std::to_string(c.threads) + (c.cached ? "/cached" : "");
  benchmark::RegisterBenchmark(name.c_str(), matmul, c)->UseRealTime()->MinTime(0.2);
}

// The true shape: eight query heads of 256 over 512 keys, which lie in a cache or far away.
void attend(benchmark::State& state, Case c) {
  constexpr std::size_t kGroup = 8, kHeadDim = 256;
  const cpu::Kernels& k = cpu::kernels(c.isa);
  const std::size_t block_bytes = cpu::kKeysPerBlock * weights::row_bytes(c.type, kHeadDim);
  const std::size_t blocks = (c.cached ? kCachedBytes * 4 : kWeightBytes) / block_bytes /
                             (2 * cpu::kBlocksPerSpan) * 2 * cpu::kBlocksPerSpan;
  const auto data = random_weights(blocks * block_bytes);
  std::vector<float> q(kGroup * kHeadDim, 0.25F),
      partial(kGroup * cpu::attention_partial_floats(kHeadDim));
  std::vector<const std::byte*> at(blocks);
  for (std::size_t i = 0; i < blocks; ++i) at[i] = data.data() + i * block_bytes;
  const cpu::AttendFunction function = k.attend_span(c.type);
  for (auto _ : state) {
    for (std::size_t i = 0; i < blocks; i += 2 * cpu::kBlocksPerSpan) {
      function({q.data(), kGroup, kHeadDim, 0.0625F, &at[i], &at[i + cpu::kBlocksPerSpan],
                cpu::kKeysPerSpan, partial.data()});
    }
    benchmark::ClobberMemory();
  }
  const auto keys = static_cast<double>(blocks / 2 * cpu::kKeysPerBlock);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(blocks * block_bytes));
  state.counters["keys"] = benchmark::Counter(keys, benchmark::Counter::kIsIterationInvariantRate);
}

void register_attention() {
  using weights::TensorType;
  for (TensorType type :
       {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ8_0}) {
    for (cpu::Isa isa : cpu::supported_isas()) {
      if (isa == cpu::Isa::kScalar) continue;
      for (bool cached : {true, false}) {
        const std::string name = "attend/" + std::string(weights::info(type).name) + "/" +
                                 std::string(cpu::isa_name(isa)) + (cached ? "/cached" : "");
        benchmark::RegisterBenchmark(name.c_str(), attend, Case{type, isa, 1, 1, cached, false})
            ->MinTime(0.2);
      }
    }
  }
}

void register_all() {
  for (int threads : {1, all_threads()}) {
    benchmark::RegisterBenchmark("read", read_bandwidth)->Arg(threads)->UseRealTime();
  }
  for (weights::TensorType type : weights::tensor_types()) {
    for (cpu::Isa isa : cpu::supported_isas()) {
      if (isa == cpu::Isa::kScalar) continue;  // the parity path, not a fast one
      for (std::size_t tokens : {1, 2, 3, 4, 6, 8, 16, 128}) {
        for (int threads : {1, all_threads()}) {
          for (const bool int8 : {true, false}) {
            if (int8 && cpu::kernels(isa).int8_matmul(type) == nullptr) continue;
            register_matmul({type, isa, tokens, threads, threads == 1, int8});
          }
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  register_all();
  register_attention();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
