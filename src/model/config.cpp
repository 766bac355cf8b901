#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <variant>

#include "weights/printable.h"

namespace tessera::model {
namespace {

using weights::GgufFile;
using weights::MetadataArray;
using weights::MetadataValue;

constexpr std::string_view kArchitecture = "qwen35moe";

// Bounds: far above any model of this family, low enough that every product of two of them fits 64
// bits and every width fits an int32.
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxContext = std::int64_t{1} << 24;
constexpr std::int64_t kMaxHidden = std::int64_t{1} << 16;
constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
constexpr std::int64_t kMaxHeads = 4096;
constexpr std::int64_t kMaxHeadDim = 8192;
constexpr std::int64_t kMaxExperts = 8192;
constexpr std::int64_t kMaxFfn = std::int64_t{1} << 20;
constexpr std::int64_t kMaxConvKernel = 64;
constexpr std::int64_t kMaxMtpLayers = 16;
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 24;
constexpr std::int64_t kDefaultAttentionInterval = 4;

// Reads keys of one architecture; errors name the full key and the file.
class ConfigReader {
 public:
  explicit ConfigReader(const GgufFile& file) : file_(file) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", kArchitecture, name); }
  bool has(std::string_view name) const { return file_.find_metadata(key(name)) != nullptr; }

  Unexpected<Error> error(ErrorCode code, const std::string& what) const {
    return fail(code, fmt::format("{}: {}", file_.name(), what));
  }

  Result<std::int32_t> check(std::string_view name, std::int64_t value, std::int64_t low,
                             std::int64_t high) const {
    if (!(value >= low && value <= high)) {
      return error(ErrorCode::kCorrupt,
                   fmt::format("{} is {}, not {} to {}", key(name), value, low, high));
    }
    return static_cast<std::int32_t>(value);
  }

  Result<std::int32_t> integer(std::string_view name, std::int64_t low, std::int64_t high) const {
    TRY_ASSIGN(const std::int64_t value, file_.integer(key(name)));
    return check(name, value, low, high);
  }

  Result<std::int32_t> integer_or(std::string_view name, std::int64_t fallback, std::int64_t low,
                                  std::int64_t high) const {
    if (!has(name)) return check(name, fallback, low, high);
    return integer(name, low, high);
  }

  Result<double> number(std::string_view name, double above, double up_to) const {
    TRY_ASSIGN(const double value, file_.number(key(name)));
    if (!(value > above && value <= up_to)) {
      return error(ErrorCode::kCorrupt, fmt::format("{} is {}, not above {} and up to {}",
                                                    key(name), value, above, up_to));
    }
    return value;
  }

  // The integers of an array, or nothing when the key is absent or no array of integers or
  // booleans.
  std::optional<std::vector<std::int64_t>> integers(std::string_view name) const {
    const MetadataValue* value = file_.find_metadata(key(name));
    const auto* array = value == nullptr ? nullptr : std::get_if<MetadataArray>(value);
    if (array == nullptr) return std::nullopt;
    if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(array)) return *numbers;
    if (const auto* flags = std::get_if<std::vector<bool>>(array)) {
      return std::vector<std::int64_t>(flags->begin(), flags->end());
    }
    return std::nullopt;
  }

  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;
};

Result<void> check_architecture(const ConfigReader& reader) {
  TRY_ASSIGN(const std::string_view architecture, reader.file().string("general.architecture"));
  if (architecture != kArchitecture) {
    return reader.error(ErrorCode::kUnsupported,
                        fmt::format("general.architecture is \"{}\"; this build serves {} "
                                    "(Qwen3.5 and Qwen3.6 MoE)",
                                    weights::printable(architecture), kArchitecture));
  }
  return {};
}

// Long-context scaling changes every rotated position; it is refused rather than ignored.
Result<void> check_rope_scaling(const ConfigReader& reader) {
  if (!reader.has("rope.scaling.type")) return {};
  TRY_ASSIGN(const std::string_view type, reader.file().string(reader.key("rope.scaling.type")));
  if (type == "none") return {};
  return reader.error(ErrorCode::kUnsupported,
                      fmt::format("{} is \"{}\"; only \"none\" is supported",
                                  reader.key("rope.scaling.type"), weights::printable(type)));
}

// The sections say which rotated pairs follow which axis of an image; for text all axes are equal,
// so they are checked and not used. Three elements (some converters) or four.
Result<void> check_rope_sections(const ConfigReader& reader) {
  constexpr std::string_view kName = "rope.dimension_sections";
  if (!reader.has(kName)) return {};
  const auto sections = reader.integers(kName);
  const auto in_range = [](std::int64_t section) { return section >= 0 && section <= kMaxHeadDim; };
  if (!sections || sections->size() < 3 || sections->size() > 4 ||
      !std::all_of(sections->begin(), sections->end(), in_range)) {
    return reader.error(ErrorCode::kCorrupt,
                        fmt::format("{} is not three or four integers from 0 to {}",
                                    reader.key(kName), kMaxHeadDim));
  }
  return {};
}

Result<void> read_layers(const ConfigReader& reader, ModelConfig& config) {
  TRY_ASSIGN(const std::int32_t blocks, reader.integer("block_count", 1, kMaxLayers));
  TRY_ASSIGN(config.mtp_layers, reader.integer_or("nextn_predict_layers", 0, 0, kMaxMtpLayers));
  if (config.mtp_layers >= blocks) {
    return reader.error(
        ErrorCode::kCorrupt,
        fmt::format("{} is {}, but {} is only {}", reader.key("nextn_predict_layers"),
                    config.mtp_layers, reader.key("block_count"), blocks));
  }
  config.layers = blocks - config.mtp_layers;
  TRY_ASSIGN(
      config.attention_interval,
      reader.integer_or("full_attention_interval", kDefaultAttentionInterval, 1, kMaxLayers));
  constexpr std::string_view kRecurrent = "attention.recurrent_layers";
  if (!reader.has(kRecurrent)) return {};
  const auto recurrent = reader.integers(kRecurrent);
  if (!recurrent || (std::ssize(*recurrent) != blocks && std::ssize(*recurrent) != config.layers)) {
    return reader.error(
        ErrorCode::kCorrupt,
        fmt::format("{} is not an array of {} flags, one a layer", reader.key(kRecurrent), blocks));
  }
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    config.layer_kinds.push_back((*recurrent)[static_cast<std::size_t>(layer)] != 0
                                     ? LayerKind::kGatedDeltaNet
                                     : LayerKind::kAttention);
  }
  return {};
}

