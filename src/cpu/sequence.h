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

namespace tessera::cpu {

// Where things lie in a KV block and in a recurrent state, in floats.
struct StateLayout {
  explicit StateLayout(const model::ModelConfig& config);

  std::size_t attention_layers = 0;
  std::size_t gdn_layers = 0;
  std::size_t kv_heads = 0;
  std::size_t head_dim = 0;
  std::size_t window_floats = 0;  // of one layer: [conv_kernel - 1, conv_channels]
  std::size_t head_floats = 0;    // of one v head: [gdn_head_dim k, gdn_head_dim v]
  std::size_t v_heads = 0;

  // A block: [attention layers, kv_heads, K | V, kKeysPerBlock, head_dim].
  std::size_t keys_at(std::size_t layer, std::size_t kv_head) const {
    return (layer * kv_heads + kv_head) * 2 * kKeysPerBlock * head_dim;
  }
  std::size_t values_at(std::size_t layer, std::size_t kv_head) const {
    return keys_at(layer, kv_head) + kKeysPerBlock * head_dim;
  }
  std::size_t block_floats() const { return keys_at(attention_layers, 0); }
  // None for a model without attention.
  std::size_t blocks_for(std::size_t tokens) const {
    return attention_layers == 0 ? 0 : (tokens + kKeysPerBlock - 1) / kKeysPerBlock;
  }

  // A recurrent state: [gdn layers, window | v heads' states].
  std::size_t window_at(std::size_t layer) const {
    return layer * (window_floats + v_heads * head_floats);
  }
  std::size_t head_at(std::size_t layer, std::size_t v_head) const {
    return window_at(layer) + window_floats + v_head * head_floats;
  }
  std::size_t recurrent_floats() const { return window_at(gdn_layers); }
};

// Blocks of equal size in one reservation of address space. What a sequence may need is reserved
// when it is created; blocks are taken when it grows to them, and their memory goes back to the
// system when it is freed.
class BlockPool {
 public:
  static Result<BlockPool> create(std::size_t blocks, std::size_t block_floats);

  std::size_t capacity() const { return capacity_; }
  std::size_t unreserved() const { return capacity_ - reserved_; }
  std::size_t taken_bytes() const {
    return (capacity_ - free_.size()) * block_floats_ * sizeof(float);
  }

  bool reserve(std::size_t blocks);
  void unreserve(std::size_t blocks);
  float* take();  // within a reservation
  void give_back(float* block);

 private:
  Buffer memory_;
  std::size_t capacity_ = 0;
  std::size_t block_floats_ = 0;
  std::size_t reserved_ = 0;
  std::vector<std::uint32_t> free_;
};

struct Sequence {
  std::int32_t max_tokens = 0;
  std::int32_t seen = 0;
  bool failed = false;         // a forward() with it has failed: good for free_sequence alone
  std::vector<float*> blocks;  // room for all of max_tokens
  Buffer recurrent;
};

}  // namespace tessera::cpu
