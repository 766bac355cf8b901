// The Backend that runs on the CPU: weights as they lie in the mapped file, float32 activations
// that products with quantised weights read as int8, the best instruction set of the machine, all
// cores. Bitwise the same on every instruction set, thread count, batch and chunking (kernels.h).
//
// Called by one thread at a time, as model/backend.h says. Memory: see CpuOptions; a decode step
// allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "cpu/isa.h"
#include "cpu/kv_type.h"
#include "model/backend.h"
#include "model/tensor_table.h"

namespace tessera::cpu {

// What activations are while they meet quantised weights. kInt8 rounds them in blocks of 32 to
// 1/254 of the block's largest; kFloat32 rounds nothing, takes two to three times as long, and is
// what kInt8 is measured against.
enum class Activations : std::uint8_t { kInt8, kFloat32 };

struct CpuOptions {
  int threads = 0;  // 0: all cores
  Isa isa = Isa::kAuto;
  Activations activations = Activations::kInt8;
  std::int32_t max_context = 0;    // tokens of one sequence; 0: what the checkpoint was made for
  std::int32_t max_sequences = 4;  // 0, with memory_bytes: as many as the memory has room for
  std::int32_t max_batch_tokens = 512;
  KvType kv_type = KvType::kInt8;
  // For all that the backend uses, the mapped weights in full (memory_plan.h); 0: weights, scratch
  // and max_sequences of max_context, whatever that is. Address space is taken at once, memory as
  // it is written.
  std::size_t memory_bytes = 0;
};

// kUnsupported, naming the number, where the kernels lack a shape or type that the checkpoint has;
// kResourceExhausted, with all numbers, where model and context do not fit the memory.
Result<std::unique_ptr<model::Backend>> make_backend(model::TensorTable table,
                                                     const CpuOptions& options);

}  // namespace tessera::cpu
