// Contexts of 262,144 tokens, on models small enough that it is feasible: positions, block tables,
// checkpoints far in, and memory as the arithmetic says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "backends.h"
#include "cpu/cpu_backend.h"
#include "random_model.h"

namespace tessera::test_models {
namespace {

constexpr std::int32_t k256K = 262'144;
constexpr std::int32_t kBlockTokens = 64;

// One attention layer with one head of 16, one recurrent layer; or recurrent layers alone, whose
// time does not grow with the position.
RandomModel long_model(bool attention) {
  RandomModelShape shape;
  shape.layers = 2;
  shape.attention_interval = attention ? 2 : 5;
  shape.max_context = k256K;
  shape.hidden = 16;
  shape.vocabulary = 32;
  shape.heads = 1;
  shape.head_dim = 16;
  shape.rope_dims = 8;
  shape.gdn_head_dim = 16;
  shape.gdn_k_heads = 1;
  shape.gdn_v_heads = 1;
  shape.experts = 2;
  shape.experts_used = 1;
  shape.expert_ffn = 16;
  shape.shared_ffn = 16;
  return make_random_model(shape);
}

std::unique_ptr<model::Backend> make(const RandomModel& model, std::int32_t max_sequences) {
  cpu::CpuOptions options;
  options.max_sequences = max_sequences;
  options.max_batch_tokens = 2048;
  auto made = cpu::make_backend(model.table, options);
  CHECK(made.has_value());
  return *std::move(made);
}

// Appends tokens [begin, end) and returns the logits after the last.
std::vector<float> run(model::Backend& backend, SequenceId sequence,
                       const std::vector<TokenId>& tokens, std::int32_t begin, std::int32_t end,
                       std::int32_t chunk) {
  std::vector<float> logits;
  for (std::int32_t at = begin; at < end; at += chunk) {
    const std::int32_t count = std::min(chunk, end - at);
    const bool last = at + count == end;
    const model::BatchItem item{
        sequence, at,
        std::span(tokens).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(count)),
        last ? model::LogitsWanted::kLast : model::LogitsWanted::kNone};
    const auto view = backend.forward({{&item, 1}});
    CHECK(view.has_value());
    if (last) logits.assign(view->row(0).begin(), view->row(0).end());
  }
  return logits;
}

// A cold run in large chunks; then one that is left at `save_at`, taken up again from there, and
// decodes its last tokens one by one.
void expect_warm_is_cold(model::Backend& backend, std::int32_t length, std::int32_t save_at) {
  const auto tokens = random_tokens(static_cast<std::size_t>(length), 32, 9);
  const SequenceId cold = backend.create_sequence(length).value();
  const std::vector<float> wanted = run(backend, cold, tokens, 0, length, 2048);
  const model::MemoryUse use = backend.memory();
  const model::BackendLimits limits = backend.limits();
  if (limits.kv_bytes_per_token > 0) {
    EXPECT_EQ(use.kv_blocks_running, (length + kBlockTokens - 1) / kBlockTokens);
  }
  EXPECT_EQ(use.state_bytes,
            limits.state_bytes_per_sequence + static_cast<std::size_t>(use.kv_blocks_running) *
                                                  kBlockTokens * limits.kv_bytes_per_token);
  backend.free_sequence(cold);
  const SequenceId first = backend.create_sequence(length).value();
  run(backend, first, tokens, 0, save_at, 1999);
  const CheckpointId saved = backend.save_checkpoint(first).value();
  backend.free_sequence(first);
  const SequenceId warm = backend.create_sequence_from(saved, length).value();
  backend.free_checkpoint(saved);
  run(backend, warm, tokens, save_at, length - 20, 700);
  EXPECT_EQ(run(backend, warm, tokens, length - 20, length, 1), wanted);
  backend.check_integrity();
  backend.free_sequence(warm);
  EXPECT_EQ(backend.memory().state_bytes, 0U);
}

TEST(LongContext, AWarmSequenceIsTheColdOneAt16K) {
  const RandomModel model = long_model(true);
  expect_warm_is_cold(*make(model, 2), 16'384, 12'345);
}

TEST(LongContext, RecurrentLayersGoTo256K) {
  const RandomModel model = long_model(false);
  expect_warm_is_cold(*make(model, 2), k256K, 200'001);
}

// Minutes. Run it with --gtest_also_run_disabled_tests.
TEST(LongContext, DISABLED_TheWholeOf256K) {
  const RandomModel model = long_model(true);
  expect_warm_is_cold(*make(model, 2), k256K, 200'001);
}

TEST(LongContext, MemoryOf256KIsWhatTheArithmeticSays) {
  const RandomModel model = long_model(true);
  const auto backend = make(model, 2);
  const model::BackendLimits limits = backend->limits();
  EXPECT_EQ(limits.max_context, k256K);
  // Key and value of 16 bytes and a scale.
  EXPECT_EQ(limits.kv_bytes_per_token, 2 * (16 + 4U));
  EXPECT_EQ(limits.sequence_memory_bytes,
            2 * (k256K * limits.kv_bytes_per_token + limits.state_bytes_per_sequence));
  EXPECT_FALSE(backend->create_sequence(k256K + 1));
  const SequenceId whole = backend->create_sequence(k256K).value();
  EXPECT_EQ(backend->memory().kv_blocks_promised, k256K / kBlockTokens);
  EXPECT_EQ(backend->memory().kv_blocks_free,
            2 * k256K / kBlockTokens +
                static_cast<std::int64_t>(limits.state_bytes_per_sequence /
                                          (limits.kv_bytes_per_token * kBlockTokens)));
  EXPECT_TRUE(backend->create_sequence(k256K));
  backend->free_sequence(whole);
}

}  // namespace
}  // namespace tessera::test_models
