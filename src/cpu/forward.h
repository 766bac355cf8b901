// The forward pass on the CPU: the parts of model/reference_forward.h under the same names, on all
// tokens of a step at once. Owned and called by CpuBackend on the engine's thread; the threads
// inside are Compute's. No allocation.
//
// Every row of a result depends on its own inputs in a fixed order alone (kernels.h), so neither
// the other sequences of a step nor the cutting of a prompt nor the threads change a bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cpu/compute.h"
#include "cpu/sequence.h"
#include "model/batch.h"
#include "model/tensor_table.h"

namespace tessera::cpu {

struct StepItem {
  Sequence* sequence = nullptr;
  std::size_t first = 0;  // row of its first token
  std::size_t tokens = 0;
  std::int32_t position = 0;  // of its first token
};

struct StepToken {
  TokenId id = 0;
  std::int32_t position = 0;
  std::size_t item = 0;
};

// One forward(): its sequences and all their tokens, row by row.
struct Step {
  std::vector<StepItem> items;
  std::vector<StepToken> tokens;
  std::vector<std::size_t> wanted;  // rows whose logits are wanted
};

// Tokens of a prompt that attend to a span of keys together.
constexpr std::size_t kTokensTogether = 16;

// Experts of one token.
constexpr std::size_t kMaxChosen = 64;

struct ChosenExpert {
  std::size_t index = 0;
  float weight = 0;
};

// Room for the largest step. Rows are tokens unless said otherwise.
struct Scratch {
  // Without `int8` the rows of that name are empty, and products are of floats.
  static Result<Scratch> allocate(const model::ModelConfig& config, std::size_t max_tokens,
                                  std::size_t max_context, int threads, bool int8);
  // What allocate() takes, without taking it.
  static std::size_t bytes_for(const model::ModelConfig& config, std::size_t max_tokens,
                               std::size_t max_context, int threads, bool int8);

  Rows x;          // [hidden]: the residual stream
  Rows normed;     // [hidden]: what mixers and experts read
  Rows update;     // [hidden]: what a mixer adds to x
  Rows projected;  // GDN: [conv_channels] q | k | v; attention: [heads, q | gate, head_dim]
  Rows side;       // GDN: [value width] z; attention: [heads, head_dim] queries
  Rows mixed;      // GDN: [value width]; attention: [heads, head_dim]
  Rows beta;       // [v_heads]
  Rows alpha;      // [v_heads]; after the gates: the decay
  Rows keys;       // [kv_heads, head_dim]
  Rows values;     // [kv_heads, head_dim]
  Rows cosines;    // [rope_dims / 2]
  Rows sines;
  // Attention over the spans of a few tokens side by side; a row is one (token, kv head, span).
  Rows partials;                       // [group, attention_partial_floats]
  Rows member_partials;                // a thread: kTokensTogether totals, then partials
  std::vector<std::size_t> span_ends;  // per token: spans of it and of those before

  // What products with quantised weights read instead of the rows of like name.
  Int8Rows normed8;
  Int8Rows mixed8;
  Int8Rows expert8;  // rows as expert_gate
  Int8Rows shared8;  // rows as shared_ffn

  Rows router;                            // [experts]
  Rows shared_gate;                       // [1]
  Rows expert_gate;                       // rows are (token, slot): [expert_ffn]
  Rows expert_up;                         // likewise
  Rows expert_out;                        // likewise: [hidden]
  Rows shared_ffn;                        // [shared_ffn]
  Rows shared_up;                         // [shared_ffn]
  Rows shared_out;                        // [hidden]
  std::vector<ChosenExpert> chosen;       // (token, slot)
  std::vector<std::size_t> expert_begin;  // per expert and one more: into the lists below
  std::vector<const float*>
      pair_in;  // (token, slot) by expert, tokens ascending: the token's normed row
  std::vector<const std::byte*> pair_in8;
  std::vector<float*> pair_gate;  // by expert: rows of expert_gate, expert_up, expert_out
  std::vector<const std::byte*> pair_gate8;
  std::vector<float*> pair_up;
  std::vector<float*> pair_out;
  std::vector<Product> products;
};

// What all parts need.
struct Context {
  const model::ModelConfig& config;
  const StateLayout& layout;
  const BlockMemory& blocks;
  Compute& compute;
  Scratch& scratch;
  const Step& step;
};

// scratch.x = the tokens' embedding rows.
void embed(Context& c, const model::TensorView& embedding);
// scratch.cosines, sines for the tokens' positions; frequencies: [rope_dims / 2].
void prepare_rotation(Context& c, std::span<const double> frequencies);
// scratch.normed and normed8 = rms_norm(scratch.x); with `add_update`, scratch.x += scratch.update
// first.
void rms_norm(Context& c, const model::TensorView& weight, bool add_update);

// scratch.update = mixer(scratch.normed); `layer` counts the layers of that kind.
void gated_attention(Context& c, const model::AttentionTensors& tensors, std::size_t layer);
// `conv_weights`: [conv_kernel, conv_channels], transposed against the tensor.
void gated_delta_net(Context& c, const model::GdnTensors& tensors, const float* conv_weights,
                     std::size_t layer);
// scratch.x += experts(scratch.normed)
void mixture_of_experts(Context& c, const model::MoeTensors& tensors);

inline const float* floats(const model::TensorView& tensor) {
  DCHECK(tensor.type == weights::TensorType::kF32);
  return reinterpret_cast<const float*>(tensor.data);
}

}  // namespace tessera::cpu
