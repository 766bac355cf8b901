// Small random models of the architecture, made in memory: any shape, any weight type, with each of
// the variants that files come in. For the tests of model/, of the backends and of the engine;
// deterministic in `seed`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "model/tensor_table.h"
#include "weights/tensor_type.h"

namespace tessera::test_models {

using MetadataOverride = std::variant<std::uint32_t, float, std::string, std::vector<std::int32_t>>;

// Sizes as in model::ModelConfig. The defaults are the smallest that have every part: three Gated
// DeltaNet layers and one attention layer, grouped heads, top 2 of 8 experts.
struct RandomModelShape {
  std::int32_t layers = 4;
  std::int32_t mtp_layers = 0;
  std::int32_t hidden = 64;
  std::int32_t vocabulary = 96;
  std::int32_t max_context = 256;
  std::int32_t heads = 2;
  std::int32_t kv_heads = 1;
  std::int32_t head_dim = 32;
  std::int32_t rope_dims = 16;
  std::int32_t attention_interval = 4;
  std::int32_t conv_kernel = 4;
  std::int32_t gdn_head_dim = 32;
  std::int32_t gdn_k_heads = 2;
  std::int32_t gdn_v_heads = 4;
  std::int32_t experts = 8;
  std::int32_t experts_used = 2;
  std::int32_t expert_ffn = 32;
  std::int32_t shared_ffn = 32;

  // Of all matrices. Where a row is no multiple of the type's block, the matrix is F16.
  weights::TensorType type = weights::TensorType::kF32;
  bool quantised_router = false;  // the router too; otherwise F32
  bool merged_gate_up = false;
  bool tied_output = false;
  std::uint32_t seed = 1;

  // What to spoil: metadata keys and tensors by name to leave out; values to write instead, by key
  // without "qwen35moe."; shapes to write instead, by tensor.
  std::vector<std::string> leave_out = {};
  std::vector<std::pair<std::string, MetadataOverride>> metadata = {};
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> shapes = {};
};

// Shapes that exercise every variant: plain; odd (heads 3 to 1, top 3 of 4, merged gate_up, tied
// output, an MTP block, no power of two); odder (no multiple of 16: not every backend takes it);
// and one for each weight type.
struct NamedShape {
  std::string name;
  RandomModelShape shape;
  bool is_one_type = false;  // of the last kind
};
std::vector<NamedShape> test_shapes();
// For GoogleTest's messages.
void PrintTo(const NamedShape& shape, std::ostream* out);

// The GGUF file.
std::vector<std::byte> make_random_gguf(const RandomModelShape& shape);

// A model ready to run: the file's bytes and the table that points into them. Copies share both.
struct RandomModel {
  std::shared_ptr<const std::vector<std::byte>> bytes;
  model::TensorTable table;
};
RandomModel make_random_model(const RandomModelShape& shape);  // CHECKs that the file loads

// `count` ids below the vocabulary's size.
std::vector<TokenId> random_tokens(std::size_t count, std::int32_t vocabulary, std::uint32_t seed);

}  // namespace tessera::test_models
