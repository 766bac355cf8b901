#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "pack/hf_files.h"
#include "pack/source.h"
#include "weights/printable.h"
#include "weights/safetensors.h"

namespace tessera::pack {
namespace {

using weights::SafeTensor;
using weights::SafeType;
using Order = std::vector<std::uint32_t>;
using Shape = std::vector<std::uint64_t>;

// A matrix, or rows of one; `scales` where it is in FP8.
struct Part {
  const SafeTensor* weights = nullptr;
  const SafeTensor* scales = nullptr;
  std::uint64_t first_row = 0;
};

enum class Change { kNone, kPlusOne, kMinusExp };

// How a GGUF tensor comes about: its rows from parts one after the other. An order says which row
// or column of the part stands at each place; empty: as they are.
struct Recipe {
  std::vector<Part> parts;
  std::uint64_t rows_of_part = 1;
  Order rows, columns;
  Change change = Change::kNone;
};

// All tensors of a directory's files by name; remembers what is missing or wrong, so that one
// message can tell it.
class Weights {
 public:
  static Result<Weights> open(const std::string& directory);

  bool has(const std::string& name) const { return tensors_.contains(name); }
  std::size_t size() const { return tensors_.size(); }
  bool damaged() const {
    return std::any_of(files_.begin(), files_.end(), [](const auto& f) { return f.damaged(); });
  }

  // Complains unless it is there with this shape; leading and trailing ones say nothing.
  Part find(const std::string& name, const Shape& shape, const CheckpointConfig& config);
  Result<void> verdict(const std::string& directory) const;

 private:
  const SafeTensor* scales_of(const std::string& name, const Shape& shape,
                              const CheckpointConfig& config);

  std::vector<weights::SafetensorsFile> files_;
  std::unordered_map<std::string, const SafeTensor*> tensors_;
  std::vector<std::string> complaints_;
};

Result<Weights> Weights::open(const std::string& directory) {
  const std::string index_path = directory + "/model.safetensors.index.json";
  TRY_ASSIGN(const json::Value index, read_json_file(index_path, false));
  std::vector<std::string> names;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    if (entry.path().extension() == ".safetensors") names.push_back(entry.path().filename());
  }
  if (failed) {
    return fail(ErrorCode::kIo, fmt::format("{}: cannot read: {}", directory, failed.message()));
  }
  std::sort(names.begin(), names.end());
  const json::Value* map = index.find("weight_map");
  if (map != nullptr && map->if_object() != nullptr) {
    for (const auto& [tensor, file] : *map->if_object()) {
      const std::string* name = file.if_string();
      if (name == nullptr || !std::binary_search(names.begin(), names.end(), *name)) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("{}: {} is in {}, which is not there", index_path,
                                weights::printable(tensor),
                                name == nullptr ? "?" : weights::printable(*name)));
      }
    }
  }
  if (names.empty())
    return fail(ErrorCode::kNotFound, fmt::format("{}: no *.safetensors there", directory));
  Weights all;
  for (const std::string& name : names) {
    TRY_ASSIGN(auto file, weights::SafetensorsFile::open(fmt::format("{}/{}", directory, name)));
    all.files_.push_back(std::move(file));
  }
  for (const weights::SafetensorsFile& file : all.files_) {
    for (const SafeTensor& tensor : file.tensors()) {
      if (!all.tensors_.emplace(tensor.name, &tensor).second) {
        return fail(ErrorCode::kCorrupt, fmt::format("{}: tensor {} is in two files", directory,
                                                     weights::printable(tensor.name)));
      }
    }
  }
  return all;
}

Shape without_ones(const Shape& shape) {
  Shape out;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(out), [](auto n) { return n != 1; });
  return out;
}

