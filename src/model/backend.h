// The seam between the engine and the hardware. CPU and GPU part company here and nowhere else.
//
// A backend owns weights, sequence states (KV and recurrent state) and scratch. It is called by one
// thread at a time (the engine's); what threads it uses inside is its own business.
//
// The promise that all implementations give (or refuse in limits().batch_invariant): a sequence's
// logits are bit for bit the same whatever else is in the batch and however its prompt was cut into
// chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "model/batch.h"
#include "model/config.h"

namespace tessera::model {

struct BackendLimits {
  std::int32_t vocabulary = 0;
  std::int32_t max_context = 0;       // tokens of one sequence
  std::int32_t max_sequences = 0;     // alive at once
  std::int32_t max_batch_tokens = 0;  // tokens of one forward()
  std::size_t kv_bytes_per_token = 0;
  std::size_t state_bytes_per_sequence = 0;  // recurrent state, apart from KV
  bool batch_invariant = false;
};

struct MemoryUse {
  std::size_t weight_bytes = 0;  // mapped or held
  std::size_t state_bytes = 0;   // allocated for sequences now
  std::size_t scratch_bytes = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;  // "cpu/avx512", "reference", "fake"
  virtual const ModelConfig& config() const = 0;
  virtual BackendLimits limits() const = 0;
  virtual MemoryUse memory() const = 0;

  // A new, empty sequence with room for `max_tokens`. kResourceExhausted when there is no memory or
  // no slot for it.
  virtual Result<SequenceId> create_sequence(std::int32_t max_tokens) = 0;
  // A second sequence with the same past.
  virtual Result<SequenceId> copy_sequence(SequenceId source) = 0;
  // All its memory back, at once.
  virtual void free_sequence(SequenceId sequence) = 0;

  // Runs a batch: each item's tokens are appended to its sequence. Numbers that are not finite stay
  // in the rows of the sequence that they arose in, for the caller to notice: its neighbours in the
  // batch are untouched. Errors (kResourceExhausted; kIo: the weights are gone) leave the batch's
  // sequences unusable but for free_sequence. Misuse (unknown sequence, wrong position, token
  // outside the vocabulary, over the limits) is a CHECK.
  virtual Result<LogitsView> forward(const Batch& batch) = 0;

  // Waits until what was submitted is done; only then are a LogitsView's numbers there.
  virtual void synchronise() = 0;
};

}  // namespace tessera::model
