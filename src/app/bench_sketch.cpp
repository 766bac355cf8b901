#include "app/bench_sketch.h"

#include <cmath>
#include <string_view>

namespace tessera::app {
namespace {

bool is_routed(const weights::TensorView& tensor) {
  return tensor.name.find("_exps.") != std::string_view::npos;
}

}  // namespace

double step_bytes(const model::TensorTable& table, const model::BackendLimits& limits,
                  const StepShape& shape) {
  const model::ModelConfig& c = table.config;
  const double share =
      1 - std::pow(1 - static_cast<double>(c.experts_used) / c.experts, shape.tokens);
  double bytes = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (&tensor == table.token_embedding && table.output != table.token_embedding) continue;
    bytes += static_cast<double>(tensor.bytes) * (is_routed(tensor) ? share : 1);
  }
  const double state = 2 * static_cast<double>(limits.state_bytes_per_sequence);
  const double kv =
      static_cast<double>(shape.depth) * static_cast<double>(limits.kv_bytes_per_token);
  return bytes + shape.sequences * (state + kv);
}

double token_operations(const model::TensorTable& table) {
  const model::ModelConfig& c = table.config;
  const double share = static_cast<double>(c.experts_used) / c.experts;
  double weights = 0;
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (&tensor == table.token_embedding || &tensor == table.output) continue;
    weights += static_cast<double>(tensor.elements()) * (is_routed(tensor) ? share : 1);
  }
  return 2 * weights;
}

}  // namespace tessera::app
