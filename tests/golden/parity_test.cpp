// The CPU backend against the specification, on random models of every shape and weight type; and
// against itself, bit for bit, with every instruction set and number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "backends.h"
#include "random_model.h"

namespace tessera::test_models {
namespace {

std::unique_ptr<model::Backend> make_cpu(const RandomModel& model, cpu::Isa isa, int threads,
                                         cpu::KvType kv_type = cpu::KvType::kF32,
                                         cpu::Activations activations = cpu::Activations::kInt8) {
  cpu::CpuOptions options;
  options.isa = isa;
  options.activations = activations;
  options.threads = threads;
  options.kv_type = kv_type;
  auto made = cpu::make_backend(model.table, options);
  CHECK(made.has_value());
  return *std::move(made);
}

std::vector<NamedShape> cpu_shapes() {
  std::vector<NamedShape> shapes = test_shapes();
  std::erase_if(shapes, [](const NamedShape& shape) { return shape.name == "Odder"; });
  return shapes;
}

class Parity : public ::testing::TestWithParam<NamedShape> {};

TEST_P(Parity, CpuAgreesWithTheReference) {
  for (const std::uint32_t seed : {1, 2, 3}) {
    RandomModelShape shape = GetParam().shape;
    shape.seed = seed;
    const RandomModel model = make_random_model(shape);
    const auto cpu =
        make_cpu(model, cpu::Isa::kAuto, 0, cpu::KvType::kF32, cpu::Activations::kFloat32);
    const auto reference = model::make_reference_backend(model.table);
    const auto tokens = random_tokens(48, model.table.config.vocabulary, seed + 100);
    const std::vector<float> wanted = logits_of(*reference, tokens);
    const std::vector<float> got = logits_of(*cpu, tokens, 13);
    ASSERT_EQ(wanted.size(), got.size());
    double squares = 0;
    float largest = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      largest = std::max(largest, std::fabs(wanted[i] - got[i]));
      squares += static_cast<double>(wanted[i]) * wanted[i];
    }
    const double rms = std::sqrt(squares / static_cast<double>(wanted.size()));
    RecordProperty("largest_difference_seed_" + std::to_string(seed), std::to_string(largest));
    // float32 sums of up to 256 terms, some tens in a row: 2^-24 of the logits' size each.
    EXPECT_LE(largest, 400 * 0x1p-24 * rms) << "logits' rms " << rms;
    EXPECT_GT(rms, 0.1);
  }
}

TEST_P(Parity, EveryInstructionSetAndThreadCountGivesTheSameBits) {
  const RandomModel model = make_random_model(GetParam().shape);
  const auto tokens = random_tokens(40, model.table.config.vocabulary, 7);
  for (const cpu::KvType kv : cpu::kKvTypes) {
    std::vector<float> first;
    for (const cpu::Isa isa : cpu::supported_isas()) {
      for (const int threads : {1, 2, 5}) {
        if (kv != cpu::KvType::kF32 && threads != 2) continue;
        const auto cpu = make_cpu(model, isa, threads, kv);
        const std::vector<float> logits = logits_of(*cpu, tokens, 40);
        if (first.empty()) first = logits;
        EXPECT_EQ(logits, first) << cpu::isa_name(isa) << ", " << threads << " threads, "
                                 << cpu::kv_type_name(kv);
      }
    }
  }
}

// Odd sizes are refused with their number, never computed wrongly.
TEST(CpuBackend, RefusesSizesThatItsKernelsLack) {
  for (const NamedShape& shape : test_shapes()) {
    if (shape.name != "Odder") continue;
    const auto made = cpu::make_backend(make_random_model(shape.shape).table, {});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(made.error().message.find("90"), std::string::npos) << made.error().message;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Parity, ::testing::ValuesIn(cpu_shapes()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tessera::test_models
