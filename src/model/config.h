// What a checkpoint of architecture qwen35moe is, in numbers. Symbols as in the model card; all
// sizes in elements.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "weights/gguf.h"

namespace tessera::model {

enum class LayerKind : std::uint8_t { kGatedDeltaNet, kAttention };

struct ModelConfig {
  std::string name;             // general.name, for people
  std::int32_t layers = 0;      // main layers; an MTP block is not counted
  std::int32_t mtp_layers = 0;  // recognised and skipped
  std::int32_t hidden = 0;
  std::int32_t vocabulary = 0;   // rows of the embedding, padding included
  std::int32_t max_context = 0;  // context_length: what the checkpoint was made for
  float rms_epsilon = 0;

  // Gated attention
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;   // key_length == value_length
  std::int32_t rope_dims = 0;  // rotated dimensions of a head, even
  double rope_base = 0;
  std::int32_t attention_interval = 0;  // layer i is attention iff (i + 1) % interval == 0

  // Gated DeltaNet
  std::int32_t conv_kernel = 0;
  std::int32_t gdn_head_dim = 0;  // of keys and values
  std::int32_t gdn_k_heads = 0;
  std::int32_t gdn_v_heads = 0;  // a multiple of gdn_k_heads; v head n reads k head n % gdn_k_heads

  // Mixture of experts
  std::int32_t experts = 0;
  std::int32_t experts_used = 0;
  std::int32_t expert_ffn = 0;
  std::int32_t shared_ffn = 0;

  // Where the file lists its layers' kinds one by one; empty: by the interval.
  std::vector<LayerKind> layer_kinds;

  LayerKind kind(std::int32_t layer) const {
    if (!layer_kinds.empty()) return layer_kinds[static_cast<std::size_t>(layer)];
    return (layer + 1) % attention_interval == 0 ? LayerKind::kAttention
                                                 : LayerKind::kGatedDeltaNet;
  }
  std::int32_t gdn_key_width() const { return gdn_k_heads * gdn_head_dim; }
  std::int32_t gdn_value_width() const { return gdn_v_heads * gdn_head_dim; }
  std::int32_t conv_channels() const { return 2 * gdn_key_width() + gdn_value_width(); }
};

// Reads and checks the metadata; each refusal names the key, its value and what was expected.
Result<ModelConfig> read_config(const weights::GgufFile& file);

}  // namespace tessera::model
