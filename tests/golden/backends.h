// The backends under test, and the ways to run one.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "cpu/cpu_backend.h"
#include "model/backend.h"
#include "model/reference_backend.h"
#include "model/tensor_table.h"

namespace tessera::test_models {

struct BackendKind {
  std::string name;
  // kUnsupported where this backend cannot run a model of that shape.
  std::function<Result<std::unique_ptr<model::Backend>>(const model::TensorTable&)> make;
  bool int8 = false;  // activations are rounded where they meet quantised weights
};

inline std::string name_of(cpu::Isa isa, cpu::Activations activations) {
  return "cpu_" + std::string(cpu::isa_name(isa)) +
         (activations == cpu::Activations::kInt8 ? "" : "_float32");
}

// The reference, and the CPU backend with each instruction set that this machine has, with int8 and
// with float activations.
inline std::vector<BackendKind> backend_kinds() {
  std::vector<BackendKind> kinds = {
      {"reference",
       [](const model::TensorTable& table) -> Result<std::unique_ptr<model::Backend>> {
         return model::make_reference_backend(table);
       }},
  };
  for (const cpu::Isa isa : cpu::supported_isas()) {
    for (const auto activations : {cpu::Activations::kInt8, cpu::Activations::kFloat32}) {
      kinds.push_back({name_of(isa, activations),
                       [isa, activations](const model::TensorTable& table) {
                         cpu::CpuOptions options;
                         options.isa = isa;
                         options.activations = activations;
                         options.threads = 3;
                         return cpu::make_backend(table, options);
                       },
                       activations == cpu::Activations::kInt8});
    }
  }
  return kinds;
}

// For GoogleTest's parameter names.
inline void PrintTo(const BackendKind& kind, std::ostream* out) {
  *out << kind.name;
}

// Appends `tokens` to a sequence in chunks and adds the logits after each to `logits`: [tokens,
// vocabulary].
inline void append_tokens(model::Backend& backend, SequenceId sequence, std::int32_t position,
                          std::span<const TokenId> tokens, std::size_t chunk,
                          std::vector<float>& logits) {
  for (std::size_t at = 0; at < tokens.size(); at += chunk) {
    const model::BatchItem item{sequence, position + static_cast<std::int32_t>(at),
                                tokens.subspan(at, std::min(chunk, tokens.size() - at)),
                                model::LogitsWanted::kAll};
    const auto view = backend.forward({{&item, 1}});
    CHECK(view.has_value());
    backend.synchronise();
    logits.insert(logits.end(), view->data, view->data + view->rows * view->vocabulary);
  }
}

// The logits after each token of a new sequence; chunk 0: all at once.
inline std::vector<float> logits_of(model::Backend& backend, std::span<const TokenId> tokens,
                                    std::size_t chunk = 0) {
  const auto sequence = backend.create_sequence(static_cast<std::int32_t>(tokens.size()));
  CHECK(sequence.has_value());
  std::vector<float> logits;
  append_tokens(backend, *sequence, 0, tokens, chunk == 0 ? tokens.size() : chunk, logits);
  backend.free_sequence(*sequence);
  return logits;
}

}  // namespace tessera::test_models
