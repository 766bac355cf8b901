#include "random_model.h"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <random>

#include "base/check.h"
#include "weights/gguf_writer.h"

namespace tessera::test_models {
namespace {

using weights::GgufWriter;
using weights::TensorType;
using Dims = std::vector<std::uint64_t>;

std::uint64_t count_of(const Dims& dims) {
  std::uint64_t count = 1;
  for (const std::uint64_t dim : dims) count *= dim;
  return count;
}

class Builder {
 public:
  explicit Builder(const RandomModelShape& shape) : shape_(shape) {}

  std::vector<std::byte> build() {
    write_metadata();
    write_model();
    return writer_.to_bytes();
  }

 private:
  bool left_out(const std::string& name) const {
    return std::find(shape_.leave_out.begin(), shape_.leave_out.end(), name) !=
           shape_.leave_out.end();
  }

  template <class Value>
  void meta(const std::string& name, const Value& value) {
    const std::string key = "qwen35moe." + name;
    if (left_out(key)) return;
    for (const auto& [replaced, with] : shape_.metadata) {
      if (replaced == name) return;  // written at the end
    }
    writer_.add(key, value);
  }
  void size(const std::string& name, std::int32_t value) {
    meta(name, static_cast<std::uint32_t>(value));
  }

  void write_metadata();
  void write_model();
  void write_gdn(const std::string& block);
  void write_attention(const std::string& block);
  void write_moe(const std::string& block);
  void write_mtp(const std::string& block);

  Dims final_dims(const std::string& name, Dims dims) const {
    for (const auto& [replaced, with] : shape_.shapes) {
      if (replaced == name) return with;
    }
    return dims;
  }

  std::vector<float> uniform(std::uint64_t count, float mean, float deviation) {
    constexpr float kUnit = 3.4641016F / 4294967296.0F;  // sqrt(12) / 2^32: deviation 1
    std::vector<float> values(count);
    for (float& value : values) {
      value = mean + deviation * kUnit * (static_cast<float>(random_()) - 2147483648.0F);
    }
    return values;
  }

  void floats(const std::string& name, Dims dims, float mean, float deviation) {
    if (left_out(name)) return;
    dims = final_dims(name, std::move(dims));
    const std::vector<float> values = uniform(count_of(dims), mean, deviation);
    writer_.add_tensor(name, TensorType::kF32, std::move(dims), values);
  }

  // Deviation gain / sqrt(row): inputs of size 1 give outputs of size `gain`.
  void matrix(const std::string& name, Dims dims, float gain, TensorType type) {
    if (left_out(name)) return;
    dims = final_dims(name, std::move(dims));
    if (dims[0] % weights::info(type).block_elements != 0) type = TensorType::kF16;
    const float deviation = gain / std::sqrt(static_cast<float>(dims[0]));
    const std::uint64_t count = count_of(dims);
    writer_.add_tensor(name, type, std::move(dims), uniform(count, 0, deviation));
  }
  void matrix(const std::string& name, Dims dims, float gain) {
    matrix(name, std::move(dims), gain, shape_.type);
  }

  static std::uint64_t wide(std::int32_t value) { return static_cast<std::uint64_t>(value); }

