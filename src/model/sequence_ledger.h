// The books of a backend's sequence memory: which sequence or checkpoint holds which KV block, what
// is promised, what is left. Counts alone; the blocks' contents are the backend's.
//
// Blocks and recurrent states come out of one budget of bytes. A block has one writer at most: the
// sequence that filled it so far. Others share full blocks; of a partly filled one they get a block
// of their own, into which the backend copies. A checkpoint may share the partly filled last block
// of a sequence that goes on writing behind the checkpoint's end: those positions do not concern
// it.
//
// Owned by a backend; the engine's thread. What needs memory of its own for the books asks for it
// first (std::bad_alloc: nothing has changed), close() needs none. take() allocates nothing but
// when the number of blocks grows past any before by far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tessera::model {

using BlockId = std::uint32_t;

// What one sequence or checkpoint holds. Made, changed and ended by the ledger; moved, never
// copied.
struct Holding {
  Holding() = default;
  Holding(Holding&&) = default;
  Holding& operator=(Holding&&) = default;

  std::vector<BlockId> blocks;  // in the order of the tokens; room for all that are promised
  std::int64_t promised = 0;    // blocks that it may still take
  bool is_checkpoint = false;
};

class SequenceLedger {
 public:
  struct Sizes {
    std::size_t budget_bytes = 0;
    std::int32_t block_tokens = 1;
    std::size_t block_bytes = 0;  // 0: a model without attention, which has no blocks
    std::size_t state_bytes = 0;  // of a sequence or a checkpoint
  };
  struct Counts {
    std::int64_t free = 0, promised = 0, running = 0, cached = 0;  // blocks, as in MemoryUse
    std::int32_t sequences = 0, checkpoints = 0;
    std::size_t taken_bytes = 0;  // blocks and states
  };

  explicit SequenceLedger(const Sizes& sizes);

  const Sizes& sizes() const { return sizes_; }
  std::int64_t blocks_for(std::int64_t tokens) const {
    return sizes_.block_bytes == 0 ? 0 : (tokens + sizes_.block_tokens - 1) / sizes_.block_tokens;
  }
  // Blocks that there can be beside `states` states.
  std::int64_t capacity(std::size_t states) const;
  Counts counts() const;

  // A new sequence's; kResourceExhausted, with the numbers, when a state and the blocks of
  // `max_tokens` are not there.
  Result<Holding> open(std::int32_t max_tokens);
  // A checkpoint's, of a sequence that has seen `seen` tokens: shares all its blocks.
  Result<Holding> freeze(const Holding& sequence, std::int32_t seen);
  // A new sequence's that goes on behind `seen` tokens of `past`. Where those end within a block,
  // the result's last block is its own, for the backend to copy past.blocks[same index] into.
  Result<Holding> resume(const Holding& past, std::int32_t seen, std::int32_t max_tokens);
  // Promises a sequence what it needs for `max_tokens` in all, where that is more than it has.
  Result<void> extend(Holding& sequence, std::int32_t max_tokens);
  // Takes promised blocks until the sequence has room for `tokens`.
  void grow(Holding& sequence, std::int32_t tokens);
  // The end of a holding. The blocks that nobody holds any more are in freed() until the next call.
  void close(Holding holding);
  std::span<const BlockId> freed() const { return freed_; }
  // Puts `value`, with its `holding`, into a backend's map. std::bad_alloc: the holding is closed.
  template <class Map, class Id, class Value>
  void keep_in(Map& map, Id id, Value value) {
    Holding holding = std::move(value.holding);
    try {
      map.emplace(id, std::move(value)).first->second.holding = std::move(holding);
    } catch (...) {
      close(std::move(holding));
      throw;
    }
  }

  // `holdings`: all that there are. CHECKs.
  void check_integrity(std::span<const Holding* const> holdings) const;

 private:
  struct References {
    std::uint32_t sequences = 0, checkpoints = 0;
  };

  std::size_t used_bytes() const;
  Result<void> check_room(std::int64_t blocks, std::int32_t states, const char* what) const;
  void make_ready(std::vector<BlockId>& blocks, std::int64_t count);
  BlockId take();
  void share(Holding& holding, BlockId block);

  Sizes sizes_;
  std::vector<References> references_;  // by block; those behind its end were never taken
  std::vector<BlockId> free_;           // of references_
  std::vector<BlockId> freed_;
  std::int64_t promised_ = 0, running_ = 0, cached_ = 0;
  std::int32_t sequences_ = 0, checkpoints_ = 0;
};

}  // namespace tessera::model
