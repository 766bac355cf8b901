// The next turn of a long conversation, by the engine and its prefix cache: how much sooner it
// answers than the whole conversation read cold.
#pragma once

#include <memory>

#include "app/commands.h"
#include "app/read_bandwidth.h"
#include "base/json.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/tensor_table.h"

namespace tessera::app {

// That the backend needs for it: a running one, and checkpoints.
constexpr int kTurnSequences = 6;
std::int32_t turn_context(int conversation);

// Reads `options.turn` random tokens to the first token of an answer, once, and then
// `options.repeats` times the same with 16 other tokens behind it. kInternal when the cache did not
// have all of the conversation.
Result<void> bench_turn(const BenchOptions& options, const model::TensorTable& table,
                        std::unique_ptr<model::Backend> backend, ReadBandwidth& probe,
                        const json::Object& common);

}  // namespace tessera::app
