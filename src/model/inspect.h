// What `tessera inspect` prints: a GGUF file as text for people. Works on any file that opens, of
// whatever architecture; what cannot be served is said with the reason.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/tensor_table.h"
#include "weights/gguf.h"

namespace tessera::model {

// What a model needs: counted from its tensors and configuration. Bytes, unless said otherwise.
struct Footprint {
  std::uint64_t parameters = 0;         // of the tensors that are used
  std::uint64_t active_parameters = 0;  // of those that one token multiplies: without the embedding
  std::uint64_t weight_bytes = 0;       // of the tensors that are used
  std::uint64_t active_weight_bytes = 0;
  std::uint64_t kv_values_per_token = 0;  // numbers: a backend stores them in 1, 2 or 4 bytes
  std::uint64_t kv_rows_per_token = 0;    // of such numbers: with 1 byte, each has a float32 scale
  std::uint64_t state_bytes_per_sequence = 0;  // recurrent state and convolution inputs in float32
};
Footprint footprint(const TensorTable& table);

// The configuration and the footprint of a model that can be served, with the memory for one
// sequence of `context` tokens (0: what the checkpoint was made for).
std::string describe(const TensorTable& table, std::int64_t context = 0);

// All of it: metadata, tensors, totals per type, then describe() or why the model cannot be served.
// Open the file with UnknownTypes::kList to see foreign types too.
std::string inspect(const std::shared_ptr<const weights::GgufFile>& file, std::int64_t context = 0);

}  // namespace tessera::model
