// The seam between the engine and the hardware. CPU and GPU part company here and nowhere else.
//
// A backend owns weights, sequence states (KV and recurrent state) and scratch. It is called by one
// thread at a time (the engine's); what threads it uses inside is its own business.
//
// Keys and values lie in blocks of kv_block_tokens tokens, which sequences and checkpoints share by
// reference where their pasts are the same. When a sequence is made it is promised all that its
// max_tokens may need beyond what it shares, so that nothing runs out half-way; what is not there
// is refused then, with kResourceExhausted, and is there once enough else has been freed.
//
// The promise that all implementations give (or refuse in limits().batch_invariant): a sequence's
// logits are bit for bit the same whatever else is in the batch, however its prompt was cut into
// chunks, and whether it saw its tokens itself or took them over from another's.
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
  std::size_t state_bytes_per_sequence = 0;  // recurrent state, apart from KV; a checkpoint's, too
  std::int32_t kv_block_tokens = 0;          // whole blocks are shared, a part of one is copied
  std::int64_t kv_blocks = 0;                // there can be, beside one sequence's state
  std::size_t sequence_memory_bytes = 0;     // for all blocks and states together
  bool batch_invariant = false;
};

struct MemoryUse {
  std::size_t weight_bytes = 0;  // mapped or held
  std::size_t state_bytes = 0;   // taken for sequences and checkpoints now: blocks and states
  std::size_t scratch_bytes = 0;
  std::int64_t kv_blocks_free = 0;      // not taken
  std::int64_t kv_blocks_promised = 0;  // of the free ones: spoken for by running sequences
  std::int64_t kv_blocks_running = 0;   // of a sequence, whoever shares them
  std::int64_t kv_blocks_cached = 0;    // of checkpoints alone
  std::int32_t states_running = 0;      // sequences
  std::int32_t states_cached = 0;       // checkpoints
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
  // A second sequence with the same past and the same max_tokens.
  virtual Result<SequenceId> copy_sequence(SequenceId source) = 0;
  // Room for `max_tokens` in all, where it has less. kResourceExhausted: no memory for it; the
  // sequence stays as it is.
  virtual Result<void> extend_sequence(SequenceId sequence, std::int32_t max_tokens) = 0;
  // Its memory back at once, but for the blocks that others share.
  virtual void free_sequence(SequenceId sequence) = 0;

  // The sequence's past as it is now, frozen: the recurrent state is copied, the blocks are shared.
  // Lives until free_checkpoint, whatever becomes of the sequence. kResourceExhausted: no memory
  // for it. A sequence whose forward() failed has no past worth saving: a CHECK.
  virtual Result<CheckpointId> save_checkpoint(SequenceId sequence) = 0;
  // A new sequence that has seen the checkpoint's tokens, with room for `max_tokens` in all (at
  // least those it has seen). Refused like create_sequence.
  virtual Result<SequenceId> create_sequence_from(CheckpointId checkpoint,
                                                  std::int32_t max_tokens) = 0;
  virtual void free_checkpoint(CheckpointId checkpoint) = 0;

  // Runs a batch: each item's tokens are appended to its sequence. Numbers that are not finite stay
  // in the rows of the sequence that they arose in, for the caller to notice: its neighbours in the
  // batch are untouched. Errors (kResourceExhausted; kIo: the weights are gone) leave the batch's
  // sequences unusable but for free_sequence. Misuse (unknown sequence, wrong position, token
  // outside the vocabulary, over the limits) is a CHECK.
  virtual Result<LogitsView> forward(const Batch& batch) = 0;

  // The books of blocks and states against what sequences and checkpoints hold; CHECKs. Between
  // steps; its time grows with all that is held.
  virtual void check_integrity() const = 0;

  // Waits until what was submitted is done; only then are a LogitsView's numbers there.
  virtual void synchronise() = 0;
};

}  // namespace tessera::model
