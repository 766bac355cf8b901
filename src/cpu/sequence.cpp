#include "cpu/sequence.h"

#include <algorithm>
#include <limits>

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

Result<BlockMemory> BlockMemory::create(std::size_t blocks, std::size_t block_floats) {
  BlockMemory memory;
  TRY_ASSIGN(memory.memory_,
             Buffer::allocate(blocks * block_floats * sizeof(float), "keys and values"));
  memory.block_floats_ = block_floats;
  return memory;
}

void BlockMemory::discard(model::BlockId block) {
#ifdef TESSERA_DCHECK
  std::fill_n((*this)[block], block_floats_, std::numeric_limits<float>::quiet_NaN());
#else
  memory_.discard(block * block_floats_ * sizeof(float), block_floats_ * sizeof(float));
#endif
}

}  // namespace tessera::cpu