  const RandomModelShape& shape_;
  GgufWriter writer_;
  std::mt19937 random_{shape_.seed};
};

void Builder::write_metadata() {
  const RandomModelShape& s = shape_;
  writer_.add("general.architecture", "qwen35moe");
  writer_.add("general.name", "random test model");
  size("block_count", s.layers + s.mtp_layers);
  if (s.mtp_layers > 0) size("nextn_predict_layers", s.mtp_layers);
  size("context_length", s.max_context);
  size("embedding_length", s.hidden);
  size("attention.head_count", s.heads);
  size("attention.head_count_kv", s.kv_heads);
  size("attention.key_length", s.head_dim);
  size("attention.value_length", s.head_dim);
  meta("attention.layer_norm_rms_epsilon", 1e-6F);
  size("rope.dimension_count", s.rope_dims);
  meta("rope.freq_base", 1e4F);
  size("full_attention_interval", s.attention_interval);
  size("expert_count", s.experts);
  size("expert_used_count", s.experts_used);
  size("expert_feed_forward_length", s.expert_ffn);
  size("expert_shared_feed_forward_length", s.shared_ffn);
  size("ssm.conv_kernel", s.conv_kernel);
  size("ssm.state_size", s.gdn_head_dim);
  size("ssm.group_count", s.gdn_k_heads);
  size("ssm.time_step_rank", s.gdn_v_heads);
  size("ssm.inner_size", s.gdn_v_heads * s.gdn_head_dim);
  for (const auto& [name, value] : s.metadata) {
    const std::string key = "qwen35moe." + name;
    if (const auto* array = std::get_if<std::vector<std::int32_t>>(&value)) {
      writer_.add_array(key, *array);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      writer_.add(key, *text);
    } else if (const auto* number = std::get_if<float>(&value)) {
      writer_.add(key, *number);
    } else {
      writer_.add(key, std::get<std::uint32_t>(value));
    }
  }
}

void Builder::write_model() {
  const std::uint64_t hidden = wide(shape_.hidden);
  const std::uint64_t vocabulary = wide(shape_.vocabulary);
  matrix("token_embd.weight", {hidden, vocabulary}, std::sqrt(static_cast<float>(shape_.hidden)));
  floats("output_norm.weight", {hidden}, 1, 0.1F);
  if (!shape_.tied_output) matrix("output.weight", {hidden, vocabulary}, 1);
  for (std::int32_t layer = 0; layer < shape_.layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    floats(block + "attn_norm.weight", {hidden}, 1, 0.1F);
    floats(block + "post_attention_norm.weight", {hidden}, 1, 0.1F);
    if ((layer + 1) % shape_.attention_interval == 0) {
      write_attention(block);
    } else {
      write_gdn(block);
    }
    write_moe(block);
  }
  for (std::int32_t layer = 0; layer < shape_.mtp_layers; ++layer) {
    write_mtp("blk." + std::to_string(shape_.layers + layer) + ".");
  }
}

void Builder::write_gdn(const std::string& block) {
  const std::uint64_t hidden = wide(shape_.hidden);
  const std::uint64_t v_heads = wide(shape_.gdn_v_heads);
  const std::uint64_t values = v_heads * wide(shape_.gdn_head_dim);
  const std::uint64_t channels = values + 2 * wide(shape_.gdn_k_heads * shape_.gdn_head_dim);
  matrix(block + "attn_qkv.weight", {hidden, channels}, 1);
  matrix(block + "attn_gate.weight", {hidden, values}, 1);
  floats(block + "ssm_conv1d.weight", {wide(shape_.conv_kernel), channels}, 0, 0.5F);
  floats(block + "ssm_a", {v_heads}, -2.0F, 0.5F);
  floats(block + "ssm_dt.bias", {v_heads}, -3.0F, 1.0F);
  matrix(block + "ssm_beta.weight", {hidden, v_heads}, 1);
  matrix(block + "ssm_alpha.weight", {hidden, v_heads}, 0.5F);
  floats(block + "ssm_norm.weight", {wide(shape_.gdn_head_dim)}, 1, 0.1F);
  matrix(block + "ssm_out.weight", {values, hidden}, 0.3F);
}

void Builder::write_attention(const std::string& block) {
  const std::uint64_t hidden = wide(shape_.hidden);
  const std::uint64_t width = wide(shape_.heads * shape_.head_dim);
  const std::uint64_t kv_width = wide(shape_.kv_heads * shape_.head_dim);
  matrix(block + "attn_q.weight", {hidden, 2 * width}, 1);
  matrix(block + "attn_k.weight", {hidden, kv_width}, 1);
  matrix(block + "attn_v.weight", {hidden, kv_width}, 1);
  matrix(block + "attn_output.weight", {width, hidden}, 0.3F);
  floats(block + "attn_q_norm.weight", {wide(shape_.head_dim)}, 1, 0.1F);
  floats(block + "attn_k_norm.weight", {wide(shape_.head_dim)}, 1, 0.1F);
}

void Builder::write_moe(const std::string& block) {
  const std::uint64_t hidden = wide(shape_.hidden);
  const std::uint64_t ffn = wide(shape_.expert_ffn);
  const std::uint64_t shared = wide(shape_.shared_ffn);
  const std::uint64_t experts = wide(shape_.experts);
  matrix(block + "ffn_gate_inp.weight", {hidden, experts}, 2,
         shape_.quantised_router ? shape_.type : TensorType::kF32);
  if (shape_.merged_gate_up) {
    matrix(block + "ffn_gate_up_exps.weight", {hidden, 2 * ffn, experts}, 1);
  } else {
    matrix(block + "ffn_gate_exps.weight", {hidden, ffn, experts}, 1);
    matrix(block + "ffn_up_exps.weight", {hidden, ffn, experts}, 1);
  }
  matrix(block + "ffn_down_exps.weight", {ffn, hidden, experts}, 0.5F);
  floats(block + "ffn_gate_inp_shexp.weight", {hidden}, 0, 0.1F);
  matrix(block + "ffn_gate_shexp.weight", {hidden, shared}, 1);
  matrix(block + "ffn_up_shexp.weight", {hidden, shared}, 1);
  matrix(block + "ffn_down_shexp.weight", {shared, hidden}, 0.5F);
}

void Builder::write_mtp(const std::string& block) {
  const std::uint64_t hidden = wide(shape_.hidden);
  floats(block + "attn_norm.weight", {hidden}, 1, 0.1F);
  floats(block + "post_attention_norm.weight", {hidden}, 1, 0.1F);
  write_attention(block);
  write_moe(block);
  matrix(block + "nextn.eh_proj.weight", {2 * hidden, hidden}, 1);
  floats(block + "nextn.enorm.weight", {hidden}, 1, 0.1F);
  floats(block + "nextn.hnorm.weight", {hidden}, 1, 0.1F);
  floats(block + "nextn.shared_head_norm.weight", {hidden}, 1, 0.1F);
}

}  // namespace

std::vector<NamedShape> test_shapes() {
  const RandomModelShape odd = {.layers = 3,
                                .mtp_layers = 1,
                                .hidden = 96,
                                .vocabulary = 101,
                                .heads = 3,
                                .kv_heads = 1,
                                .head_dim = 48,
                                .rope_dims = 10,
                                .attention_interval = 3,
                                .conv_kernel = 3,
                                .gdn_head_dim = 16,
                                .gdn_k_heads = 3,
                                .gdn_v_heads = 6,
                                .experts = 4,
                                .experts_used = 3,
                                .expert_ffn = 48,
                                .shared_ffn = 80,
                                .merged_gate_up = true,
                                .tied_output = true,
                                .seed = 5};
  RandomModelShape odder = odd;
  odder.hidden = 90;
  odder.head_dim = 22;
  odder.gdn_head_dim = 7;
  odder.expert_ffn = 33;
  odder.shared_ffn = 21;
  std::vector<NamedShape> shapes = {
      {"Plain", {}, false}, {"Odd", odd, false}, {"Odder", odder, false}};
  for (const TensorType type : weights::tensor_types()) {
    if (type == TensorType::kF32) continue;  // as the plain one is
    shapes.push_back({std::string(weights::info(type).name),
                      {.layers = 2,
                       .hidden = 256,
                       .vocabulary = 128,
                       .head_dim = 64,
                       .attention_interval = 2,
                       .gdn_head_dim = 64,
                       .experts = 4,
                       .expert_ffn = 256,
                       .shared_ffn = 256,
                       .type = type,
                       .quantised_router = true},
                      true});
  }
  return shapes;
}

void PrintTo(const NamedShape& shape, std::ostream* out) {
  *out << shape.name;
}

std::vector<std::byte> make_random_gguf(const RandomModelShape& shape) {
  return Builder(shape).build();
}

RandomModel make_random_model(const RandomModelShape& shape) {
  RandomModel model;
  model.bytes = std::make_shared<const std::vector<std::byte>>(make_random_gguf(shape));
  auto file = weights::GgufFile::from_memory(*model.bytes, "random model");
  CHECK(file.has_value());
  auto table = model::load_tensor_table(*std::move(file));
  CHECK(table.has_value());
  model.table = *std::move(table);
  return model;
}

std::vector<TokenId> random_tokens(std::size_t count, std::int32_t vocabulary, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<TokenId> distribution(0, vocabulary - 1);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = distribution(random);
  return tokens;
}

}  // namespace tessera::test_models
