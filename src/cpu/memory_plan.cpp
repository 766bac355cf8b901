#include "cpu/memory_plan.h"

#include <algorithm>

#include "base/bytes.h"
#include "cpu/compute.h"
#include "cpu/forward.h"
#include "fmt/format.h"

namespace tessera::cpu {
namespace {

// Where only the memory says how many: as many as a request may have choices.
constexpr std::int32_t kMostSequences = 128;

std::size_t size(std::int32_t n) {
  return static_cast<std::size_t>(n);
}

}  // namespace

std::size_t longest_row(const model::TensorTable& table) {
  std::size_t columns = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (tensor.dims.size() > 1) {
      columns = std::max(columns, static_cast<std::size_t>(tensor.dims[0]));
    }
  }
  return columns;
}

Result<MemoryPlan> plan_memory(const model::TensorTable& table, const CpuOptions& options,
                               const StateLayout& layout) {
  const model::ModelConfig& c = table.config;
  MemoryPlan plan;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    plan.weight_bytes += tensor.bytes;
  }
  plan.scratch_bytes =
      Scratch::bytes_for(c, size(options.max_batch_tokens), size(options.max_context),
                         options.threads, options.activations == Activations::kInt8) +
      Compute::scratch_bytes_for(options.threads, longest_row(table)) +
      layout.gdn_layers * size(c.conv_kernel) * size(c.conv_channels()) * sizeof(float);
  const std::size_t row_bytes = size(c.vocabulary) * sizeof(float);  // logits of one sequence
  const std::size_t state_bytes = layout.recurrent_floats() * sizeof(float);
  const std::size_t block_bytes = layout.block_bytes();
  const std::size_t blocks = (size(options.max_context) + kKeysPerBlock - 1) / kKeysPerBlock;
  const std::size_t whole = blocks * block_bytes + state_bytes;  // one sequence of max_context
  if (options.memory_bytes == 0) {
    plan.max_sequences = options.max_sequences;
    plan.sequence_bytes = size(plan.max_sequences) * whole;
    plan.scratch_bytes += size(plan.max_sequences) * row_bytes;
    return plan;
  }
  const std::size_t fixed = plan.weight_bytes + plan.scratch_bytes;
  const std::size_t needed = fixed + row_bytes + whole;
  if (needed > options.memory_bytes) {
    return fail(
        ErrorCode::kResourceExhausted,
        fmt::format("the model and one sequence of {} tokens need {} of memory: weights {}, "
                    "scratch {}, keys and values {}, recurrent state {}; there are {} for it",
                    options.max_context, human_bytes(needed), human_bytes(plan.weight_bytes),
                    human_bytes(plan.scratch_bytes + row_bytes), human_bytes(blocks * block_bytes),
                    human_bytes(state_bytes), human_bytes(options.memory_bytes)));
  }
  const std::size_t least = state_bytes + block_bytes + row_bytes;  // one sequence of a few tokens
  const std::size_t most = (options.memory_bytes - fixed - whole) / least + 1;
  const std::int32_t asked = options.max_sequences > 0 ? options.max_sequences : kMostSequences;
  plan.max_sequences = static_cast<std::int32_t>(std::min(most, size(asked)));
  const std::size_t rows = size(plan.max_sequences) * row_bytes;
  plan.scratch_bytes += rows;
  plan.sequence_bytes = options.memory_bytes - fixed - rows;
  return plan;
}

}  // namespace tessera::cpu
