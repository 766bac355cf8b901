// What a step costs at least, by arithmetic: the bytes that it has to move and the operations in
// matrices, from the file's tensors. For the bounds that `tessera bench` prints.
#pragma once

#include "model/backend.h"
#include "model/tensor_table.h"

namespace tessera::app {

struct StepShape {
  int sequences = 1;
  int tokens = 1;  // of all of them together
  int depth = 0;   // tokens behind each
};

// Weights, the recurrent states twice, keys and values. With routing at random, the number of
// different experts is experts (1 - (1 - used / experts)^tokens); text of one kind has fewer.
double step_bytes(const model::TensorTable& table, const model::BackendLimits& limits,
                  const StepShape& shape);

// Multiplications and additions that a prompt token costs in matrices, without the head.
double token_operations(const model::TensorTable& table);

}  // namespace tessera::app
