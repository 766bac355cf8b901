// Decides what one step computes: the decode tokens of all running choices and, of each prompt that
// is not done, one chunk, within the backend's tokens of a step. No policy beyond that: prompts in
// order of arrival, choices in turn.
//
// When both compete, decodes take at most three quarters of a step, so that a prompt always
// advances; and when not all choices fit, the next step begins with those left out. The engine
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/live_request.h"
#include "model/batch.h"

namespace tessera::engine {

// What one batch item is for.
struct StepPart {
  LiveRequest* request = nullptr;
  Choice* choice = nullptr;   // decode; null: a chunk of the prompt
  std::int32_t tokens = 0;    // of the chunk, or of those that the choice has unread
  bool wants_logits = false;  // all of them are in then
};

struct StepPlan {
  std::vector<StepPart> parts;
  std::vector<model::BatchItem> items;  // items[i] computes parts[i]
};

class Scheduler {
 public:
  // `prefill_chunk` and `max_batch_tokens` are at least 1.
  Scheduler(std::int32_t prefill_chunk, std::int32_t max_batch_tokens);

  // Fills `plan`, whose spans point into the requests. Requests without room take no part.
  void plan(std::span<const std::unique_ptr<LiveRequest>> running, StepPlan& plan);

 private:
  std::int32_t plan_decodes(std::span<const std::unique_ptr<LiveRequest>> running,
                            std::int32_t budget, StepPlan& plan);
  void plan_prefills(std::span<const std::unique_ptr<LiveRequest>> running, std::int32_t budget,
                     StepPlan& plan) const;

  const std::int32_t prefill_chunk_;
  const std::int32_t max_batch_tokens_;
  std::size_t first_decode_ = 0;     // where the turn begins among the choices that can decode
  std::vector<StepPart> decodable_;  // scratch
};

}  // namespace tessera::engine
