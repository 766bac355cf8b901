// How the CPU backend's memory is shared out, in numbers, before any of it is taken.
//
// The weights count in full: they are the mapped file, and every page of it that does not stay in
// memory is read from the disk again when its turn comes. Private memory is what is left: scratch,
// and the budget of sequences and checkpoints (model/sequence_ledger.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "cpu/cpu_backend.h"
#include "cpu/sequence.h"

namespace tessera::cpu {

struct MemoryPlan {
  std::size_t weight_bytes = 0;
  std::size_t scratch_bytes = 0;   // with the logits of max_sequences
  std::size_t sequence_bytes = 0;  // the budget
  std::int32_t max_sequences = 0;
};

// `options` are complete but for max_sequences, which may be 0: as many as the memory has room for.
// kResourceExhausted, with what is needed and what there is, when the weights, scratch and one
// sequence of max_context do not fit options.memory_bytes.
Result<MemoryPlan> plan_memory(const model::TensorTable& table, const CpuOptions& options,
                               const StateLayout& layout);

// The longest row of a matrix, in elements.
std::size_t longest_row(const model::TensorTable& table);

}  // namespace tessera::cpu
