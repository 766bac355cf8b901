// The tensors of a qwen35moe checkpoint by role, checked against the configuration: what a backend
// needs and no name look-ups after loading. Pointers go into the GgufFile, which the table keeps
// alive.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "weights/gguf.h"

namespace tessera::model {

using weights::TensorView;

// y = W x: `rows` outputs, `row_elements` inputs; blocks of `type` in file order.
struct GdnTensors {
  const TensorView* qkv;      // {hidden, conv_channels}: rows q heads | k heads | v heads
  const TensorView* gate;     // {hidden, value width}: z
  const TensorView* conv;     // {conv_kernel, conv_channels} f32
  const TensorView* a;        // {v_heads} f32: -exp(A_log)
  const TensorView* dt_bias;  // {v_heads} f32
  const TensorView* beta;     // {hidden, v_heads}
  const TensorView* alpha;    // {hidden, v_heads}
  const TensorView* norm;     // {gdn_head_dim} f32
  const TensorView* out;      // {value width, hidden}
};

struct AttentionTensors {
  const TensorView* q;  // {hidden, heads * 2 * head_dim}: per head [q | gate]
  const TensorView* k;  // {hidden, kv_heads * head_dim}
  const TensorView* v;
  const TensorView* out;     // {heads * head_dim, hidden}
  const TensorView* q_norm;  // {head_dim} f32
  const TensorView* k_norm;
};

struct MoeTensors {
  const TensorView* router;   // {hidden, experts}
  const TensorView* gate;     // {hidden, expert_ffn, experts}; null when merged
  const TensorView* up;       // {hidden, expert_ffn, experts}; null when merged
  const TensorView* gate_up;  // {hidden, 2 * expert_ffn, experts}: rows gate | up; null when split
  const TensorView* down;     // {expert_ffn, hidden, experts}
  const TensorView* shared_router;  // {hidden} f32
  const TensorView* shared_gate;    // {hidden, shared_ffn}
  const TensorView* shared_up;
  const TensorView* shared_down;  // {shared_ffn, hidden}
};

struct LayerTensors {
  LayerKind kind;
  const TensorView* attn_norm;            // {hidden} f32
  const TensorView* post_attention_norm;  // {hidden} f32
  GdnTensors gdn;                         // when kind is kGatedDeltaNet
  AttentionTensors attention;             // when kind is kAttention
  MoeTensors moe;
};

struct TensorTable {
  std::shared_ptr<const weights::GgufFile> file;
  ModelConfig config;
  const TensorView* token_embedding = nullptr;  // {hidden, vocabulary}
  const TensorView* output_norm = nullptr;      // {hidden} f32
  const TensorView* output =
      nullptr;  // {hidden, vocabulary}; the embedding where the file ties them
  std::vector<LayerTensors> layers;
  std::vector<std::string>
      unused_tensors;  // names in the file that the model has no use for, MTP blocks apart
};

// Reads the configuration, finds every tensor and checks its shape and type. An error lists what is
// missing, or names the tensor with the shape it has and the shape it should have.
Result<TensorTable> load_tensor_table(std::shared_ptr<const weights::GgufFile> file);

}  // namespace tessera::model
