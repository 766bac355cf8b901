#include "model/tensor_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/log.h"
#include "weights/printable.h"

namespace tessera::model {
namespace {

using weights::GgufFile;
using weights::TensorType;
using Dims = std::vector<std::uint64_t>;

constexpr std::size_t kNamesInAMessage = 8;

enum class Storage { kAnyType, kF32 };

// Trailing dimensions of 1 say nothing: [2048] and [2048, 1] are the same tensor.
Dims without_trailing_ones(Dims dims) {
  while (dims.size() > 1 && dims.back() == 1) dims.pop_back();
  return dims;
}

// Finds tensors and remembers all that is wrong, so that one message can tell it.
class Finder {
 public:
  explicit Finder(const GgufFile& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }

  // Null, and a complaint kept, unless the tensor is there with this shape.
  const TensorView* find(const std::string& name, std::initializer_list<std::int64_t> shape,
                         Storage storage = Storage::kAnyType) {
    const TensorView* tensor = file_.find_tensor(name);
    if (tensor == nullptr) {
      missing_.push_back(name);
      return nullptr;
    }
    used_.insert(tensor);
    const Dims wanted(shape.begin(), shape.end());
    if (without_trailing_ones(tensor->dims) != without_trailing_ones(wanted)) {
      wrong_.push_back(fmt::format("{} is [{}], not [{}]", name, fmt::join(tensor->dims, ", "),
                                   fmt::join(wanted, ", ")));
      return nullptr;
    }
    const auto type_id = static_cast<std::uint32_t>(tensor->type);
    const weights::TensorTypeInfo* type = weights::find_tensor_type(type_id);
    if (type == nullptr) {  // only in files opened to be listed
      wrong_.push_back(fmt::format("{} has type {} ({}), which this build does not read", name,
                                   type_id, weights::name_of_unknown_type(type_id)));
      return nullptr;
    }
    if (storage == Storage::kF32 && type->type != TensorType::kF32) {
      wrong_.push_back(fmt::format("{} has type {}, not F32", name, type->name));
      return nullptr;
    }
    return tensor;
  }

  Result<void> verdict() const {
    if (missing_.empty() && wrong_.empty()) return {};
    std::string message = file_.name() + ":";
    append(message, "tensors missing", missing_);
    append(message, "tensors of the wrong shape or type", wrong_);
    return fail(ErrorCode::kCorrupt, message);
  }

  // The names of tensors that nobody asked for and that do not belong to an MTP block.
  std::vector<std::string> unused(const ModelConfig& config) const {
    std::vector<std::string> names;
    for (const TensorView& tensor : file_.tensors()) {
      if (!used_.contains(&tensor) && !is_mtp(tensor.name, config)) {
        names.push_back(weights::printable(tensor.name));
      }
    }
    return names;
  }

  static void append(std::string& message, std::string_view what,
                     const std::vector<std::string>& names) {
    if (names.empty()) return;
    const std::size_t shown = std::min(names.size(), kNamesInAMessage);
    fmt::format_to(
        std::back_inserter(message), " {} {}: {}{};", names.size(), what,
        fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
        shown < names.size() ? ", ..." : "");
  }

 private:
  static bool is_mtp(std::string_view name, const ModelConfig& config) {
    constexpr std::string_view kPrefix = "blk.";
    if (!name.starts_with(kPrefix)) return false;
    std::int64_t block = -1;
    const auto [end, error] =
        std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), block);
    return error == std::errc() && block >= config.layers &&
           block < config.layers + config.mtp_layers;
  }

  const GgufFile& file_;
  std::vector<std::string> missing_;
  std::vector<std::string> wrong_;
  std::unordered_set<const TensorView*> used_;
};

GdnTensors find_gdn(Finder& finder, const std::string& block, const ModelConfig& c) {
  GdnTensors gdn{};
  gdn.qkv = finder.find(block + "attn_qkv.weight", {c.hidden, c.conv_channels()});
  gdn.gate = finder.find(block + "attn_gate.weight", {c.hidden, c.gdn_value_width()});
  gdn.conv =
      finder.find(block + "ssm_conv1d.weight", {c.conv_kernel, c.conv_channels()}, Storage::kF32);
  gdn.a = finder.find(block + "ssm_a", {c.gdn_v_heads}, Storage::kF32);
  gdn.dt_bias = finder.find(block + "ssm_dt.bias", {c.gdn_v_heads}, Storage::kF32);
  gdn.beta = finder.find(block + "ssm_beta.weight", {c.hidden, c.gdn_v_heads});
  gdn.alpha = finder.find(block + "ssm_alpha.weight", {c.hidden, c.gdn_v_heads});
  gdn.norm = finder.find(block + "ssm_norm.weight", {c.gdn_head_dim}, Storage::kF32);
  gdn.out = finder.find(block + "ssm_out.weight", {c.gdn_value_width(), c.hidden});
  return gdn;
}

