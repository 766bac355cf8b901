#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "pack/hf_files.h"
#include "weights/printable.h"

namespace tessera::pack {
namespace {

// One object of a file: numbers within bounds, errors with file and field.
class Fields {
 public:
  Fields(const std::string& path, const json::Value& object) : path_(path), object_(object) {}

  Unexpected<Error> error(ErrorCode code, std::string_view field, const std::string& what) const {
    return fail(code, fmt::format("{}: {} {}", path_, field, what));
  }

  Result<std::int32_t> integer(std::string_view field, std::int64_t most) const {
    const json::Value* value = object_.find(field);
    const auto number = value == nullptr ? std::nullopt : value->as_int64();
    if (!number || *number < 1 || *number > most) {
      return error(ErrorCode::kCorrupt, field, fmt::format("is no integer from 1 to {}", most));
    }
    return static_cast<std::int32_t>(*number);
  }

  Result<double> number(std::string_view field) const {
    const json::Value* value = object_.find(field);
    const auto number = value == nullptr ? std::nullopt : value->as_double();
    if (!number || !(*number > 0)) {
      return error(ErrorCode::kCorrupt, field, "is no number above 0");
    }
    return *number;
  }

  // Where a field is there, it has to say this.
  Result<void> must_be(std::string_view field, std::string_view wanted) const {
    const json::Value* value = object_.find(field);
    const std::string text = value == nullptr                ? std::string(wanted)
                             : value->if_string() != nullptr ? *value->if_string()
                                                             : json::to_text(*value);
    if (text == wanted) return {};
    return error(ErrorCode::kUnsupported, field,
                 fmt::format("is {}; this build knows {}", weights::printable(text), wanted));
  }

  const json::Value* find(std::string_view field) const { return object_.find(field); }