// A number that some converters write once and others as an array with one element a layer. In an
// array, the attention layers must agree; what stands at the other layers (0 as a rule) means
// nothing.
Result<std::int32_t> read_per_attention_layer(const ConfigReader& reader, const ModelConfig& config,
                                              std::string_view name, std::int64_t high) {
  const auto values = reader.integers(name);
  if (!values) return reader.integer(name, 1, high);
  if (std::ssize(*values) != config.layers &&
      std::ssize(*values) != config.layers + config.mtp_layers) {
    return reader.error(ErrorCode::kCorrupt,
                        fmt::format("{} has {} elements for {} layers", reader.key(name),
                                    values->size(), config.layers));
  }
  std::optional<std::int64_t> common;
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    if (config.kind(layer) != LayerKind::kAttention) continue;
    const std::int64_t value = (*values)[static_cast<std::size_t>(layer)];
    if (common && *common != value) {
      return reader.error(ErrorCode::kUnsupported,
                          fmt::format("{} differs between attention layers: {} and {}",
                                      reader.key(name), *common, value));
    }
    common = value;
  }
  // Without any attention layer the number is never used.
  return reader.check(name, common.value_or(1), 1, high);
}

Result<void> read_attention(const ConfigReader& reader, ModelConfig& config) {
  TRY_ASSIGN(config.heads,
             read_per_attention_layer(reader, config, "attention.head_count", kMaxHeads));
  TRY_ASSIGN(config.kv_heads,
             read_per_attention_layer(reader, config, "attention.head_count_kv", kMaxHeads));
  TRY_ASSIGN(config.head_dim, reader.integer("attention.key_length", 2, kMaxHeadDim));
  TRY_ASSIGN(const std::int32_t value_length,
             reader.integer("attention.value_length", 2, kMaxHeadDim));
  TRY_ASSIGN(config.rope_dims, reader.integer("rope.dimension_count", 2, config.head_dim));
  TRY_ASSIGN(config.rope_base, reader.number("rope.freq_base", 0, 1e15));
  TRY(check_rope_scaling(reader));
  TRY(check_rope_sections(reader));
  if (config.heads % config.kv_heads != 0) {
    return reader.error(
        ErrorCode::kCorrupt,
        fmt::format("{} is {}, no multiple of {}, {}", reader.key("attention.head_count"),
                    config.heads, reader.key("attention.head_count_kv"), config.kv_heads));
  }
  if (config.head_dim % 2 != 0 || value_length != config.head_dim) {
    return reader.error(ErrorCode::kUnsupported,
                        fmt::format("{} is {} and {} is {}; they must be even and equal",
                                    reader.key("attention.key_length"), config.head_dim,
                                    reader.key("attention.value_length"), value_length));
  }
  if (config.rope_dims % 2 != 0) {
    return reader.error(ErrorCode::kCorrupt,
                        fmt::format("{} is {}, an odd number", reader.key("rope.dimension_count"),
                                    config.rope_dims));
  }
  if (std::int64_t{config.heads} * config.head_dim * 2 > kMaxWidth) {
    return reader.error(ErrorCode::kOutOfRange,
                        fmt::format("{} heads of {} are wider than {}", config.heads,
                                    config.head_dim, kMaxWidth / 2));
  }
  return {};
}

