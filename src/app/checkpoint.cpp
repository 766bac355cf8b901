#include "app/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "app/embedded_model.h"
#include "app/machine_memory.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/regular_file.h"
#include "base/sha256.h"
#include "cpu/cpu_backend.h"
#include "engine/fake_backend.h"
#include "model/reference_backend.h"

namespace tessera::app {
namespace {

constexpr std::int32_t kDefaultContext = 32'768;

template <class T>
Result<const std::vector<T>*> array_of(const weights::GgufFile& file, std::string_view key) {
  const weights::MetadataValue* value = file.find_metadata(key);
  const auto* array = value == nullptr ? nullptr : std::get_if<weights::MetadataArray>(value);
  const auto* items = array == nullptr ? nullptr : std::get_if<std::vector<T>>(array);
  if (items == nullptr) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: the tokenizer's array {} is missing or of another type",
                            file.name(), key));
  }
  return items;
}

// A short name of the weights: general.name and the type that most of the bytes have.
std::string weights_name(const model::TensorTable& tensors) {
  std::size_t most = 0;
  std::string_view type = "?";
  for (const weights::TensorType candidate : weights::tensor_types()) {
    std::size_t bytes = 0;
    for (const weights::TensorView& tensor : tensors.file->tensors()) {
      if (tensor.type == candidate) bytes += tensor.bytes;
    }
    if (bytes > most) {
      most = bytes;
      type = weights::info(candidate).name;
    }
  }
  const std::string name = tensors.config.name.empty() ? "unnamed weights" : tensors.config.name;
  return fmt::format("{} ({})", name, type);
}

// Eight hexadecimal digits that tell files apart: names, sizes and the first bytes of every tensor,
// not all 21 GB.
std::string weights_digest(const model::TensorTable& tensors) {
  std::string text;
  for (const weights::TensorView& tensor : tensors.file->tensors()) {
    text += tensor.name;
    text += fmt::format(" {} {} ", static_cast<std::uint32_t>(tensor.type), tensor.bytes);
    text.append(reinterpret_cast<const char*>(tensor.data),
                std::min<std::size_t>(tensor.bytes, 64));
  }
  return to_hex(sha256(text)).substr(0, 8);
}

std::optional<double> sampling_default(const weights::GgufFile& file, std::string_view name) {
  const auto value = file.number(fmt::format("general.sampling.{}", name));
  if (!value) return std::nullopt;
  return std::round(*value * 1e6) / 1e6;  // 0.3 as float32 is 0.30000001192092896
}

// Of one mode. Qwen3.6's generation_config.json (1.0, 0.95, 20) is the model card's row for
// thinking; for direct answers the card advises 0.7 and 0.8. A file that was given values of its
// own means them for both modes. The card's presence penalty of 1.5 is left to the request:
// OpenAI's default for that field is 0, and JSON and tool calls repeat tokens.
chat::Sampling sampling_defaults(const weights::GgufFile& file, bool thinking) {
  const auto of_file = [&](std::string_view name, double generation_config, double card) {
    const std::optional<double> value = sampling_default(file, name);
    return value && *value != generation_config ? *value : card;
  };
  chat::Sampling sampling;
  sampling.temperature = of_file("temp", 1.0, thinking ? 1.0 : 0.7);
  sampling.top_p = of_file("top_p", 0.95, thinking ? 0.95 : 0.8);
  sampling.top_k = static_cast<std::int32_t>(sampling_default(file, "top_k").value_or(20));
  sampling.min_p = sampling_default(file, "min_p").value_or(0.0);
  sampling.presence_penalty = 0.0;
  sampling.frequency_penalty = 0.0;
  sampling.repetition_penalty = 1.0;
  return sampling;
}

Result<std::unique_ptr<model::Backend>> make_fake(const ModelOptions& options) {
  constexpr std::size_t kMostBytes = std::size_t{64} << 20;
  if (options.fake_script.empty())
    return fail(ErrorCode::kInvalidArgument, "--backend fake needs --fake-script FILE");
  TRY_ASSIGN(const std::string text, read_small_file(options.fake_script, kMostBytes));
  auto fake = engine::parse_fake_script(text);
  if (!fake) return fail(fake.error().code, options.fake_script + ": " + fake.error().message);
  return std::unique_ptr<model::Backend>(std::make_unique<engine::FakeBackend>(*std::move(fake)));
}

// The weights are the file's pages, which stay in memory as long as nobody else wants it: what is
// left beside them is shared half and half with everybody else on the machine.
Result<std::size_t> choose_memory(const ModelOptions& options, const Checkpoint& checkpoint) {
  const MachineMemory machine = machine_memory();
  if (options.memory > machine.total) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("--memory {} is more than there is: {}", human_bytes(options.memory),
                            human_bytes(machine.total)));
  }
  if (options.memory > 0) return options.memory;
  const std::size_t weights = checkpoint.tensors.file->file_bytes();
  if (weights >= machine.available) return machine.available;  // too little, as the backend tells
  return weights + (machine.available - weights) / 2;
}

}  // namespace

Result<cpu::KvType> find_kv_type(const ModelOptions& options) {
  if (options.kv_type == "auto") {
    return options.activations == "float32" ? cpu::KvType::kF16 : cpu::KvType::kInt8;
  }
  for (const cpu::KvType type : cpu::kKvTypes) {
    if (options.kv_type == cpu::kv_type_name(type)) return type;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown type of keys and values '{}': auto, q8, f16, bf16 or f32",
                          options.kv_type));
}