 private:
  const std::string& path_;
  const json::Value& object_;
};

std::int64_t integer_or(const json::Value* value, std::int64_t otherwise) {
  if (value != nullptr && value->if_array() != nullptr && !value->if_array()->empty())
    value = &value->if_array()->front();
  return value == nullptr ? otherwise : value->as_int64().value_or(otherwise);
}

Result<void> read_sizes(const Fields& text, model::ModelConfig& c) {
  constexpr std::int64_t kMost = 1 << 24;  // the reader of the result has narrower bounds
  TRY_ASSIGN(c.layers, text.integer("num_hidden_layers", 1024));
  TRY_ASSIGN(c.hidden, text.integer("hidden_size", kMost));
  TRY_ASSIGN(c.vocabulary, text.integer("vocab_size", kMost));
  TRY_ASSIGN(c.max_context, text.integer("max_position_embeddings", kMost));
  TRY_ASSIGN(const double epsilon, text.number("rms_norm_eps"));
  c.rms_epsilon = static_cast<float>(epsilon);
  TRY_ASSIGN(c.heads, text.integer("num_attention_heads", 4096));
  TRY_ASSIGN(c.kv_heads, text.integer("num_key_value_heads", 4096));
  TRY_ASSIGN(c.head_dim, text.integer("head_dim", 8192));
  TRY_ASSIGN(c.conv_kernel, text.integer("linear_conv_kernel_dim", 64));
  TRY_ASSIGN(c.gdn_head_dim, text.integer("linear_key_head_dim", 8192));
  TRY_ASSIGN(c.gdn_k_heads, text.integer("linear_num_key_heads", 4096));
  TRY_ASSIGN(c.gdn_v_heads, text.integer("linear_num_value_heads", 4096));
  TRY_ASSIGN(const std::int32_t value_dim, text.integer("linear_value_head_dim", 8192));
  if (value_dim != c.gdn_head_dim || c.gdn_v_heads % c.gdn_k_heads != 0) {
    return text.error(ErrorCode::kUnsupported, "linear_value_head_dim",
                      fmt::format("is {} with {} heads; the keys have {} with {}", value_dim,
                                  c.gdn_v_heads, c.gdn_head_dim, c.gdn_k_heads));
  }
  TRY_ASSIGN(c.experts, text.integer("num_experts", 8192));
  TRY_ASSIGN(c.experts_used, text.integer("num_experts_per_tok", 8192));
  TRY_ASSIGN(c.expert_ffn, text.integer("moe_intermediate_size", kMost));
  TRY_ASSIGN(c.shared_ffn, text.integer("shared_expert_intermediate_size", kMost));
  TRY(text.must_be("hidden_act", "silu"));
  TRY(text.must_be("attn_output_gate", "true"));
  return text.must_be("attention_bias", "false");
}

// Layer i is attention iff (i + 1) % interval == 0; a list of kinds has to say the same.
Result<void> read_layer_kinds(const Fields& text, model::ModelConfig& c) {
  TRY_ASSIGN(c.attention_interval, text.integer("full_attention_interval", 1024));
  const json::Value* kinds = text.find("layer_types");
  if (kinds == nullptr) return {};
  const json::Array* list = kinds->if_array();
  if (list == nullptr || list->size() != static_cast<std::size_t>(c.layers)) {
    return text.error(ErrorCode::kCorrupt, "layer_types",
                      fmt::format("does not list {}", c.layers));
  }
  for (std::int32_t i = 0; i < c.layers; ++i) {
    const std::string* kind = (*list)[static_cast<std::size_t>(i)].if_string();
    const bool attention = c.kind(i) == model::LayerKind::kAttention;
    if (kind == nullptr || *kind != (attention ? "full_attention" : "linear_attention")) {
      return text.error(ErrorCode::kUnsupported, "layer_types",
                        fmt::format("has another kind for layer {} than the interval {} says", i,
                                    c.attention_interval));
    }
  }
  return {};
}

Result<void> read_rope(const std::string& path, const Fields& text, CheckpointConfig& config) {
  const json::Value* found = text.find("rope_parameters");
  if (found == nullptr || found->if_object() == nullptr)
    return text.error(ErrorCode::kCorrupt, "rope_parameters", "is no object");
  const Fields rope(path, *found);
  TRY(rope.must_be("rope_type", "default"));
  TRY_ASSIGN(config.model.rope_base, rope.number("rope_theta"));
  TRY_ASSIGN(const double part, rope.number("partial_rotary_factor"));
  config.model.rope_dims =
      static_cast<std::int32_t>(std::lround(std::min(part, 1.0) * config.model.head_dim));
  const json::Value* sections = rope.find("mrope_section");
  const json::Array* list = sections == nullptr ? nullptr : sections->if_array();
  if (list == nullptr || list->size() != 3)
    return rope.error(ErrorCode::kCorrupt, "mrope_section", "is no list of three");
  for (std::size_t i = 0; i < 3; ++i) {
    config.rope_sections[i] = static_cast<std::int32_t>((*list)[i].as_int64().value_or(0));
  }
  return {};
}

Result<void> read_quantisation(const std::string& path, const json::Value& whole,
                               CheckpointConfig& config) {
  const json::Value* found = whole.find("quantization_config");
  if (found == nullptr) return {};
  const Fields fields(path, *found);
  TRY(fields.must_be("quant_method", "fp8"));
  const json::Value* size = fields.find("weight_block_size");
  const json::Array* list = size == nullptr ? nullptr : size->if_array();
  const auto at = [&](std::size_t i) { return (*list)[i].as_int64().value_or(0); };
  if (list == nullptr || list->size() != 2 || at(0) < 1 || at(1) < 1) {
    return fields.error(ErrorCode::kUnsupported, "weight_block_size",
                        "is no pair of sizes: scales for each block are supported");
  }
  config.scale_rows = static_cast<std::uint64_t>(at(0));
  config.scale_columns = static_cast<std::uint64_t>(at(1));
  return {};
}

}  // namespace

Result<json::Value> read_json_file(const std::string& path, bool must) {
  std::ifstream file(path, std::ios::binary);
  if (!file && !must) return json::Value(json::Object());
  if (!file)
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto parsed = json::parse(text);
  if (!parsed) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: no valid JSON: {} (byte {})", path,
                                                 parsed.error().message, parsed.error().offset));
  }
  if (parsed->if_object() == nullptr)
    return fail(ErrorCode::kCorrupt, fmt::format("{}: is no object", path));
  return *std::move(parsed);
}

