// What the CPU backend remembers of a sequence: keys and values in blocks from a common pool, and a
// recurrent state of fixed size. Owned by the backend; the engine's thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "cpu/buffer.h"
#include "cpu/kernels.h"
#include "model/config.h"
#include "model/sequence_ledger.h"

namespace tessera::cpu {

// Where things lie in a KV block, in bytes, and in a recurrent state, in floats.
struct StateLayout {
  StateLayout(const model::ModelConfig& config, KvType type);

  KvType kv_type;

  std::size_t attention_layers = 0;
  std::size_t gdn_layers = 0;
  std::size_t kv_heads = 0;
  std::size_t area_bytes = 0;     // of one head's keys, or values, in a block
  std::size_t window_floats = 0;  // of one layer: [conv_kernel - 1, conv_channels]
  std::size_t head_floats = 0;    // of one v head: [gdn_head_dim k, gdn_head_dim v]
  std::size_t v_heads = 0;

  // A block: [attention layers, kv_heads, K | V, area_bytes].
  std::size_t keys_at(std::size_t layer, std::size_t kv_head) const {
    return (layer * kv_heads + kv_head) * 2 * area_bytes;
  }
  std::size_t values_at(std::size_t layer, std::size_t kv_head) const {
    return keys_at(layer, kv_head) + area_bytes;
  }
  std::size_t block_bytes() const { return keys_at(attention_layers, 0); }

  // A recurrent state: [gdn layers, window | v heads' states].
  std::size_t window_at(std::size_t layer) const {
    return layer * (window_floats + v_heads * head_floats);
  }
  std::size_t head_at(std::size_t layer, std::size_t v_head) const {
    return window_at(layer) + window_floats + v_head * head_floats;
  }
  std::size_t recurrent_floats() const { return window_at(gdn_layers); }
};

// The blocks' memory, in one reservation of address space: committed as blocks are first written,
// given back to the system when they are freed. Which block is whose: model::SequenceLedger.
class BlockMemory {
 public:
  static Result<BlockMemory> create(std::size_t blocks, std::size_t block_bytes);

  std::byte* operator[](model::BlockId block) const {
    return memory_.data() + block * block_bytes_;
  }
  // In test builds its bits are all set instead, which is NaN in every type but Q8_0's quants, so
  // that whoever still reads them is found out.
  void discard(model::BlockId block);

 private:
  Buffer memory_;
  std::size_t block_bytes_ = 0;
};

// What a sequence has seen, or a checkpoint.
struct Past {
  std::int32_t seen = 0;
  model::Holding holding;
  Buffer recurrent;
};

struct Sequence : Past {
  std::int32_t max_tokens = 0;
  bool failed = false;  // a forward() with it has failed: good for free_sequence alone
};

}  // namespace tessera::cpu
