// Which tensor of a packed file gets which type. The mixes have the names that files of this model
// carry, and give the same tensors the better types as those do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "weights/tensor_type.h"

namespace tessera::pack {

struct Mix {
  std::string_view name;
  weights::TensorType base;  // all matrices
  weights::TensorType
      better;  // attn_v, attn_qkv and ffn_down* of the layers where errors cost most
  weights::TensorType output;   // the head
  weights::TensorType experts;  // the routed experts' matrices
  std::uint32_t file_type;      // general.file_type
};

// An error lists the mixes.
Result<Mix> find_mix(std::string_view name);
std::string mix_names();

// The type of one tensor in a model of so many layers. Vectors, norms, the router and the
// convolution stay F32. Where rows are no multiple of a type's block: Q8_0, or else F16.
weights::TensorType type_of(const Mix& mix, std::string_view tensor,
                            std::span<const std::uint64_t> dims, std::int32_t layers,
                            bool has_output);

}  // namespace tessera::pack