Result<CheckpointConfig> read_checkpoint_config(const std::string& directory) {
  const std::string path = directory + "/config.json";
  TRY_ASSIGN(const json::Value whole, read_json_file(path, true));
  const json::Value* part = whole.find("text_config");
  const Fields text(path, part == nullptr ? whole : *part);
  TRY(text.must_be("model_type", part == nullptr ? "qwen3_5_moe" : "qwen3_5_moe_text"));
  CheckpointConfig config;
  config.model.name =
      std::filesystem::path(directory + "/").lexically_normal().parent_path().filename().string();
  TRY(read_sizes(text, config.model));
  TRY(read_layer_kinds(text, config.model));
  TRY(read_rope(path, text, config));
  TRY(read_quantisation(path, whole, config));
  config.eos = integer_or(text.find("eos_token_id"), -1);
  config.pad = integer_or(text.find("pad_token_id"), -1);
  const json::Value* tied = whole.find("tie_word_embeddings");
  config.tied = tied != nullptr && tied->if_bool() != nullptr && *tied->if_bool();
  return config;
}

void write_config(const CheckpointConfig& config, weights::GgufWriter& writer) {
  const model::ModelConfig& c = config.model;
  writer.add("general.architecture", "qwen35moe");
  writer.add("general.name", c.name);
  const auto size = [&](std::string_view name, std::int32_t value) {
    writer.add(fmt::format("qwen35moe.{}", name), static_cast<std::uint32_t>(value));
  };
  size("block_count", c.layers);
  size("context_length", c.max_context);
  size("embedding_length", c.hidden);
  size("attention.head_count", c.heads);
  size("attention.head_count_kv", c.kv_heads);
  size("attention.key_length", c.head_dim);
  size("attention.value_length", c.head_dim);
  writer.add("qwen35moe.attention.layer_norm_rms_epsilon", c.rms_epsilon);
  size("rope.dimension_count", c.rope_dims);
  const auto& s = config.rope_sections;
  writer.add_array("qwen35moe.rope.dimension_sections",
                   std::vector<std::int32_t>{s[0], s[1], s[2], 0});
  writer.add("qwen35moe.rope.freq_base", static_cast<float>(c.rope_base));
  size("expert_count", c.experts);
  size("expert_used_count", c.experts_used);
  size("expert_feed_forward_length", c.expert_ffn);
  size("expert_shared_feed_forward_length", c.shared_ffn);
  size("ssm.conv_kernel", c.conv_kernel);
  size("ssm.state_size", c.gdn_head_dim);
  size("ssm.group_count", c.gdn_k_heads);
  size("ssm.time_step_rank", c.gdn_v_heads);
  size("ssm.inner_size", c.gdn_value_width());
  size("full_attention_interval", c.attention_interval);
}

Result<CheckpointSampling> read_checkpoint_sampling(const std::string& directory) {
  TRY_ASSIGN(const json::Value file, read_json_file(directory + "/generation_config.json", false));
  const auto number = [&](std::string_view name) {
    const json::Value* value = file.find(name);
    return value == nullptr ? -1.0 : value->as_double().value_or(-1.0);
  };
  CheckpointSampling sampling;
  sampling.temperature = number("temperature");
  sampling.top_p = number("top_p");
  sampling.top_k = integer_or(file.find("top_k"), -1);
  sampling.eos = integer_or(file.find("eos_token_id"), -1);
  return sampling;
}

}  // namespace tessera::pack
