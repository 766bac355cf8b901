// What is the CPU backend's own: unusual shapes, contexts past a span of the attention, memory and
// limits, refusals. What all backends promise is tested on it in tests/golden.
#include "cpu/cpu_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <new>
#include <vector>

#include "backends.h"
#include "model/reference_backend.h"
#include "random_model.h"

// Counts what C++ code allocates, for the test that a decode step allocates nothing. The sanitizers
// have allocators of their own.
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define TESSERA_COUNTS_ALLOCATIONS 0
#else
#define TESSERA_COUNTS_ALLOCATIONS 1
#endif
#if TESSERA_COUNTS_ALLOCATIONS
namespace {
std::atomic<std::size_t> allocations{0};
void* count_and_allocate(std::size_t bytes) {
  ++allocations;
  void* p = std::malloc(bytes);
  if (p == nullptr) std::abort();
  return p;
}
}  // namespace
void* operator new(std::size_t bytes) {
  return count_and_allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return count_and_allocate(bytes);
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete[](void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  std::free(p);
}
#endif

namespace tessera::test_models {
namespace {

using cpu::CpuOptions;
using cpu::Isa;
using weights::TensorType;
using Floats = std::vector<float>;

std::unique_ptr<model::Backend> make(const model::TensorTable& table, const CpuOptions& options) {
  auto backend = cpu::make_backend(table, options);
  CHECK(backend.has_value());
  return *std::move(backend);
}

CpuOptions with(int threads, Isa isa = Isa::kAuto) {
  CpuOptions options;
  options.threads = threads;
  options.isa = isa;
  options.max_batch_tokens = 2048;
  options.kv_type = cpu::KvType::kF32;
  return options;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Row lengths that all types fit.
RandomModelShape wide_shape(TensorType type) {
  RandomModelShape shape;
  shape.type = type;
  shape.hidden = 256;
  shape.heads = 4;
  shape.kv_heads = 2;
  shape.head_dim = 64;
  shape.gdn_head_dim = 64;
  shape.expert_ffn = 256;
  shape.shared_ffn = 256;
  return shape;
}

// The largest difference, in units of the largest logit.
double distance(const Floats& a, const Floats& b) {
  CHECK(a.size() == b.size());
  double largest = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(double{a[i]} - b[i]));
    scale = std::max(scale, std::fabs(double{b[i]}));
  }
  return largest / scale;
}

void expect_close_to_reference(const RandomModelShape& shape, const std::string& what) {
  const RandomModel m = make_random_model(shape);
  const auto tokens = random_tokens(60, shape.vocabulary, 5);
  const Floats expected = logits_of(*model::make_reference_backend(m.table), tokens);
  CpuOptions options = with(2);
  options.activations = cpu::Activations::kFloat32;
  const Floats got = logits_of(*make(m.table, options), tokens);
  const double d = distance(got, expected);
  std::cout << "  " << what << ": " << d << "\n";
  EXPECT_LT(d, 100 * std::numeric_limits<float>::epsilon()) << what;
}

TEST(CpuBackend, IsCloseToTheReferenceOnEveryShape) {
  RandomModelShape shape;
  expect_close_to_reference(shape, "smallest");
  shape.merged_gate_up = shape.tied_output = shape.quantised_router = true;
  shape.type = TensorType::kQ8_0;
  expect_close_to_reference(shape, "merged, tied, quantised router");
  shape = {};
  shape.vocabulary = 101;
  shape.experts = 13;
  shape.experts_used = 5;
  shape.hidden = 80;
  shape.head_dim = 48;
  shape.rope_dims = 22;
  shape.heads = 6;
  shape.kv_heads = 2;
  shape.gdn_head_dim = 16;
  shape.gdn_k_heads = 3;
  shape.gdn_v_heads = 9;
  shape.expert_ffn = 48;
  shape.shared_ffn = 112;
  shape.conv_kernel = 3;
  expect_close_to_reference(shape, "odd sizes");
  shape.layers = 3;
  shape.attention_interval = 1;
  expect_close_to_reference(shape, "attention alone");
  shape.attention_interval = 5;
  expect_close_to_reference(shape, "recurrent alone");
}

// Past the spans of the attention's online softmax, where a decode step and a chunk of a prompt
// share work differently.
TEST(CpuBackend, LongContextsHaveTheSameBits) {
  RandomModelShape shape;
  shape.layers = 2;
  shape.attention_interval = 2;
  shape.max_context = 2048;
  shape.heads = 4;
  shape.kv_heads = 2;
  const RandomModel m = make_random_model(shape);
  const auto tokens = random_tokens(1100, shape.vocabulary, 7);
  const Floats expected = logits_of(*make(m.table, with(1)), tokens);
  const auto backend = make(m.table, with(3));
  EXPECT_TRUE(same_bits(logits_of(*backend, tokens, 1), expected));
  EXPECT_TRUE(same_bits(logits_of(*backend, tokens, 500), expected));
  EXPECT_TRUE(same_bits(logits_of(*backend, tokens, 1100), expected));
  const Floats reference =
      logits_of(*model::make_reference_backend(m.table, {.max_batch_tokens = 2048}), tokens);
  EXPECT_LT(distance(expected, reference), 100 * std::numeric_limits<float>::epsilon());
}

TEST(CpuBackend, MemoryComesBackAndLimitsHold) {
  const RandomModel m = make_random_model({});
  CpuOptions options = with(2);
  options.max_context = 200;
  options.max_sequences = 3;
  const auto limits = make(m.table, options)->limits();
  EXPECT_EQ(limits.max_context, 200);
  EXPECT_EQ(limits.kv_bytes_per_token, 2 * 32 * sizeof(float));
  EXPECT_TRUE(limits.batch_invariant);
  const std::size_t state = limits.state_bytes_per_sequence;
  const model::MemoryUse roomy_use = make(m.table, options)->memory();
  options.memory_bytes = roomy_use.weight_bytes + roomy_use.scratch_bytes +
                         limits.kv_bytes_per_token * 64 * 5 + 2 * state;  // five blocks
  const auto backend = make(m.table, options);
  const auto refused = [&](std::int32_t n, const char* why) {
    const auto result = backend->create_sequence(n);
    ASSERT_FALSE(result.has_value()) << n;
    EXPECT_EQ(result.error().code, ErrorCode::kResourceExhausted);
    EXPECT_THAT(result.error().message, testing::HasSubstr(why));
  };
  refused(201, "context of 200");
  const SequenceId a = *backend->create_sequence(200);  // four blocks, none taken yet
  EXPECT_EQ(backend->memory().state_bytes, state);
  refused(65, "2 blocks");
  const SequenceId b = *backend->create_sequence(64);
  refused(1, "all 2 sequences");  // as many as the memory has room for
  Floats logits;
  append_tokens(*backend, a, 0, random_tokens(65, 96, 1), 65, logits);
  EXPECT_EQ(backend->memory().state_bytes, 2 * state + 2 * 64 * limits.kv_bytes_per_token);
  backend->free_sequence(a);
  backend->free_sequence(b);
  EXPECT_EQ(backend->memory().state_bytes, 0U);
  EXPECT_TRUE(backend->create_sequence(200).has_value());
  options.memory_bytes = 0;  // three whole sequences
  const auto roomy = make(m.table, options);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(roomy->create_sequence(200).has_value());
  const auto fourth = roomy->create_sequence(1);
  ASSERT_FALSE(fourth.has_value());
  EXPECT_THAT(fourth.error().message, testing::HasSubstr("all 3 sequences"));
}

TEST(CpuBackend, MemoryIsPlannedBeforeItIsTaken) {
  const RandomModel m = make_random_model({});
  CpuOptions options = with(2);
  options.max_sequences = 1;
  const auto alone = make(m.table, options);
  const std::size_t exact = alone->memory().weight_bytes + alone->memory().scratch_bytes +
                            alone->limits().sequence_memory_bytes;
  options.max_sequences = 0;
  options.memory_bytes = exact;
  const auto fits = make(m.table, options);
  EXPECT_EQ(fits->limits().max_sequences, 1);
  EXPECT_EQ(fits->limits().sequence_memory_bytes, alone->limits().sequence_memory_bytes);
  EXPECT_TRUE(fits->create_sequence(fits->limits().max_context).has_value());
  options.memory_bytes = exact - 1;
  const auto refused = cpu::make_backend(m.table, options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("one sequence of 256 tokens"));
  options.memory_bytes = exact + (std::size_t{1} << 30);
  EXPECT_EQ(make(m.table, options)->limits().max_sequences, 128);
}

// A new sequence must not see what an earlier one left in the same memory.
TEST(CpuBackend, MemoryIsUsedAgainClean) {
  const RandomModelShape shape = wide_shape(TensorType::kF32);
  const RandomModel m = make_random_model(shape);
  CpuOptions options = with(2);
  options.max_sequences = 1;
  const auto backend = make(m.table, options);
  const auto tokens = random_tokens(90, shape.vocabulary, 3);
  const Floats first = logits_of(*backend, tokens);
  logits_of(*backend, random_tokens(200, shape.vocabulary, 4));
  EXPECT_TRUE(same_bits(logits_of(*backend, tokens), first));
}

TEST(CpuBackend, MisuseIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::vector<std::byte> bytes = make_random_gguf({});
  const auto table = model::load_tensor_table(*weights::GgufFile::from_memory(bytes, "random"));
  ASSERT_TRUE(table.has_value());
  const auto backend = make(*table, with(2));
  const SequenceId sequence = *backend->create_sequence(10);
  const auto run = [&](std::int32_t at, TokenId token) {
    const model::BatchItem item{sequence, at, {&token, 1}, model::LogitsWanted::kLast};
    return backend->forward({{&item, 1}});
  };
  ASSERT_TRUE(run(0, 3).has_value());
  EXPECT_DEATH((void)run(0, 4), "position");
}

#if TESSERA_COUNTS_ALLOCATIONS
TEST(CpuBackend, ADecodeStepAllocatesNothing) {
  const RandomModelShape shape = wide_shape(TensorType::kQ4_K);
  const RandomModel m = make_random_model(shape);
  const auto backend = make(m.table, with(3));
  const SequenceId id = *backend->create_sequence(200);
  Floats logits;
  append_tokens(*backend, id, 0, random_tokens(10, shape.vocabulary, 3), 10, logits);
  const TokenId token = 5;
  const std::size_t before = allocations;
  for (std::int32_t at = 10; at < 200; ++at) {  // over the edges of blocks
    const model::BatchItem item{id, at, {&token, 1}, model::LogitsWanted::kLast};
    if (!backend->forward({{&item, 1}}).has_value()) std::abort();
  }
  EXPECT_EQ(allocations - before, 0U);
}
#endif

TEST(CpuBackend, RefusesWhatItCannotDo) {
  const auto message = [](const RandomModelShape& shape, const CpuOptions& options) {
    const RandomModel m = make_random_model(shape);
    const auto backend = cpu::make_backend(m.table, options);
    return backend.has_value() ? "" : backend.error().message;
  };
  RandomModelShape shape;
  EXPECT_EQ(message(shape, with(1)), "");
  EXPECT_THAT(message(shape, with(-1)), testing::HasSubstr("-1 threads"));
  CpuOptions options = with(1);
  options.max_batch_tokens = 0;
  EXPECT_THAT(message(shape, options), testing::HasSubstr("at least 1"));
  shape.hidden = 72;
  EXPECT_THAT(message(shape, with(1)),
              testing::AllOf(testing::HasSubstr("hidden size"), testing::HasSubstr("72")));
  shape = {};
  shape.conv_kernel = 9;
  EXPECT_THAT(message(shape, with(1)), testing::HasSubstr("has 9"));
}

}  // namespace
}  // namespace tessera::test_models
