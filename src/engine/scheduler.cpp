#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

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
  std::size_t wanted = 0;
  for (const auto& request : running) {
    if (!request->has_room || request->in_prefill()) continue;
    for (Choice& choice : request->choices) {
      if (choice.ended) continue;
      decodable_.push_back(
          {request.get(), &choice, static_cast<std::int32_t>(choice.unread.size())});
      wanted += choice.unread.size();
    }
  }
  const std::size_t first =
      std::cmp_greater(wanted, budget) ? first_decode_ % decodable_.size() : 0;
  first_decode_ = first;
  std::int32_t left = budget;
  for (std::size_t i = 0; i < decodable_.size() && left > 0; ++i) {
    StepPart part = decodable_[(first + i) % decodable_.size()];
    const Choice& choice = *part.choice;
    part.wants_logits = part.tokens <= left;
    part.tokens = std::min(part.tokens, left);
    left -= part.tokens;
    if (part.wants_logits) ++first_decode_;
    const auto unread = static_cast<std::int32_t>(choice.unread.size());
    plan.parts.push_back(part);
    plan.items.push_back(
        {choice.sequence.id(), part.request->prompt_tokens() + choice.generated - unread,
         std::span(choice.unread).first(static_cast<std::size_t>(part.tokens)),
         part.wants_logits ? model::LogitsWanted::kLast : model::LogitsWanted::kNone});
  }
  return budget - left;
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
