// The Backend that is reference_forward.h and nothing else: slow, obvious, the oracle of the
// others. It keeps weights as they are in the file and dequantises a row when it is multiplied, so
// it needs no memory beyond the file's.
#pragma once

#include <cstdint>
#include <memory>

#include "model/backend.h"
#include "model/tensor_table.h"

namespace tessera::model {

struct ReferenceOptions {
  std::int32_t max_context = 0;  // 0: what the checkpoint was made for
  std::int32_t max_sequences = 64;
  std::int32_t max_batch_tokens = 512;
};

std::unique_ptr<Backend> make_reference_backend(TensorTable table,
                                                const ReferenceOptions& options = {});

}  // namespace tessera::model
