// A model file, opened and understood: tensors, tokenizer, and what the API says of it.
#pragma once

#include <memory>
#include <string>

#include "app/commands.h"
#include "base/result.h"
#include "chat/service.h"
#include "cpu/isa.h"
#include "cpu/kv_type.h"
#include "model/backend.h"
#include "model/tensor_table.h"
#include "text/tokenizer.h"

namespace tessera::app {

struct Checkpoint {
  model::TensorTable tensors;  // keeps the file mapped
  bool embedded = false;       // the demo model
};

// Empty path: the embedded demo model.
Result<std::shared_ptr<const weights::GgufFile>> open_weights(
    const std::string& path, weights::UnknownTypes unknown_types = weights::UnknownTypes::kRefuse);
Result<Checkpoint> load_checkpoint(const std::string& path);
Result<std::shared_ptr<const text::Tokenizer>> load_tokenizer(const weights::GgufFile& file);

Result<cpu::Isa> find_isa(const std::string& name);
Result<cpu::KvType> find_kv_type(const ModelOptions& options);

// What one request may use: the option, or what the model was made for (at most 32,768). The fake
// backend takes any option.
Result<std::int32_t> choose_context(const ModelOptions& options, const model::ModelConfig& config);

// `max_sequences` 0: as many as options.memory has room for.
Result<std::unique_ptr<model::Backend>> make_backend(const ModelOptions& options,
                                                     const Checkpoint& checkpoint,
                                                     std::int32_t context,
                                                     std::int32_t max_sequences = 0);

// Name, fingerprint and sampling defaults; the file's own general.sampling.* where it has them.
chat::ModelInfo describe_model(const Checkpoint& checkpoint, std::int32_t context);

}  // namespace tessera::app