const SafeTensor* Weights::scales_of(const std::string& name, const Shape& shape,
                                     const CheckpointConfig& config) {
  const auto found = tensors_.find(name + "_scale_inv");
  if (config.scale_rows == 0 || found == tensors_.end()) {
    complaints_.push_back(name + " is in FP8 without scales");
    return nullptr;
  }
  const SafeTensor& scales = *found->second;
  const auto blocks = [](std::uint64_t n, std::uint64_t size) { return (n + size - 1) / size; };
  const Shape wanted = {blocks(shape[0], config.scale_rows),
                        blocks(shape[1], config.scale_columns)};
  if (scales.shape != wanted || scales.data == nullptr || scales.type == SafeType::kF8E4M3) {
    complaints_.push_back(fmt::format("{} is {} [{}], not floats [{}]", scales.name,
                                      weights::safe_type_name(scales.type),
                                      fmt::join(scales.shape, ", "), fmt::join(wanted, ", ")));
    return nullptr;
  }
  return &scales;
}

Part Weights::find(const std::string& name, const Shape& shape, const CheckpointConfig& config) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    complaints_.push_back(name + " is missing");
    return {};
  }
  const SafeTensor& tensor = *found->second;
  if (tensor.data == nullptr) {
    complaints_.push_back(name + " is of a type that is not read (F32, F16, BF16, F8_E4M3 are)");
    return {};
  }
  if (without_ones(tensor.shape) != without_ones(shape)) {
    complaints_.push_back(fmt::format("{} is [{}], not [{}]", name, fmt::join(tensor.shape, ", "),
                                      fmt::join(shape, ", ")));
    return {};
  }
  Part part{&tensor, nullptr, 0};
  if (tensor.type == SafeType::kF8E4M3 && shape.size() == 2)
    part.scales = scales_of(name, shape, config);
  else if (tensor.type == SafeType::kF8E4M3)
    complaints_.push_back(name + " is in FP8, which matrices alone may be");
  return part;
}

Result<void> Weights::verdict(const std::string& directory) const {
  if (complaints_.empty()) return {};
  constexpr std::size_t kShown = 8;
  const auto shown = static_cast<std::ptrdiff_t>(std::min(complaints_.size(), kShown));
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("{}: {} tensors are not as they should be: {}{}", directory, complaints_.size(),
                  fmt::join(complaints_.begin(), complaints_.begin() + shown, "; "),
                  complaints_.size() > kShown ? "; ..." : ""));
}

// Lists the GGUF tensors of a checkpoint with their recipes.
class Recipes {
 public:
  Recipes(Weights& weights, const CheckpointConfig& config)
      : weights_(weights), config_(config), c_(config.model) {
    for (const char* prefix : {"model.language_model.", "model.", "language_model.model."}) {
      if (!weights.has(std::string(prefix) + "embed_tokens.weight")) continue;
      prefix_ = prefix;
      break;
    }
    // GGUF deals the value heads round over the key heads; the checkpoint has those of one key head
    // side by side.
    const auto k = static_cast<std::uint32_t>(c_.gdn_k_heads);
    const auto v = static_cast<std::uint32_t>(c_.gdn_v_heads);
    for (std::uint32_t place = 0; place < v; ++place)
      heads_.push_back(place % k * (v / k) + place / k);
  }

  void add_all() {
    const std::uint64_t hidden = size(c_.hidden), vocabulary = size(c_.vocabulary);
    add("token_embd.weight", prefix_ + "embed_tokens.weight", {vocabulary, hidden});
    add("output_norm.weight", prefix_ + "norm.weight", {hidden}, Change::kPlusOne);
    if (!config_.tied) add("output.weight", "lm_head.weight", {vocabulary, hidden});
    for (std::int32_t i = 0; i < c_.layers; ++i) add_layer(i);
  }

  std::vector<SourceTensor> tensors;
  std::vector<Recipe> recipes;

 private:
  static std::uint64_t size(std::int64_t n) { return static_cast<std::uint64_t>(n); }

