#include "cpu/forward.h"

#include <algorithm>
#include <cmath>

namespace tessera::cpu {
namespace {

std::size_t size(std::int32_t n) {
  return static_cast<std::size_t>(n);
}

}  // namespace

Result<Scratch> Scratch::allocate(const model::ModelConfig& config, std::size_t max_tokens,
                                  std::size_t max_context, int threads) {
  Scratch s;
  const std::size_t query_width = size(config.heads) * size(config.head_dim);
  const std::size_t kv_width = size(config.kv_heads) * size(config.head_dim);
  const std::size_t value_width = size(config.gdn_value_width());
  const std::size_t mixed_width = std::max(value_width, query_width);
  const std::size_t pairs = max_tokens * size(config.experts_used);
  const std::size_t group = size(config.heads) / size(config.kv_heads);
  const std::size_t partial = group * attention_partial_floats(size(config.head_dim));
  const std::size_t spans = (max_context + kKeysPerSpan - 1) / kKeysPerSpan;
  const struct {
    Rows* rows;
    std::size_t count, columns;
  } wanted[] = {
      {&s.x, max_tokens, size(config.hidden)},
      {&s.normed, max_tokens, size(config.hidden)},
      {&s.update, max_tokens, size(config.hidden)},
      {&s.projected, max_tokens, std::max(size(config.conv_channels()), 2 * query_width)},
      {&s.side, max_tokens, mixed_width},
      {&s.mixed, max_tokens, mixed_width},
      {&s.beta, max_tokens, size(config.gdn_v_heads)},
      {&s.alpha, max_tokens, size(config.gdn_v_heads)},
      {&s.keys, max_tokens, kv_width},
      {&s.values, max_tokens, kv_width},
      {&s.cosines, max_tokens, size(config.rope_dims / 2)},
      {&s.sines, max_tokens, size(config.rope_dims / 2)},
      {&s.partials, std::max<std::size_t>(spans, 16) * size(config.kv_heads), partial},
      {&s.member_partials, 2 * size(threads), partial},
      {&s.router, max_tokens, size(config.experts)},
      {&s.shared_gate, max_tokens, 1},
      {&s.expert_gate, pairs, size(config.expert_ffn)},
      {&s.expert_up, pairs, size(config.expert_ffn)},
      {&s.expert_out, pairs, size(config.hidden)},
      {&s.shared_ffn, max_tokens, size(config.shared_ffn)},
      {&s.shared_up, max_tokens, size(config.shared_ffn)},
      {&s.shared_out, max_tokens, size(config.hidden)},
  };
  for (const auto& w : wanted) {
    TRY_ASSIGN(*w.rows, Rows::allocate(w.count, w.columns, "scratch"));
  }
  s.span_ends.resize(max_tokens);
  s.chosen.resize(pairs);
  s.expert_begin.resize(size(config.experts) + 1);
  s.pair_in.resize(pairs);
  s.pair_gate.resize(pairs);
  s.pair_up.resize(pairs);
  s.pair_out.resize(pairs);
  s.products.reserve(size(config.experts) + 4);
  return s;
}

std::size_t Scratch::bytes() const {
  std::size_t sum = 0;
  for (const Rows* rows :
       {&x,          &normed,          &update,    &projected,   &side,        &mixed,
        &beta,       &alpha,           &keys,      &values,      &cosines,     &sines,
        &partials,   &member_partials, &router,    &shared_gate, &expert_gate, &expert_up,
        &expert_out, &shared_ffn,      &shared_up, &shared_out}) {
    sum += rows->bytes();
  }
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
  c.compute.for_each(c.step.tokens.size(), 4, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t t = begin; t < end; ++t) {
      if (add_update) k.add(c.scratch.x[t], c.scratch.update[t], hidden);
      k.rms_norm(c.scratch.x[t], floats(weight), hidden, c.config.rms_epsilon, c.scratch.normed[t]);
    }
  });
}

}  // namespace tessera::cpu