Result<void> read_gated_delta_net(const ConfigReader& reader, ModelConfig& config) {
  TRY_ASSIGN(config.conv_kernel, reader.integer("ssm.conv_kernel", 1, kMaxConvKernel));
  TRY_ASSIGN(config.gdn_head_dim, reader.integer("ssm.state_size", 1, kMaxHeadDim));
  TRY_ASSIGN(config.gdn_k_heads, reader.integer("ssm.group_count", 1, kMaxHeads));
  TRY_ASSIGN(config.gdn_v_heads, reader.integer("ssm.time_step_rank", 1, kMaxHeads));
  TRY_ASSIGN(const std::int32_t inner, reader.integer("ssm.inner_size", 1, kMaxWidth));
  if (config.gdn_v_heads % config.gdn_k_heads != 0) {
    return reader.error(
        ErrorCode::kCorrupt,
        fmt::format("{} is {}, no multiple of {}, {}", reader.key("ssm.time_step_rank"),
                    config.gdn_v_heads, reader.key("ssm.group_count"), config.gdn_k_heads));
  }
  const std::int64_t value_width = std::int64_t{config.gdn_v_heads} * config.gdn_head_dim;
  if (inner != value_width) {
    return reader.error(
        ErrorCode::kCorrupt,
        fmt::format("{} is {}, not {} heads x {} = {}", reader.key("ssm.inner_size"), inner,
                    config.gdn_v_heads, config.gdn_head_dim, value_width));
  }
  // k heads are at most as many as v heads, so the convolution is at most three times as wide: no
  // overflow.
  return {};
}

Result<void> read_experts(const ConfigReader& reader, ModelConfig& config) {
  TRY_ASSIGN(config.experts, reader.integer("expert_count", 1, kMaxExperts));
  TRY_ASSIGN(config.experts_used, reader.integer("expert_used_count", 1, config.experts));
  TRY_ASSIGN(config.expert_ffn, reader.integer("expert_feed_forward_length", 1, kMaxFfn));
  TRY_ASSIGN(config.shared_ffn,
             reader.integer_or("expert_shared_feed_forward_length", config.expert_ffn, 1, kMaxFfn));
  return {};
}

// The rows of the embedding; metadata does not give them. A tokenizer with more tokens would lead
// outside.
Result<void> read_vocabulary(const ConfigReader& reader, ModelConfig& config) {
  const weights::TensorView* embedding = reader.file().find_tensor("token_embd.weight");
  if (embedding == nullptr) {
    return reader.error(ErrorCode::kCorrupt, "tensor token_embd.weight is missing");
  }
  const std::uint64_t rows = embedding->rows();
  if (embedding->dims.size() != 2 || rows > static_cast<std::uint64_t>(kMaxVocabulary)) {
    return reader.error(
        ErrorCode::kCorrupt,
        fmt::format("tensor token_embd.weight is [{}], not [{}, vocabulary up to {}]",
                    fmt::join(embedding->dims, ", "), config.hidden, kMaxVocabulary));
  }
  config.vocabulary = static_cast<std::int32_t>(rows);
  const MetadataValue* tokens = reader.file().find_metadata("tokenizer.ggml.tokens");
  const auto* array = tokens == nullptr ? nullptr : std::get_if<MetadataArray>(tokens);
  const auto* texts =
      array == nullptr ? nullptr : std::get_if<std::vector<std::string_view>>(array);
  if (texts != nullptr && texts->size() > rows) {
    return reader.error(ErrorCode::kCorrupt,
                        fmt::format("tokenizer.ggml.tokens has {} tokens, token_embd.weight only "
                                    "{} rows",
                                    texts->size(), rows));
  }
  return {};
}

}  // namespace

Result<ModelConfig> read_config(const GgufFile& file) {
  const ConfigReader reader(file);
  TRY(check_architecture(reader));
  ModelConfig config;
  if (const auto name = file.string("general.name")) config.name = weights::printable(*name);
  TRY_ASSIGN(config.hidden, reader.integer("embedding_length", 1, kMaxHidden));
  TRY_ASSIGN(config.max_context, reader.integer("context_length", 1, kMaxContext));
  TRY_ASSIGN(const double epsilon, reader.number("attention.layer_norm_rms_epsilon", 0, 0.1));
  config.rms_epsilon = static_cast<float>(epsilon);
  TRY(read_layers(reader, config));
  TRY(read_attention(reader, config));
  TRY(read_gated_delta_net(reader, config));
  TRY(read_experts(reader, config));
  TRY(read_vocabulary(reader, config));
  return config;
}

}  // namespace tessera::model
