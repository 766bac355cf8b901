#include "cpu/sequence.h"

#include <cstring>

namespace tessera::cpu {

StateLayout::StateLayout(const model::ModelConfig& config, KvType type)
    : kv_type(type),
      kv_heads(static_cast<std::size_t>(config.kv_heads)),
      area_bytes(kv_area_bytes(type, static_cast<std::size_t>(config.head_dim))),
      window_floats(static_cast<std::size_t>(config.conv_kernel - 1) *
                    static_cast<std::size_t>(config.conv_channels())),
      head_floats(static_cast<std::size_t>(config.gdn_head_dim) *
                  static_cast<std::size_t>(config.gdn_head_dim)),
      v_heads(static_cast<std::size_t>(config.gdn_v_heads)) {
  for (std::int32_t layer = 0; layer < config.layers; ++layer) {
    ++(config.kind(layer) == model::LayerKind::kAttention ? attention_layers : gdn_layers);
  }
}

Result<BlockMemory> BlockMemory::create(std::size_t blocks, std::size_t block_bytes) {
  BlockMemory memory;
  TRY_ASSIGN(memory.memory_, Buffer::allocate(blocks * block_bytes, "keys and values"));
  memory.block_bytes_ = block_bytes;
  return memory;
}

void BlockMemory::discard(model::BlockId block) {
#ifdef TESSERA_DCHECK
  std::memset((*this)[block], 0xFF, block_bytes_);
#else
  memory_.discard(block * block_bytes_, block_bytes_);
#endif
}

}  // namespace tessera::cpu
