#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "engine/fair_queue.h"

namespace tessera::engine {
namespace {

// Of the step's tokens for prompts, for the one that was passed over longest: one of so many.
constexpr std::int32_t kPassedOverShare = 4;
constexpr std::int32_t kShortSteps = 4;
// Decodes beside so many times as many tokens of prompts do not make a step much longer.
constexpr std::int32_t kFewDecodes = 8;

std::int32_t left_of(const LiveRequest& request) {
  return request.prompt_tokens() - request.prefilled;
}

std::int32_t chunk_of(const LiveRequest& request, std::int32_t most) {
  return std::min(most, request.next_stop() - request.prefilled);
}

bool decodes_nothing(const AccountBook* book, std::span<const StepPart> parts) {
  return std::none_of(parts.begin(), parts.end(),
                      [book](const StepPart& part) { return part.request->book == book; });
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
  plan.newcomer = nullptr;
  collect(running);
  const std::int32_t of_newcomers = tokens_of_newcomers(limits);
  const bool for_newcomers = of_newcomers > 0;
  if (!for_newcomers || decodable_tokens_ <= of_newcomers / kFewDecodes) {
    plan_decodes(limits, limits.batch - kept_for_prompts(limits), plan);
  }
  newcomer_.reset();
  if (prompts_.empty()) return;
  LiveRequest& first = *prompts_.front().request;
  if (for_newcomers) {
    newcomer_ = first.id;
    plan.newcomer = &first;
  }
  plan_prompts(std::min(limits.batch - plan.decodes,
                        for_newcomers ? of_newcomers : tokens_for_prompts(limits, plan)),
               for_newcomers, plan);
}

void Scheduler::collect(std::span<const std::unique_ptr<LiveRequest>> running) {
  decodable_.clear();
  decodable_tokens_ = 0;
  prompts_.clear();
  for (const auto& request : running) {
    if (!request->has_room) continue;
    if (request->in_prefill()) {
      prompts_.push_back({request.get(), 0});
      continue;
    }
    for (Choice& choice : request->choices) {
      if (choice.ended || choice.waits) continue;
      if (choice.turn == 0) choice.turn = ++turns_;  // behind those that are there
      decodable_.push_back(
          {request.get(), &choice, static_cast<std::int32_t>(choice.unread.size())});
      decodable_tokens_ += decodable_.back().tokens;
    }
  }
  std::sort(prompts_.begin(), prompts_.end(), [](const Prompt& one, const Prompt& other) {
    const LiveRequest& a = *one.request;
    const LiveRequest& b = *other.request;
    return std::tuple(a.rank, left_of(a), a.id) < std::tuple(b.rank, left_of(b), b.id);
  });
}

bool Scheduler::is_newcomer(const LiveRequest& request) const {
  return request.book != nullptr && request.book->holds.requests <= 1 &&
         decodes_nothing(request.book, decodable_);
}

// Those of a step that is for newcomers alone; 0: it is not time for such a step.
std::int32_t Scheduler::tokens_of_newcomers(const StepLimits& limits) const {
  if (prompts_.empty()) return 0;
  // One whose prompt has stops goes on with it.
  if (newcomer_ && *newcomer_ != prompts_.front().request->id) return 0;
  std::int32_t tokens = 0;
  for (const Prompt& prompt : prompts_) {
    const std::int32_t left = left_of(*prompt.request);
    if (tokens + left > limits.prompts || !is_newcomer(*prompt.request)) break;
    tokens += left;
  }
  return tokens;
}

// How many prompts wait for each choice that decodes, as the account sees it that has most to lose:
// its own each, those of another account as one. At least 1.
double Scheduler::prompts_a_decode(const StepPlan& plan) {
  accounts_.clear();
  const auto of = [this](const AccountBook* book) -> Account& {
    const auto found = std::find_if(accounts_.begin(), accounts_.end(),
                                    [book](const Account& one) { return one.book == book; });
    return found == accounts_.end() ? accounts_.emplace_back(Account{book, 0, 0}) : *found;
  };
  for (const Prompt& prompt : prompts_) ++of(prompt.request->book).prompts;
  const auto with_prompts = static_cast<std::int64_t>(accounts_.size());
  for (const StepPart& part : plan.parts) ++of(part.request->book).decodes;
  const std::int64_t with_decodes = std::count_if(accounts_.begin(), accounts_.end(),
                                                  [](const Account& a) { return a.decodes > 0; });
  double least = std::numeric_limits<double>::infinity();
  for (const Account& account : accounts_) {
    if (account.decodes == 0) continue;
    const std::int64_t others = with_prompts - (account.prompts > 0 ? 1 : 0);
    const auto waiting =
        account.book == nullptr ? 0 : static_cast<std::int64_t>(account.book->waiting.size());
    // One prompt may always be there: it is what the bound is made for.
    least = std::min(least, static_cast<double>(account.prompts + waiting + others - 1) /
                                static_cast<double>(account.decodes + with_decodes - 1));
  }
  return std::max(least, 1.0);
}

std::int32_t Scheduler::tokens_for_prompts(const StepLimits& limits, const StepPlan& plan) {
  const LiveRequest& first = *prompts_.front().request;
  const bool of_crowd = limits.crowd != nullptr && first.book == limits.crowd;
  // Beside its decodes what these leave, but a part in any case.
  const std::int32_t of_crowd_most =
      std::max({limits.crowd_prompts - plan.decodes, limits.crowd_prompts / kPassedOverShare, 1});
  const std::int32_t most = of_crowd ? std::min(of_crowd_most, limits.prompts) : limits.prompts;
  if (plan.decodes == 0) return most;
  const auto beside = static_cast<std::int32_t>(
      std::min<double>(limits.beside_decodes * prompts_a_decode(plan), most));
  if (!decodes_nothing(first.book, plan.parts) || left_of(first) > kShortSteps * limits.prompts)
    return beside;
  // The others' gaps between tokens are the shorter evil, but not for the sake of other prompts.
  const std::int32_t with_share = left_of(first) + left_of(first) / (kPassedOverShare - 1) + 1;
  return std::clamp(with_share, beside, most);
}

std::int32_t Scheduler::kept_for_prompts(const StepLimits& limits) {
  if (prompts_.empty()) return 0;
  if (limits.batch > 1) return std::max(1, limits.batch / kPassedOverShare);
  return (one_for_prompts_ = !one_for_prompts_) ? 1 : 0;
}

// The others first, but a quarter is the crowd's, if it is one token in every fourth step: they may
// be as many as the step has tokens.
void Scheduler::plan_decodes(const StepLimits& limits, std::int32_t budget, StepPlan& plan) {
  of_crowd_.clear();
  const auto is_of_crowd = [&](const StepPart& part) {
    return limits.crowd != nullptr && part.request->book == limits.crowd;
  };
  std::copy_if(decodable_.begin(), decodable_.end(), std::back_inserter(of_crowd_), is_of_crowd);
  std::erase_if(decodable_, is_of_crowd);
  std::int32_t kept = of_crowd_.empty() ? 0 : budget / kPassedOverShare;
  if (kept == 0 && !of_crowd_.empty() && ++crowd_passed_over_ >= kPassedOverShare)
    kept = std::min(budget, 1);
  take_turns(decodable_, budget - kept, plan);
  const std::int32_t of_others = plan.decodes;
  take_turns(of_crowd_, std::min(budget - of_others, limits.crowd_decodes), plan);
  if (plan.decodes > of_others) crowd_passed_over_ = 0;
}

void Scheduler::take_turns(std::span<const StepPart> parts, std::int32_t budget, StepPlan& plan) {
  std::int32_t wanted = 0;
  for (const StepPart& part : parts) wanted += part.tokens;
  const auto turn_of = [](const StepPart& part) { return part.choice->turn; };
  // Where choices end or wait for room, their neighbours keep their places in the turn.
  const std::ptrdiff_t first =
      wanted > budget ? std::ranges::min_element(parts, {}, turn_of) - parts.begin() : 0;
  std::int32_t left = budget;
  for (std::size_t i = 0; i < parts.size() && left > 0; ++i) {
    StepPart part = parts[(static_cast<std::size_t>(first) + i) % parts.size()];
    Choice& choice = *part.choice;
    part.wants_logits = part.tokens <= left;
    part.tokens = std::min(part.tokens, left);
    left -= part.tokens;
    if (part.wants_logits) choice.turn = ++turns_;
    const auto unread = static_cast<std::int32_t>(choice.unread.size());
    plan.parts.push_back(part);
    plan.items.push_back(
        {choice.sequence.id(), part.request->prompt_tokens() + choice.generated - unread,
         std::span(choice.unread).first(static_cast<std::size_t>(part.tokens)),
         part.wants_logits ? model::LogitsWanted::kLast : model::LogitsWanted::kNone});
    plan.decodes += part.tokens;
  }
}

void Scheduler::plan_prompts(std::int32_t budget, bool for_newcomers, StepPlan& plan) {
  if (budget == 0) return;
  for (const Prompt& prompt : prompts_) ++prompt.request->passed_over;
  if (for_newcomers) {
    give_newcomers(budget);
  } else {
    share_out(budget);
  }
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

// They stand first, and the budget is for them.
void Scheduler::give_newcomers(std::int32_t budget) {
  for (Prompt& prompt : prompts_) {
    const std::int32_t left = left_of(*prompt.request);
    prompt.chunk = chunk_of(*prompt.request, budget);
    budget -= std::min(left, budget);
  }
}

void Scheduler::share_out(std::int32_t budget) {
  const auto give = [&](Prompt& prompt, std::int32_t most) {
    prompt.chunk = chunk_of(*prompt.request, most);
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
