#include "model/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/bytes.h"
#include "weights/printable.h"

namespace tessera::model {
namespace {

using weights::GgufFile;
using weights::MetadataArray;
using weights::MetadataValue;
using weights::printable;

template <class... Args>
void line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out += '\n';
}

std::string type_name(weights::TensorType type) {
  const auto id = static_cast<std::uint32_t>(type);
  const weights::TensorTypeInfo* known = weights::find_tensor_type(id);
  if (known != nullptr) return std::string(known->name);
  return fmt::format("{} (type {}, not read)", weights::name_of_unknown_type(id), id);
}

template <class T>
std::string scalar_text(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) return '"' + printable(value, 100) + '"';
  return fmt::format("{}", value);
}

std::string value_text(const MetadataValue& value) {
  static constexpr std::size_t kShown = 6;
  return std::visit(
      [](const auto& item) -> std::string {
        if constexpr (!std::is_same_v<std::decay_t<decltype(item)>, MetadataArray>) {
          return scalar_text(item);
        } else {
          return std::visit(
              [](const auto& elements) {
                using Element = typename std::decay_t<decltype(elements)>::value_type;
                std::string text = fmt::format("{} elements [", elements.size());
                for (std::size_t i = 0; i < std::min(elements.size(), kShown); ++i) {
                  text += (i > 0 ? ", " : "") + scalar_text<Element>(elements[i]);
                }
                return text + (elements.size() > kShown ? ", ...]" : "]");
              },
              item);
        }
      },
      value);
}

struct TypeTotal {
  std::uint64_t tensors = 0;
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;

  void add(const TensorView& tensor) {
    ++tensors;
    elements += tensor.elements();
    bytes += tensor.bytes;
  }
};

void list_metadata(std::string& out, const GgufFile& file) {
  line(out, "\nMetadata: {} entries", file.metadata().size());
  for (const weights::MetadataEntry& entry : file.metadata()) {
    line(out, "  {} = {}", entry.key, value_text(entry.value));
  }
}

void list_tensors(std::string& out, const GgufFile& file) {
  std::size_t widest = 0;
  for (const TensorView& tensor : file.tensors()) widest = std::max(widest, tensor.name.size());
  widest = std::min<std::size_t>(widest, 60);
  std::map<weights::TensorType, TypeTotal> by_type;
  TypeTotal total;
  line(out, "\nTensors: {}", file.tensors().size());
  for (const TensorView& tensor : file.tensors()) {
    line(out, "  {:<{}}  {:<6}  {:>20}  {:>14} B", tensor.name, widest, type_name(tensor.type),
         fmt::format("[{}]", fmt::join(tensor.dims, ", ")), tensor.bytes);
    by_type[tensor.type].add(tensor);
    total.add(tensor);
  }
  line(out, "\nBy type:");
  for (const auto& [type, sum] : by_type) {
    line(out, "  {:<6} {:>6} tensors  {:>16} elements  {:>16} B", type_name(type), sum.tensors,
         sum.elements, sum.bytes);
  }
  line(out, "  {:<6} {:>6} tensors  {:>16} elements  {:>16} B ({})", "all", total.tensors,
       total.elements, total.bytes, human_bytes(total.bytes));
}

// Adds a tensor of which a token touches `part` of `whole` (experts); 0 of 1: none of it.
void count(Footprint& sum, const TensorView* tensor, std::uint64_t part = 1,
           std::uint64_t whole = 1) {
  if (tensor == nullptr) return;
  sum.parameters += tensor->elements();
  sum.weight_bytes += tensor->bytes;
  sum.active_parameters += tensor->elements() / whole * part;
  sum.active_weight_bytes += tensor->bytes / whole * part;
}

void count_layer(Footprint& sum, const LayerTensors& layer, const ModelConfig& c) {
  count(sum, layer.attn_norm);
  count(sum, layer.post_attention_norm);
  const AttentionTensors& a = layer.attention;
  for (const TensorView* tensor : {a.q, a.k, a.v, a.out, a.q_norm, a.k_norm}) count(sum, tensor);
  const GdnTensors& g = layer.gdn;
  for (const TensorView* tensor :
       {g.qkv, g.gate, g.conv, g.a, g.dt_bias, g.beta, g.alpha, g.norm, g.out}) {
    count(sum, tensor);
  }
  const MoeTensors& m = layer.moe;
  for (const TensorView* tensor :
       {m.router, m.shared_router, m.shared_gate, m.shared_up, m.shared_down}) {
    count(sum, tensor);
  }
  for (const TensorView* tensor : {m.gate, m.up, m.gate_up, m.down}) {
    count(sum, tensor, static_cast<std::uint64_t>(c.experts_used),
          static_cast<std::uint64_t>(c.experts));
  }
  if (layer.kind == LayerKind::kAttention) {
    const std::uint64_t rows = 2 * static_cast<std::uint64_t>(c.kv_heads);
    sum.kv_rows_per_token += rows;
    sum.kv_values_per_token += rows * static_cast<std::uint64_t>(c.head_dim);
  } else {
    const std::uint64_t recurrent = static_cast<std::uint64_t>(c.gdn_value_width()) *
                                    static_cast<std::uint64_t>(c.gdn_head_dim);
    const std::uint64_t conv = static_cast<std::uint64_t>(c.conv_kernel - 1) *
                               static_cast<std::uint64_t>(c.conv_channels());
    sum.state_bytes_per_sequence += sizeof(float) * (recurrent + conv);
  }
}