  void put(std::string name, std::vector<std::uint64_t> dims, Recipe recipe) {
    const SafeTensor* weights = recipe.parts.empty() ? nullptr : recipe.parts[0].weights;
    const SafeType type = weights == nullptr ? SafeType::kOther : weights->type;
    tensors.push_back({std::move(name), std::move(dims), std::string(weights::safe_type_name(type)),
                       std::nullopt, nullptr});
    recipes.push_back(std::move(recipe));
  }

  // One tensor from one; a vector, or a matrix of [rows, columns].
  Recipe& add(const std::string& name, const std::string& from, const Shape& shape,
              Change change = Change::kNone) {
    Recipe recipe;
    recipe.parts = {weights_.find(from, shape, config_)};
    recipe.rows_of_part = shape.size() == 1 ? 1 : shape[0];
    recipe.change = change;
    put(name, shape.size() == 1 ? shape : Shape{shape[1], shape[0]}, std::move(recipe));
    return recipes.back();
  }

  // Rows or columns by value heads of `width`, behind `before` that stay.
  Order by_heads(std::uint64_t before, std::uint64_t width) const {
    Order order(before);
    std::iota(order.begin(), order.end(), 0U);
    for (const std::uint32_t head : heads_) {
      for (std::uint64_t i = 0; i < width; ++i)
        order.push_back(static_cast<std::uint32_t>(before + head * width + i));
    }
    return order;
  }

  void add_gdn(const std::string& to, const std::string& from) {
    const std::uint64_t hidden = size(c_.hidden), heads = size(c_.gdn_v_heads);
    const std::uint64_t channels = size(c_.conv_channels()), dim = size(c_.gdn_head_dim);
    const std::uint64_t values = size(c_.gdn_value_width()), keys = channels - values;
    add(to + "attn_qkv.weight", from + "in_proj_qkv.weight", {channels, hidden}).rows =
        by_heads(keys, dim);
    add(to + "attn_gate.weight", from + "in_proj_z.weight", {values, hidden}).rows =
        by_heads(0, dim);
    add(to + "ssm_conv1d.weight", from + "conv1d.weight", {channels, size(c_.conv_kernel)}).rows =
        by_heads(keys, dim);
    add(to + "ssm_dt.bias", from + "dt_bias", {heads}).columns = by_heads(0, 1);
    add(to + "ssm_a", from + "A_log", {heads}, Change::kMinusExp).columns = by_heads(0, 1);
    add(to + "ssm_beta.weight", from + "in_proj_b.weight", {heads, hidden}).rows = by_heads(0, 1);
    add(to + "ssm_alpha.weight", from + "in_proj_a.weight", {heads, hidden}).rows = by_heads(0, 1);
    add(to + "ssm_norm.weight", from + "norm.weight", {dim});
    add(to + "ssm_out.weight", from + "out_proj.weight", {hidden, values}).columns =
        by_heads(0, dim);
  }

  void add_attention(const std::string& to, const std::string& from) {
    const std::uint64_t hidden = size(c_.hidden), dim = size(c_.head_dim);
    const std::uint64_t width = size(c_.heads) * dim, kv = size(c_.kv_heads) * dim;
    add(to + "attn_q.weight", from + "q_proj.weight", {2 * width, hidden});
    add(to + "attn_k.weight", from + "k_proj.weight", {kv, hidden});
    add(to + "attn_v.weight", from + "v_proj.weight", {kv, hidden});
    add(to + "attn_output.weight", from + "o_proj.weight", {hidden, width});
    add(to + "attn_q_norm.weight", from + "q_norm.weight", {dim}, Change::kPlusOne);
    add(to + "attn_k_norm.weight", from + "k_norm.weight", {dim}, Change::kPlusOne);
  }

