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
  bool int8 = false;     // activations are rounded where they meet quantised weights
  bool int8_kv = false;  // attention rounds, whatever the weights are
};

// The CPU backend; parts of it that are not named are as users get them.
inline BackendKind cpu_kind(const std::string& name, cpu::Isa isa, cpu::KvType kv_type,
                            cpu::Activations activations) {
  return {name,
          [isa, kv_type, activations](const model::TensorTable& table) {
            cpu::CpuOptions options;
            options.isa = isa;
            options.threads = 3;
            options.kv_type = kv_type;
            options.activations = activations;
            return cpu::make_backend(table, options);
          },
          activations == cpu::Activations::kInt8, kv_type == cpu::KvType::kInt8};
}

// The reference, and the CPU backend with each instruction set that this machine has, with int8 and
// with float activations; all keep keys and values in float32, and so are close to one another.
inline std::vector<BackendKind> backend_kinds() {
  std::vector<BackendKind> kinds = {
      {"reference",
       [](const model::TensorTable& table) -> Result<std::unique_ptr<model::Backend>> {
         return model::make_reference_backend(table);
       }},
  };
  for (const cpu::Isa isa : cpu::supported_isas()) {
    const std::string name = "cpu_" + std::string(cpu::isa_name(isa));
    const auto kv = cpu::KvType::kF32;
    kinds.push_back(cpu_kind(name, isa, kv, cpu::Activations::kInt8));
    kinds.push_back(cpu_kind(name + "_float32", isa, kv, cpu::Activations::kFloat32));
  }
  return kinds;
}

// The CPU backend with each smaller type of keys and values.
inline std::vector<BackendKind> kv_kinds() {
  std::vector<BackendKind> kinds;
  for (const cpu::KvType type : {cpu::KvType::kF16, cpu::KvType::kBF16, cpu::KvType::kInt8}) {
    kinds.push_back(cpu_kind("kv_" + std::string(cpu::kv_type_name(type)), cpu::Isa::kAuto, type,
                             cpu::Activations::kFloat32));
  }
  return kinds;
}

inline BackendKind as_served() {
  const cpu::CpuOptions options;
  return cpu_kind("cpu_as_served", options.isa, options.kv_type, options.activations);
}

inline std::vector<BackendKind> all_kinds() {
  std::vector<BackendKind> kinds = backend_kinds();
  for (BackendKind& kind : kv_kinds()) kinds.push_back(std::move(kind));
  kinds.push_back(as_served());
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