void describe_configuration(std::string& out, const ModelConfig& c) {
  std::int32_t attention_layers = 0;
  for (std::int32_t layer = 0; layer < c.layers; ++layer) {
    if (c.kind(layer) == LayerKind::kAttention) ++attention_layers;
  }
  line(out, "\nModel: {}", c.name.empty() ? "(no name)" : c.name);
  line(out, "  layers            {}: {} Gated DeltaNet, {} gated attention{}", c.layers,
       c.layers - attention_layers, attention_layers,
       c.mtp_layers > 0 ? fmt::format("; {} MTP, skipped", c.mtp_layers) : "");
  line(out, "  hidden            {}", c.hidden);
  line(out, "  vocabulary        {}", c.vocabulary);
  line(out, "  context           {}", c.max_context);
  line(out, "  attention         {} heads of {}, {} kv heads; RoPE on {} dimensions, base {}",
       c.heads, c.head_dim, c.kv_heads, c.rope_dims, c.rope_base);
  line(out, "  Gated DeltaNet    {} v heads and {} k heads of {}, convolution of {}", c.gdn_v_heads,
       c.gdn_k_heads, c.gdn_head_dim, c.conv_kernel);
  line(out, "  experts           {} of {} used, {} wide; shared expert {} wide", c.experts_used,
       c.experts, c.expert_ffn, c.shared_ffn);
  line(out, "  RMS norm epsilon  {}", c.rms_epsilon);
}

}  // namespace

Footprint footprint(const TensorTable& table) {
  Footprint sum;
  const bool tied = table.output == table.token_embedding;
  count(sum, table.token_embedding, tied ? 1 : 0);
  if (!tied) count(sum, table.output);
  count(sum, table.output_norm);
  for (const LayerTensors& layer : table.layers) count_layer(sum, layer, table.config);
  return sum;
}

std::string describe(const TensorTable& table, std::int64_t context) {
  const Footprint sum = footprint(table);
  if (context <= 0) context = table.config.max_context;
  std::string out;
  describe_configuration(out, table.config);
  line(out, "\nSize:");
  line(out, "  parameters        {} ({:.3f} G), of which a token uses {} ({:.3f} G)",
       sum.parameters, static_cast<double>(sum.parameters) * 1e-9, sum.active_parameters,
       static_cast<double>(sum.active_parameters) * 1e-9);
  line(out, "  weights           {} B ({}), of which a token reads {} B ({})", sum.weight_bytes,
       human_bytes(sum.weight_bytes), sum.active_weight_bytes,
       human_bytes(sum.active_weight_bytes));
  const std::uint64_t kv = sum.kv_values_per_token;
  const std::uint64_t kv_in_8_bits = kv + sizeof(float) * sum.kv_rows_per_token;
  line(out, "  KV a token        {} numbers: {} in 8 bits, {} in 16, {} in 32", kv,
       human_bytes(kv_in_8_bits), human_bytes(2 * kv), human_bytes(4 * kv));
  line(out, "  state a sequence  {} B ({}), whatever its length", sum.state_bytes_per_sequence,
       human_bytes(sum.state_bytes_per_sequence));
  const std::uint64_t fixed = sum.weight_bytes + sum.state_bytes_per_sequence;
  const auto tokens = static_cast<std::uint64_t>(context);
  line(out,
       "  memory for one sequence of {} tokens: {} with KV in 8 bits, {} in 16, {} in 32, and "
       "scratch",
       context, human_bytes(fixed + tokens * kv_in_8_bits), human_bytes(fixed + 2 * tokens * kv),
       human_bytes(fixed + 4 * tokens * kv));
  if (!table.unused_tensors.empty()) {
    line(out, "\nNot used: {}", fmt::join(table.unused_tensors, ", "));
  }
  return out;
}

std::string inspect(const std::shared_ptr<const GgufFile>& file, std::int64_t context) {
  std::string out;
  line(out, "{}: {} B ({})", printable(file->name(), 4096), file->file_bytes(),
       human_bytes(file->file_bytes()));
  list_metadata(out, *file);
  list_tensors(out, *file);
  const auto table = load_tensor_table(file);
  if (table) {
    out += describe(*table, context);
  } else {
    line(out, "\nThis model cannot be served: {}", table.error().message);
  }
  return out;
}

}  // namespace tessera::model