  // All experts of one kind: slices of one tensor from row `first` of each on, or tensors of their
  // own.
  void add_experts(const std::string& to, const std::string& from, const std::string& fused,
                   const std::string& single, const Shape& shape, std::uint64_t first) {
    const std::uint64_t experts = size(c_.experts);
    Recipe recipe;
    recipe.rows_of_part = shape[0];
    if (weights_.has(from + fused)) {
      const std::uint64_t rows = fused == "gate_up_proj" ? 2 * shape[0] : shape[0];
      Part part = weights_.find(from + fused, {experts, rows, shape[1]}, config_);
      for (std::uint64_t e = 0; e < experts; ++e) {
        part.first_row = e * rows + first;
        recipe.parts.push_back(part);
      }
    } else {
      for (std::uint64_t e = 0; e < experts; ++e)
        recipe.parts.push_back(
            weights_.find(fmt::format("{}{}.{}.weight", from, e, single), shape, config_));
    }
    put(to, {shape[1], shape[0], experts}, std::move(recipe));
  }

  void add_layer(std::int32_t index) {
    const std::string to = fmt::format("blk.{}.", index);
    const std::string from = fmt::format("{}layers.{}.", prefix_, index);
    const std::uint64_t hidden = size(c_.hidden), ffn = size(c_.expert_ffn);
    const std::uint64_t shared = size(c_.shared_ffn);
    add(to + "attn_norm.weight", from + "input_layernorm.weight", {hidden}, Change::kPlusOne);
    add(to + "post_attention_norm.weight", from + "post_attention_layernorm.weight", {hidden},
        Change::kPlusOne);
    if (c_.kind(index) == model::LayerKind::kAttention) {
      add_attention(to, from + "self_attn.");
    } else {
      add_gdn(to, from + "linear_attn.");
    }
    const std::string mlp = from + "mlp.", experts = mlp + "experts.";
    add(to + "ffn_gate_inp.weight", mlp + "gate.weight", {size(c_.experts), hidden});
    add_experts(to + "ffn_gate_exps.weight", experts, "gate_up_proj", "gate_proj", {ffn, hidden},
                0);
    add_experts(to + "ffn_up_exps.weight", experts, "gate_up_proj", "up_proj", {ffn, hidden}, ffn);
    add_experts(to + "ffn_down_exps.weight", experts, "down_proj", "down_proj", {hidden, ffn}, 0);
    add(to + "ffn_gate_inp_shexp.weight", mlp + "shared_expert_gate.weight", {hidden});
    const std::string one = mlp + "shared_expert.";
    add(to + "ffn_gate_shexp.weight", one + "gate_proj.weight", {shared, hidden});
    add(to + "ffn_up_shexp.weight", one + "up_proj.weight", {shared, hidden});
    add(to + "ffn_down_shexp.weight", one + "down_proj.weight", {hidden, shared});
  }

  Weights& weights_;
  const CheckpointConfig& config_;
  const model::ModelConfig& c_;
  std::string prefix_ = "model.language_model.";
  Order heads_;
};

class CheckpointSource final : public Source {
 public:
  CheckpointSource(std::string name, Weights weights, CheckpointConfig config,
                   CheckpointTokenizer tokenizer, CheckpointSampling sampling)
      : name_(std::move(name)),
        weights_(std::move(weights)),
        config_(std::move(config)),
        tokenizer_(std::move(tokenizer)),
        sampling_(sampling) {}

  Result<void> find_tensors() {
    Recipes recipes(weights_, config_);
    recipes.add_all();
    tensors_ = std::move(recipes.tensors);
    recipes_ = std::move(recipes.recipes);
    return weights_.verdict(name_);
  }

  const std::string& name() const override { return name_; }
  std::int32_t layers() const override { return config_.model.layers; }
  std::span<const SourceTensor> tensors() const override { return tensors_; }
  bool damaged() const override { return weights_.damaged(); }
  void write_metadata(weights::GgufWriter& writer) const override;
  void read_rows(std::size_t tensor, std::uint64_t first, std::uint64_t count,
                 float* out) const override;

 private:
  void read_row(const Part& part, std::uint64_t row, std::uint64_t columns, float* out) const;

