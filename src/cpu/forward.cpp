#include "cpu/forward.h"

#include <algorithm>
#include <cmath>

namespace tessera::cpu {
namespace {

std::size_t size(std::int32_t n) {
  return static_cast<std::size_t>(n);
}

// Rows of a scratch, and how many of which length.
struct ScratchRows {
  Rows Scratch::* rows;
  std::size_t count, columns;
};

std::vector<ScratchRows> scratch_rows(const model::ModelConfig& config, std::size_t max_tokens,
                                      std::size_t max_context, int threads) {
  const std::size_t query_width = size(config.heads) * size(config.head_dim);
  const std::size_t kv_width = size(config.kv_heads) * size(config.head_dim);
  const std::size_t value_width = size(config.gdn_value_width());
  const std::size_t mixed_width = std::max(value_width, query_width);
  const std::size_t pairs = max_tokens * size(config.experts_used);
  const std::size_t group = size(config.heads) / size(config.kv_heads);
  const std::size_t partial = group * attention_partial_floats(size(config.head_dim));
  const std::size_t spans = (max_context + kKeysPerSpan - 1) / kKeysPerSpan;
  return {
      {&Scratch::x, max_tokens, size(config.hidden)},
      {&Scratch::normed, max_tokens, size(config.hidden)},
      {&Scratch::update, max_tokens, size(config.hidden)},
      {&Scratch::projected, max_tokens, std::max(size(config.conv_channels()), 2 * query_width)},
      {&Scratch::side, max_tokens, mixed_width},
      {&Scratch::mixed, max_tokens, mixed_width},
      {&Scratch::beta, max_tokens, size(config.gdn_v_heads)},
      {&Scratch::alpha, max_tokens, size(config.gdn_v_heads)},
      {&Scratch::keys, max_tokens, kv_width},
      {&Scratch::values, max_tokens, kv_width},
      {&Scratch::cosines, max_tokens, size(config.rope_dims / 2)},
      {&Scratch::sines, max_tokens, size(config.rope_dims / 2)},
      {&Scratch::partials, std::max<std::size_t>(spans, 16) * size(config.kv_heads), partial},
      {&Scratch::member_partials, 2 * kTokensTogether * size(threads), partial},
      {&Scratch::router, max_tokens, size(config.experts)},
      {&Scratch::shared_gate, max_tokens, 1},
      {&Scratch::expert_gate, pairs, size(config.expert_ffn)},
      {&Scratch::expert_up, pairs, size(config.expert_ffn)},
      {&Scratch::expert_out, pairs, size(config.hidden)},
      {&Scratch::shared_ffn, max_tokens, size(config.shared_ffn)},
      {&Scratch::shared_up, max_tokens, size(config.shared_ffn)},
      {&Scratch::shared_out, max_tokens, size(config.hidden)},
  };
}

struct ScratchInt8Rows {
  Int8Rows Scratch::* rows;
  std::size_t count, columns;
};

std::vector<ScratchInt8Rows> scratch_int8_rows(const model::ModelConfig& config,
                                               std::size_t max_tokens) {
  const std::size_t mixed_width =
      size(std::max(config.gdn_value_width(), config.heads * config.head_dim));
  std::vector<ScratchInt8Rows> rows = {
      {&Scratch::normed8, max_tokens, size(config.hidden)},
      {&Scratch::mixed8, max_tokens, mixed_width},
      {&Scratch::expert8, max_tokens * size(config.experts_used), size(config.expert_ffn)},
      {&Scratch::shared8, max_tokens, size(config.shared_ffn)},
  };
  // Rows of other lengths meet no quantised weights.
  std::erase_if(rows, [](const ScratchInt8Rows& w) { return w.columns % kInt8Block != 0; });
  return rows;
}

}  // namespace

Result<Scratch> Scratch::allocate(const model::ModelConfig& config, std::size_t max_tokens,
                                  std::size_t max_context, int threads, bool int8) {
  Scratch s;
  for (const ScratchRows& w : scratch_rows(config, max_tokens, max_context, threads)) {
    TRY_ASSIGN(s.*w.rows, Rows::allocate(w.count, w.columns, "scratch"));
  }
  if (int8) {
    for (const ScratchInt8Rows& w : scratch_int8_rows(config, max_tokens)) {
      TRY_ASSIGN(s.*w.rows, Int8Rows::allocate(w.count, w.columns, "int8 scratch"));
    }
  }
  const std::size_t pairs = max_tokens * size(config.experts_used);
  s.span_ends.resize(max_tokens);
  s.chosen.resize(pairs);
  s.expert_begin.resize(size(config.experts) + 1);
  s.pair_in.resize(pairs);
  s.pair_in8.resize(pairs);
  s.pair_gate.resize(pairs);
  s.pair_gate8.resize(pairs);
  s.pair_up.resize(pairs);
  s.pair_out.resize(pairs);
  s.products.reserve(size(config.experts) + 4);
  return s;
}

std::size_t Scratch::bytes_for(const model::ModelConfig& config, std::size_t max_tokens,
                               std::size_t max_context, int threads, bool int8) {
  std::size_t sum = 0;
  for (const ScratchRows& w : scratch_rows(config, max_tokens, max_context, threads)) {
    sum += w.count * w.columns * sizeof(float);
  }
  if (!int8) return sum;
  for (const ScratchInt8Rows& w : scratch_int8_rows(config, max_tokens))
    sum += w.count * Int8Layout(w.columns).bytes;
  return sum;
}

void embed(Context& c, const model::TensorView& embedding) {
  const Matrix rows = Matrix::of(embedding);
  const DequantiseFunction dequantise = c.compute.kernels().dequantise(rows.type);
  c.compute.for_each(c.step.tokens.size(), 16, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      dequantise(rows.data + size(c.step.tokens[t].id) * rows.row_bytes, rows.columns,
                 c.scratch.x[t]);
    }
  });
}

void prepare_rotation(Context& c, std::span<const double> frequencies) {
  c.compute.for_each(c.step.tokens.size(), 16, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      for (std::size_t i = 0; i < frequencies.size(); ++i) {
        const double angle = c.step.tokens[t].position * frequencies[i];
        c.scratch.cosines[t][i] = static_cast<float>(std::cos(angle));
        c.scratch.sines[t][i] = static_cast<float>(std::sin(angle));
      }
    }
  });
}

void rms_norm(Context& c, const model::TensorView& weight, bool add_update) {
  const Kernels& k = c.compute.kernels();
  const std::size_t hidden = size(c.config.hidden);
  c.compute.for_each(c.step.tokens.size(), 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      if (add_update) k.add(c.scratch.x[t], c.scratch.update[t], hidden);
      k.rms_norm(c.scratch.x[t], floats(weight), hidden, c.config.rms_epsilon, c.scratch.normed[t]);
      if (!c.scratch.normed8.empty())
        k.quantise_row(c.scratch.normed[t], 0, hidden, hidden, c.scratch.normed8[t]);
    }
  });
}

}  // namespace tessera::cpu
