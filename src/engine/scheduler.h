// Decides what one step computes: the decode tokens of all running choices first, then chunks of
// prompts, within the tokens of a step.
//
// Prompts: the one whose account is owed most (LiveRequest::rank), among equals the one with least
// left, gets what the step has for prompts; so a short one is not stuck behind a long one. Beside
// it the one that was passed over longest gets a quarter of the step, so that every prompt
// advances, however many shorter ones come: of two or more at least two are in each step. What is
// left completes others; only a prompt that is alone may use up the step without completing, for
// everybody waits for the step's end.
//
// Beside decodes, prompts have no more of a step than these take, and now and then nothing; where
// more prompts than choices wait for the step's end, so many times as much, for then the prompts
// are what takes long; but no account's answers are held up for the sake of how many prompts
// another has. And what a short one needs that is first and whose account decodes nothing, so that
// its time to first token is not what others' answers make it.
//
// A newcomer is the only request of its account. While newcomers are first and fit into a step, it
// is theirs alone: no other prompts, and no decodes that would make it much longer. The step behind
// it is for all again, unless a newcomer's prompt has a stop in it and goes on.
//
// An account that crowds (StepLimits::crowd) has bounds of its own, and its decodes come behind the
// others', but for a quarter of what decodes have.
//
// Decodes and prompts: when both compete, decodes take at most three quarters of a step, and where
// a step is one token every second step; and when not all choices fit, a step begins with the
// one that has waited longest. The engine thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
  std::int32_t decodes = 0;
  std::int32_t prompt_tokens = 0;
  LiveRequest* newcomer = nullptr;  // the first of those whose step it is; null: it is for all
};

// Tokens of one step.
struct StepLimits {
  std::int32_t batch = 1;    // all together; at least 1
  std::int32_t prompts = 1;  // of prompts; at least 1
  // Of prompts, when the step decodes, too, and not more of them wait than decode.
  std::int32_t beside_decodes = 1;
  // An account whose many requests would make steps long for others; null: there is none.
  const AccountBook* crowd = nullptr;
  std::int32_t crowd_decodes = 0;  // of that account; at least 1
  std::int32_t crowd_prompts = 0;  // of prompts, when one of its is first; at least 1
};

class Scheduler {
 public:
  // Fills `plan`, whose spans point into the requests. Requests without room take no part.
  void plan(std::span<const std::unique_ptr<LiveRequest>> running, const StepLimits& limits,
            StepPlan& plan);

 private:
  struct Prompt {
    LiveRequest* request = nullptr;
    std::int32_t chunk = 0;
  };

  // What one account has in this step.
  struct Account {
    const AccountBook* book = nullptr;
    std::int64_t prompts = 0;
    std::int64_t decodes = 0;  // choices
  };

  void collect(std::span<const std::unique_ptr<LiveRequest>> running);
  bool is_newcomer(const LiveRequest& request) const;
  std::int32_t tokens_of_newcomers(const StepLimits& limits) const;
  std::int32_t kept_for_prompts(const StepLimits& limits);
  void plan_decodes(const StepLimits& limits, std::int32_t budget, StepPlan& plan);
  void take_turns(std::span<const StepPart> parts, std::int32_t budget, StepPlan& plan);
  double prompts_a_decode(const StepPlan& plan);
  std::int32_t tokens_for_prompts(const StepLimits& limits, const StepPlan& plan);
  void plan_prompts(std::int32_t budget, bool for_newcomers, StepPlan& plan);
  std::int32_t for_others(const Prompt& one, std::int32_t budget) const;
  void give_newcomers(std::int32_t budget);
  void share_out(std::int32_t budget);

  std::uint64_t turns_ = 0;             // the last one that a choice has had
  std::int32_t crowd_passed_over_ = 0;  // steps since one of the crowd's decoded
  bool one_for_prompts_ = false;        // where a step has one token: the last one was a prompt's
  std::optional<RequestId> newcomer_;   // the first one that the last step was for
  std::vector<StepPart> decodable_;     // scratch; in the end but for those in of_crowd_
  std::vector<StepPart> of_crowd_;      // scratch
  std::int32_t decodable_tokens_ = 0;
  std::vector<Prompt> prompts_;    // in progress; scratch
  std::vector<Account> accounts_;  // scratch
};

}  // namespace tessera::engine