  std::string name_;
  Weights weights_;
  CheckpointConfig config_;
  CheckpointTokenizer tokenizer_;
  CheckpointSampling sampling_;
  std::vector<SourceTensor> tensors_;
  std::vector<Recipe> recipes_;
};

void CheckpointSource::write_metadata(weights::GgufWriter& writer) const {
  write_config(config_, writer);
  if (sampling_.temperature >= 0)
    writer.add("general.sampling.temp", static_cast<float>(sampling_.temperature));
  if (sampling_.top_p >= 0)
    writer.add("general.sampling.top_p", static_cast<float>(sampling_.top_p));
  if (sampling_.top_k >= 0)
    writer.add("general.sampling.top_k", static_cast<std::int32_t>(sampling_.top_k));
  writer.add("tokenizer.ggml.model", "gpt2");
  writer.add("tokenizer.ggml.pre", "qwen35");
  writer.add_array("tokenizer.ggml.tokens", tokenizer_.tokens);
  writer.add_array("tokenizer.ggml.token_type", tokenizer_.kinds);
  writer.add_array("tokenizer.ggml.merges", tokenizer_.merges);
  const std::int64_t eos = sampling_.eos >= 0 ? sampling_.eos : config_.eos;
  if (eos >= 0) writer.add("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(eos));
  if (config_.pad >= 0)
    writer.add("tokenizer.ggml.padding_token_id", static_cast<std::uint32_t>(config_.pad));
  writer.add("tokenizer.ggml.add_bos_token", false);
  if (!tokenizer_.chat_template.empty())
    writer.add("tokenizer.chat_template", tokenizer_.chat_template);
}

void CheckpointSource::read_row(const Part& part, std::uint64_t row, std::uint64_t columns,
                                float* out) const {
  row += part.first_row;
  weights::read_elements(*part.weights, row * columns, columns, out);
  if (part.scales == nullptr) return;
  const std::uint64_t blocks = (columns + config_.scale_columns - 1) / config_.scale_columns;
  std::vector<float> scales(blocks);
  weights::read_elements(*part.scales, row / config_.scale_rows * blocks, blocks, scales.data());
  for (std::uint64_t i = 0; i < columns; ++i) out[i] *= scales[i / config_.scale_columns];
}

void CheckpointSource::read_rows(std::size_t tensor, std::uint64_t first, std::uint64_t count,
                                 float* out) const {
  const Recipe& recipe = recipes_[tensor];
  const std::uint64_t columns = tensors_[tensor].dims[0];
  std::vector<float> unordered(recipe.columns.size());
  for (std::uint64_t at = first; at < first + count; ++at, out += columns) {
    const Part& part = recipe.parts[at / recipe.rows_of_part];
    const std::uint64_t row = at % recipe.rows_of_part;
    read_row(part, recipe.rows.empty() ? row : recipe.rows[row], columns, out);
    if (!recipe.columns.empty()) {
      std::copy(out, out + columns, unordered.begin());
      for (std::uint64_t i = 0; i < columns; ++i) out[i] = unordered[recipe.columns[i]];
    }
    if (recipe.change == Change::kNone) continue;
    for (std::uint64_t i = 0; i < columns; ++i)
      out[i] = recipe.change == Change::kPlusOne ? out[i] + 1 : -std::exp(out[i]);
  }
}

}  // namespace

Result<std::unique_ptr<Source>> open_checkpoint_source(const std::string& directory) {
  TRY_ASSIGN(CheckpointConfig config, read_checkpoint_config(directory));
  TRY_ASSIGN(CheckpointTokenizer tokenizer,
             read_checkpoint_tokenizer(directory, config.model.vocabulary));
  TRY_ASSIGN(const CheckpointSampling sampling, read_checkpoint_sampling(directory));
  TRY_ASSIGN(Weights weights, Weights::open(directory));
  auto source = std::make_unique<CheckpointSource>(directory, std::move(weights), std::move(config),
                                                   std::move(tokenizer), sampling);
  TRY(source->find_tensors());
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace tessera::pack