AttentionTensors find_attention(Finder& finder, const std::string& block, const ModelConfig& c) {
  const std::int64_t width = std::int64_t{c.heads} * c.head_dim;
  const std::int64_t kv_width = std::int64_t{c.kv_heads} * c.head_dim;
  AttentionTensors attention{};
  attention.q = finder.find(block + "attn_q.weight", {c.hidden, 2 * width});
  attention.k = finder.find(block + "attn_k.weight", {c.hidden, kv_width});
  attention.v = finder.find(block + "attn_v.weight", {c.hidden, kv_width});
  attention.out = finder.find(block + "attn_output.weight", {width, c.hidden});
  attention.q_norm = finder.find(block + "attn_q_norm.weight", {c.head_dim}, Storage::kF32);
  attention.k_norm = finder.find(block + "attn_k_norm.weight", {c.head_dim}, Storage::kF32);
  return attention;
}

MoeTensors find_moe(Finder& finder, const std::string& block, const ModelConfig& c) {
  MoeTensors moe{};
  moe.router = finder.find(block + "ffn_gate_inp.weight", {c.hidden, c.experts});
  const std::string merged = block + "ffn_gate_up_exps.weight";
  if (finder.has(merged)) {
    moe.gate_up = finder.find(merged, {c.hidden, 2 * std::int64_t{c.expert_ffn}, c.experts});
  } else {
    moe.gate = finder.find(block + "ffn_gate_exps.weight", {c.hidden, c.expert_ffn, c.experts});
    moe.up = finder.find(block + "ffn_up_exps.weight", {c.hidden, c.expert_ffn, c.experts});
  }
  moe.down = finder.find(block + "ffn_down_exps.weight", {c.expert_ffn, c.hidden, c.experts});
  moe.shared_router = finder.find(block + "ffn_gate_inp_shexp.weight", {c.hidden}, Storage::kF32);
  moe.shared_gate = finder.find(block + "ffn_gate_shexp.weight", {c.hidden, c.shared_ffn});
  moe.shared_up = finder.find(block + "ffn_up_shexp.weight", {c.hidden, c.shared_ffn});
  moe.shared_down = finder.find(block + "ffn_down_shexp.weight", {c.shared_ffn, c.hidden});
  return moe;
}

LayerTensors find_layer(Finder& finder, std::int32_t index, const ModelConfig& c) {
  const std::string block = fmt::format("blk.{}.", index);
  LayerTensors layer{};
  layer.kind = c.kind(index);
  layer.attn_norm = finder.find(block + "attn_norm.weight", {c.hidden}, Storage::kF32);
  layer.post_attention_norm =
      finder.find(block + "post_attention_norm.weight", {c.hidden}, Storage::kF32);
  if (layer.kind == LayerKind::kAttention) {
    layer.attention = find_attention(finder, block, c);
  } else {
    layer.gdn = find_gdn(finder, block, c);
  }
  layer.moe = find_moe(finder, block, c);
  return layer;
}

}  // namespace

Result<TensorTable> load_tensor_table(std::shared_ptr<const GgufFile> file) {
  TensorTable table;
  TRY_ASSIGN(table.config, read_config(*file));
  const ModelConfig& config = table.config;
  Finder finder(*file);
  table.token_embedding = finder.find("token_embd.weight", {config.hidden, config.vocabulary});
  table.output_norm = finder.find("output_norm.weight", {config.hidden}, Storage::kF32);
  // Absent: the output shares the embedding's matrix.
  const bool tied = !finder.has("output.weight");
  table.output = tied ? table.token_embedding
                      : finder.find("output.weight", {config.hidden, config.vocabulary});
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    table.layers.push_back(find_layer(finder, layer, config));
  }
  TRY(finder.verdict());
  table.unused_tensors = finder.unused(config);
  if (!table.unused_tensors.empty()) {
    std::string message = file->name() + ":";
    Finder::append(message, "tensors are not used", table.unused_tensors);
    log_warning("{}", message);
  }
  table.file = std::move(file);
  return table;
}

}  // namespace tessera::model
