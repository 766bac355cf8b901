#include "pack/mix.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace tessera::pack {
namespace {

using weights::TensorType;

constexpr Mix uniform(std::string_view name, TensorType type, TensorType output,
                      std::uint32_t file_type) {
  return {name, type, type, output, type, file_type};
}
constexpr Mix better(std::string_view name, TensorType type, TensorType better,
                     std::uint32_t file_type) {
  return {name, type, better, TensorType::kQ6_K, type, file_type};
}

constexpr std::array kMixes = {
    uniform("F32", TensorType::kF32, TensorType::kF32, 0),
    uniform("F16", TensorType::kF16, TensorType::kF16, 1),
    uniform("BF16", TensorType::kBF16, TensorType::kBF16, 32),
    uniform("Q8_0", TensorType::kQ8_0, TensorType::kQ8_0, 7),
    uniform("Q6_K", TensorType::kQ6_K, TensorType::kQ6_K, 18),
    better("Q5_K_M", TensorType::kQ5_K, TensorType::kQ6_K, 17),
    uniform("Q5_K", TensorType::kQ5_K, TensorType::kQ6_K, 16),
    better("Q4_K_M", TensorType::kQ4_K, TensorType::kQ6_K, 15),
    uniform("Q4_K", TensorType::kQ4_K, TensorType::kQ6_K, 14),
    better("Q3_K_M", TensorType::kQ3_K, TensorType::kQ4_K, 12),
    uniform("Q3_K", TensorType::kQ3_K, TensorType::kQ6_K, 11),
    better("Q2_K", TensorType::kQ2_K, TensorType::kQ3_K, 10),
    uniform("Q4_0", TensorType::kQ4_0, TensorType::kQ6_K, 2),
    uniform("Q4_1", TensorType::kQ4_1, TensorType::kQ6_K, 3),
    uniform("Q5_0", TensorType::kQ5_0, TensorType::kQ6_K, 8),
    uniform("Q5_1", TensorType::kQ5_1, TensorType::kQ6_K, 9),
    better("IQ4_NL", TensorType::kIQ4_NL, TensorType::kQ5_K, 25),
    better("IQ4_XS", TensorType::kIQ4_XS, TensorType::kQ5_K, 30),
    Mix{"MXFP4_MOE", TensorType::kQ8_0, TensorType::kQ8_0, TensorType::kQ8_0, TensorType::kMXFP4,
        38},
};

bool stays_float(std::string_view name, std::span<const std::uint64_t> dims) {
  return dims.size() == 1 || name.find("norm") != std::string_view::npos ||
         name.find("ffn_gate_inp") != std::string_view::npos ||
         name.find("ssm_conv1d") != std::string_view::npos;
}

// The first and last eighth of the layers, and each third between.
bool is_costly(std::string_view name, std::int32_t layers) {
  if (!name.starts_with("blk.")) return false;
  if (name.find("attn_v.") == std::string_view::npos &&
      name.find("attn_qkv.") == std::string_view::npos &&
      name.find("ffn_down") == std::string_view::npos) {
    return false;
  }
  std::int32_t layer = 0;
  std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  const std::int32_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

}  // namespace

std::string mix_names() {
  std::string names;
  for (const Mix& mix : kMixes) names += (names.empty() ? "" : ", ") + std::string(mix.name);
  return names;
}

Result<Mix> find_mix(std::string_view name) {
  for (const Mix& mix : kMixes) {
    if (mix.name == name) return mix;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("unknown type '{}': there are {}", name, mix_names()));
}

TensorType type_of(const Mix& mix, std::string_view tensor, std::span<const std::uint64_t> dims,
                   std::int32_t layers, bool has_output) {
  if (stays_float(tensor, dims)) return TensorType::kF32;
  TensorType type = mix.base;
  if (tensor == (has_output ? "output.weight" : "token_embd.weight")) {
    type = mix.output;
  } else if (is_costly(tensor, layers) && mix.better != mix.base) {
    type = mix.better;
  } else if (tensor.find("_exps.") != std::string_view::npos) {
    type = mix.experts;
  }
  if (dims[0] % weights::info(type).block_elements == 0) return type;
  return dims[0] % weights::info(TensorType::kQ8_0).block_elements == 0 ? TensorType::kQ8_0
                                                                        : TensorType::kF16;
}

}  // namespace tessera::pack
