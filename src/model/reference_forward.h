// The specification of the forward pass of qwen35moe, as code: plain loops, one function per part,
// nothing clever. Fast implementations are held to it, and people read it first.
//
// Activations and state are float32; every sum (norms, products, softmax, recurrence) accumulates
// in double. Each row of the result depends on its own inputs alone, in a fixed order, so no
// cutting of a prompt changes a bit. Norm weights are plain factors (GGUF has folded the
// checkpoint's "1 + w"). Functions are pure but for the state they are handed; any thread, one at a
// time per state. Shapes are checked when the tensor table is loaded.
//
// One layer, x: [tokens, hidden]
//   x += mixer(rms_norm(x, attn_norm))              mixer: gated attention, or Gated DeltaNet
//   x += mixture_of_experts(rms_norm(x, post_attention_norm))
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "model/tensor_table.h"

namespace tessera::model {

// [rows, columns] float32, row by row.
struct Rows {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::vector<float> values;

  Rows() = default;
  Rows(std::size_t row_count, std::size_t column_count)
      : rows(row_count), columns(column_count), values(row_count * column_count) {}
  std::span<float> operator[](std::size_t row) { return {&values[row * columns], columns}; }
  std::span<const float> operator[](std::size_t row) const {
    return {&values[row * columns], columns};
  }
};

// What a layer remembers of a sequence; only the part of its kind is filled.
struct LayerState {
  std::vector<float> keys;    // [tokens seen, kv_heads, head_dim], after norm and RoPE
  std::vector<float> values;  // [tokens seen, kv_heads, head_dim]
  std::vector<float>
      conv;  // [conv_kernel - 1, conv_channels]: last inputs of the convolution, oldest first
  std::vector<float> recurrent;  // [v_heads, key dim, value dim]

  std::size_t bytes() const {
    return sizeof(float) *
           (keys.capacity() + values.capacity() + conv.capacity() + recurrent.capacity());
  }
};

struct ReferenceState {
  std::vector<LayerState> layers;
};

// The state before the first token.
ReferenceState make_reference_state(const ModelConfig& config);

// ---- parts

// y = x * rsqrt(mean(x^2) + epsilon) * weight, over each run of weight.elements() values of x's
// rows.
Rows rms_norm(const Rows& x, const TensorView& weight, float epsilon);

// y[t, r] = sum over i of w[first_row + r, i] * x[t, i], for `row_count` rows of w: [..,
// x.columns].
Rows multiply(const TensorView& w, const Rows& x, std::uint64_t first_row, std::uint64_t row_count);
Rows multiply(const TensorView& w, const Rows& x);

// NeoX rotation of the first config.rope_dims of a head, in place: pairs (i, i + rope_dims / 2),
// angle position * rope_base^(-2 i / rope_dims).
void rotate(std::span<float> head, std::int32_t position, const ModelConfig& config);

// x: [tokens, hidden] at positions position, position + 1, ...; appends to state.keys and
// state.values.
Rows gated_attention(const ModelConfig& config, const AttentionTensors& tensors, const Rows& x,
                     std::int32_t position, LayerState& state);

// x: [tokens, hidden], following what state has seen.
Rows gated_delta_net(const ModelConfig& config, const GdnTensors& tensors, const Rows& x,
                     LayerState& state);

// x: [tokens, hidden]. Routed experts, weighted, plus the gated shared expert.
Rows mixture_of_experts(const ModelConfig& config, const MoeTensors& tensors, const Rows& x);

// ---- the whole

// The hidden rows after the last layer, before output_norm: [tokens, hidden]. `position` is the
// number of tokens that `state` has seen; it has seen `tokens` more afterwards.
Rows reference_hidden(const TensorTable& table, std::span<const TokenId> tokens,
                      std::int32_t position, ReferenceState& state);
// [rows, vocabulary] from hidden rows.
Rows reference_logits(const TensorTable& table, const Rows& hidden);

}  // namespace tessera::model
