// The Backend that runs on the CPU: weights as they lie in the mapped file, float32 activations,
// the best instruction set of the machine, all cores. Bitwise the same on every instruction set,
// thread count, batch and chunking (kernels.h).
//
// Called by one thread at a time, as model/backend.h says. Memory: see CpuOptions; a decode step
// allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "cpu/isa.h"
#include "model/backend.h"
#include "model/tensor_table.h"

namespace tessera::cpu {

struct CpuOptions {
  int threads = 0;  // 0: all cores
  Isa isa = Isa::kAuto;
  std::int32_t max_context = 0;    // tokens of one sequence; 0: what the checkpoint was made for
  std::int32_t max_sequences = 4;  // 0, with memory_bytes: as many as the memory has room for
  std::int32_t max_batch_tokens = 512;
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