Result<std::shared_ptr<const weights::GgufFile>> open_weights(const std::string& path,
                                                              weights::UnknownTypes unknown_types) {
  if (path.empty())
    return weights::GgufFile::from_memory(embedded_model(), "the embedded demo model",
                                          unknown_types);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is a directory; `tessera pack` makes a GGUF file of a checkpoint's", path));
  return weights::GgufFile::open(path, unknown_types);
}

Result<Checkpoint> load_checkpoint(const std::string& path) {
  TRY_ASSIGN(auto file, open_weights(path));
  TRY_ASSIGN(model::TensorTable tensors, model::load_tensor_table(std::move(file)));
  return Checkpoint{std::move(tensors), path.empty()};
}

Result<std::shared_ptr<const text::Tokenizer>> load_tokenizer(const weights::GgufFile& file) {
  TRY_ASSIGN(const std::string_view model, file.string("tokenizer.ggml.model"));
  if (model != "gpt2") {
    return fail(
        ErrorCode::kUnsupported,
        fmt::format("{}: tokenizer.ggml.model is '{}'; byte-level BPE ('gpt2') is supported",
                    file.name(), model));
  }
  TRY_ASSIGN(const std::string_view pre, file.string("tokenizer.ggml.pre"));
  text::TokenizerData data;
  TRY_ASSIGN(data.pre, text::find_pre_tokenizer(pre));
  TRY_ASSIGN(const auto* tokens, array_of<std::string_view>(file, "tokenizer.ggml.tokens"));
  TRY_ASSIGN(const auto* kinds, array_of<std::int64_t>(file, "tokenizer.ggml.token_type"));
  TRY_ASSIGN(const auto* merges, array_of<std::string_view>(file, "tokenizer.ggml.merges"));
  data.tokens = *tokens;
  data.merges = *merges;
  data.kinds.reserve(kinds->size());
  for (const std::int64_t kind : *kinds) {
    if (kind < 1 || kind > 6) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}: tokenizer.ggml.token_type holds {}; 1 to 6 are known",
                              file.name(), kind));
    }
    data.kinds.push_back(static_cast<text::TokenKind>(kind));
  }
  return text::Tokenizer::create(data);
}

Result<cpu::Isa> find_isa(const std::string& name) {
  if (name == "auto") return cpu::Isa::kAuto;
  if (name == "avx512") return cpu::Isa::kAvx512;
  if (name == "avx2") return cpu::Isa::kAvx2;
  if (name == "scalar") return cpu::Isa::kScalar;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown instruction set '{}': auto, avx512, avx2 or scalar", name));
}

Result<std::int32_t> choose_context(const ModelOptions& options, const model::ModelConfig& config) {
  if (options.context == 0) return std::min(config.max_context, kDefaultContext);
  // A script was made for any length: it names its own limit.
  const std::int32_t most =
      options.backend == "fake" ? std::numeric_limits<std::int32_t>::max() : config.max_context;
  if (options.context < 16 || options.context > most) {
    return fail(ErrorCode::kOutOfRange,
                fmt::format("--ctx {} is out of range: this model takes 16 to {} tokens",
                            options.context, most));
  }
  return options.context;
}

Result<std::unique_ptr<model::Backend>> make_backend(const ModelOptions& options,
                                                     const Checkpoint& checkpoint,
                                                     std::int32_t context,
                                                     std::int32_t max_sequences) {
  if (options.backend == "fake") return make_fake(options);
  if (options.backend == "reference") {
    model::ReferenceOptions reference;
    reference.max_context = context;
    if (max_sequences > 0) reference.max_sequences = max_sequences;
    return model::make_reference_backend(checkpoint.tensors, reference);
  }
  if (options.backend != "cpu") {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("unknown backend '{}': cpu, reference or fake", options.backend));
  }
  cpu::CpuOptions cpu_options;
  cpu_options.threads = options.threads;
  TRY_ASSIGN(cpu_options.isa, find_isa(options.isa));
  cpu_options.max_context = context;
  cpu_options.max_sequences = max_sequences;
  TRY_ASSIGN(cpu_options.kv_type, find_kv_type(options));
  if (options.activations == "float32") cpu_options.activations = cpu::Activations::kFloat32;
  if (max_sequences == 0) {
    TRY_ASSIGN(cpu_options.memory_bytes, choose_memory(options, checkpoint));
  }
  return cpu::make_backend(checkpoint.tensors, cpu_options);
}

chat::ModelInfo describe_model(const Checkpoint& checkpoint, std::int32_t context) {
  chat::ModelInfo info;
  info.weights_name = weights_name(checkpoint.tensors);
  std::string slug;
  for (const char c : info.weights_name) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.';
    if (plain) slug += c;
    if (!plain && !slug.empty() && slug.back() != '-') slug += '-';
  }
  while (slug.ends_with('-')) slug.pop_back();
  info.fingerprint =
      fmt::format("tessera-{}+{}-{}", TESSERA_VERSION, slug, weights_digest(checkpoint.tensors));
  info.max_context = context;
  info.vocabulary = checkpoint.tensors.config.vocabulary;
  info.created = Clock::real().unix_seconds();
  info.default_direct = sampling_defaults(*checkpoint.tensors.file, false);
  info.default_thinking = sampling_defaults(*checkpoint.tensors.file, true);
  return info;
}

}  // namespace tessera::app
