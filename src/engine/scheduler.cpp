#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace tessera::engine {

Scheduler::Scheduler(std::int32_t prefill_chunk, std::int32_t max_batch_tokens)
    : prefill_chunk_(prefill_chunk), max_batch_tokens_(max_batch_tokens) {
  CHECK(prefill_chunk >= 1 && max_batch_tokens >= 1);
}

void Scheduler::plan(std::span<const std::unique_ptr<LiveRequest>> running, StepPlan& plan) {
  plan.parts.clear();
  plan.items.clear();
  const bool any_prefill = std::any_of(running.begin(), running.end(), [](const auto& request) {
    return request->has_room && request->in_prefill();
  });
  const std::int32_t kept_for_prefill = any_prefill ? std::max(1, max_batch_tokens_ / 4) : 0;
  const std::int32_t decodes = plan_decodes(running, max_batch_tokens_ - kept_for_prefill, plan);
  plan_prefills(running, max_batch_tokens_ - decodes, plan);
}

std::int32_t Scheduler::plan_decodes(std::span<const std::unique_ptr<LiveRequest>> running,
                                     std::int32_t budget, StepPlan& plan) {
  decodable_.clear();
  for (const auto& request : running) {
    if (!request->has_room || request->in_prefill()) continue;
    for (Choice& choice : request->choices)
      if (!choice.ended) decodable_.push_back({request.get(), &choice, 0, true});
  }
  const std::size_t taken = std::min(decodable_.size(), static_cast<std::size_t>(budget));
  const std::size_t first = decodable_.size() > taken ? first_decode_ % decodable_.size() : 0;
  for (std::size_t i = 0; i < taken; ++i) {
    const StepPart& part = decodable_[(first + i) % decodable_.size()];
    const Choice& choice = *part.choice;
    plan.parts.push_back(part);
    // The sequence holds the prompt and all tokens before last_token.
    plan.items.push_back({choice.sequence.id(),
                          part.request->prompt_tokens() + choice.generated - 1,
                          {&choice.last_token, 1},
                          model::LogitsWanted::kLast});
  }
  first_decode_ = first + taken;
  return static_cast<std::int32_t>(taken);
}

void Scheduler::plan_prefills(std::span<const std::unique_ptr<LiveRequest>> running,
                              std::int32_t budget, StepPlan& plan) const {
  for (const auto& request : running) {
    if (budget == 0) return;
    if (!request->has_room || !request->in_prefill()) continue;
    const std::int32_t rest = request->prompt_tokens() - request->prefilled;
    const std::int32_t chunk = std::min({rest, prefill_chunk_, budget});
    const bool last = chunk == rest;
    plan.parts.push_back({request.get(), nullptr, chunk, last});
    plan.items.push_back({request->choices.front().sequence.id(), request->prefilled,
                          std::span(request->request.prompt)
                              .subspan(static_cast<std::size_t>(request->prefilled),
                                       static_cast<std::size_t>(chunk)),
                          last ? model::LogitsWanted::kLast : model::LogitsWanted::kNone});
    budget -= chunk;
  }
}

}  // namespace tessera::engine
