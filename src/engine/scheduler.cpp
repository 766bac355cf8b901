#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace tessera::engine {
namespace {

// Of the step's tokens for prompts, for the one that was passed over longest: one of so many.
constexpr std::int32_t kPassedOverShare = 4;
constexpr std::int32_t kShortSteps = 4;

std::int32_t left_of(const LiveRequest& request) {
  return request.prompt_tokens() - request.prefilled;
}

void add_chunk(LiveRequest& request, std::int32_t chunk, StepPlan& plan) {
  const bool last = chunk == left_of(request);
  plan.parts.push_back({&request, nullptr, chunk, last});
  plan.items.push_back(
      {request.choices.front().sequence.id(), request.prefilled,
       std::span(request.request.prompt)
           .subspan(static_cast<std::size_t>(request.prefilled), static_cast<std::size_t>(chunk)),
       last ? model::LogitsWanted::kLast : model::LogitsWanted::kNone});
  plan.prompt_tokens += chunk;
  request.passed_over = 0;
}

}  // namespace

void Scheduler::plan(std::span<const std::unique_ptr<LiveRequest>> running,
                     const StepLimits& limits, StepPlan& plan) {
  DCHECK(limits.batch >= 1 && limits.prompts >= 1 && limits.beside_decodes >= 0);
  plan.parts.clear();
  plan.items.clear();
  plan.decodes = 0;
  plan.prompt_tokens = 0;
  prompts_.clear();
  for (const auto& request : running)
    if (request->has_room && request->in_prefill()) prompts_.push_back({request.get(), 0});
  const std::int32_t kept_for_prompts = prompts_.empty() ? 0 : std::max(1, limits.batch / 4);
  plan_decodes(running, limits.batch - kept_for_prompts, plan);
  if (prompts_.empty()) return;
  std::sort(prompts_.begin(), prompts_.end(), [](const Prompt& one, const Prompt& other) {
    const LiveRequest& a = *one.request;
    const LiveRequest& b = *other.request;
    return std::tuple(a.rank, left_of(a), a.id) < std::tuple(b.rank, left_of(b), b.id);
  });
  plan_prompts(std::min(limits.batch - plan.decodes, tokens_for_prompts(limits, plan)), plan);
}

std::int32_t Scheduler::tokens_for_prompts(const StepLimits& limits, const StepPlan& plan) const {
  if (plan.decodes == 0) return limits.prompts;
  const LiveRequest& first = *prompts_.front().request;
  const bool is_newcomer =
      std::none_of(plan.parts.begin(), plan.parts.end(),
                   [&](const StepPart& part) { return part.request->book == first.book; });
  if (!is_newcomer || left_of(first) > kShortSteps * limits.prompts) return limits.beside_decodes;
  // The others' gaps between tokens are the shorter evil, but not for the sake of other prompts.
  const std::int32_t with_share = left_of(first) + left_of(first) / (kPassedOverShare - 1) + 1;
  return std::clamp(with_share, limits.beside_decodes,
                    std::max(limits.prompts, limits.beside_decodes));
}

void Scheduler::plan_decodes(std::span<const std::unique_ptr<LiveRequest>> running,
                             std::int32_t budget, StepPlan& plan) {
  decodable_.clear();
  std::size_t wanted = 0;
  for (const auto& request : running) {
    if (!request->has_room || request->in_prefill()) continue;
    for (Choice& choice : request->choices) {
      if (choice.ended || choice.waits) continue;
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
  plan.decodes = budget - left;
}

void Scheduler::plan_prompts(std::int32_t budget, StepPlan& plan) {
  if (budget == 0) return;
  for (const Prompt& prompt : prompts_) ++prompt.request->passed_over;
  share_out(budget);
  std::sort(prompts_.begin(), prompts_.end(), [](const Prompt& a, const Prompt& b) {
    return a.request->id < b.request->id;  // in order of arrival, which is easier to follow
  });
  for (const Prompt& prompt : prompts_)
    if (prompt.chunk > 0) add_chunk(*prompt.request, prompt.chunk, plan);
}

// What the step has for all prompts but `one`, which gets a part of it.
std::int32_t Scheduler::for_others(const Prompt& one, std::int32_t budget) const {
  std::int32_t tokens = 0;
  for (const Prompt& prompt : prompts_) {
    const bool first = prompt.request == prompts_.front().request;
    const std::int32_t left = left_of(*prompt.request);
    if (&prompt == &one || (!first && left > budget)) continue;
    tokens += std::min(left, prompt.request->next_stop() - prompt.request->prefilled);
    if (tokens >= budget) return budget;
  }
  return tokens;
}

void Scheduler::share_out(std::int32_t budget) {
  const auto give = [&](Prompt& prompt, std::int32_t most) {
    prompt.chunk = std::min(most, prompt.request->next_stop() - prompt.request->prefilled);
    budget -= prompt.chunk;
  };
  const std::span others = std::span(prompts_).subspan(1);
  std::int32_t share = 0;
  if (!others.empty()) {
    // Among equals the last in order, which needs it most.
    Prompt& longest =
        *std::max_element(others.rbegin(), others.rend(), [](const Prompt& a, const Prompt& b) {
          return a.request->passed_over < b.request->passed_over;
        });
    // Of a step with so few tokens that a quarter is none it gets every fourth; and no more than a
    // third of what the step has for others, who wait for its end.
    share = std::min(budget / kPassedOverShare, for_others(longest, budget) / 3 + 1);
    if (share == 0 && (budget > 1 || longest.request->passed_over >= kPassedOverShare)) share = 1;
    give(longest, share);
  }
  for (Prompt& prompt : prompts_) {
    if (budget == 0) return;
    if (prompt.chunk > 0) continue;
    const bool completes = left_of(*prompt.request) <= budget;
    const bool first = prompt.request == prompts_.front().request;
    give(prompt, first || completes ? budget : std::min(budget, share));
  }
}

}  // namespace tessera::engine
