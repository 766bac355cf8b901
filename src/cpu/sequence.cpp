#include "cpu/sequence.h"

#include "base/check.h"

namespace tessera::cpu {

StateLayout::StateLayout(const model::ModelConfig& config)
    : kv_heads(static_cast<std::size_t>(config.kv_heads)),
      head_dim(static_cast<std::size_t>(config.head_dim)),
      window_floats(static_cast<std::size_t>(config.conv_kernel - 1) *
                    static_cast<std::size_t>(config.conv_channels())),
      head_floats(static_cast<std::size_t>(config.gdn_head_dim) *
                  static_cast<std::size_t>(config.gdn_head_dim)),
      v_heads(static_cast<std::size_t>(config.gdn_v_heads)) {
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    ++(config.kind(layer) == model::LayerKind::kAttention ? attention_layers : gdn_layers);
  }
}

Result<BlockPool> BlockPool::create(std::size_t blocks, std::size_t block_floats) {
  BlockPool pool;
  TRY_ASSIGN(pool.memory_,
             Buffer::allocate(blocks * block_floats * sizeof(float), "keys and values"));
  pool.capacity_ = blocks;
  pool.block_floats_ = block_floats;
  pool.free_.resize(blocks);
  for (std::size_t i = 0; i < blocks; ++i) {
    pool.free_[i] = static_cast<std::uint32_t>(blocks - 1 - i);  // the first block is taken first
  }
  return pool;
}

bool BlockPool::reserve(std::size_t blocks) {
  if (blocks > unreserved()) return false;
  reserved_ += blocks;
  return true;
}

void BlockPool::unreserve(std::size_t blocks) {
  CHECK(blocks <= reserved_);
  reserved_ -= blocks;
}

float* BlockPool::take() {
  CHECK(!free_.empty());  // reservations add up to the capacity at most
  const std::size_t index = free_.back();
  free_.pop_back();
  return memory_.floats() + index * block_floats_;
}

void BlockPool::give_back(float* block) {
  const std::size_t offset = static_cast<std::size_t>(block - memory_.floats());
  CHECK(offset % block_floats_ == 0 && free_.size() < capacity_);
  memory_.discard(offset * sizeof(float), block_floats_ * sizeof(float));
  free_.push_back(static_cast<std::uint32_t>(offset / block_floats_));
}

}  // namespace tessera::cpu
