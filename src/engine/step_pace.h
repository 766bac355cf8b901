// How long steps take, learnt from those that ran: how much of a prompt a step may carry while
// others decode, and how fast tokens are computed at all (for Retry-After). A figure on a clock, so
// it may only ever decide when something is computed, never what comes out. The engine thread.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace tessera::engine {

class StepPace {
 public:
  // A step of so many decodes and tokens of prompts took `elapsed`.
  void note(std::int32_t decodes, std::int32_t prompt_tokens, Clock::Duration elapsed);

  // The tokens of prompts that take three quarters of the time of the decodes beside them; at least
  // kLeastBeside, and `most` while nothing is known. A few tokens more in a step of decodes cost
  // more, each, than those of a large chunk, with whom they share nothing: so what counts is what
  // steps with both have taken.
  std::int32_t prompt_tokens_beside_decodes(std::int32_t most) const;
  // The next step with decodes should have nothing else, so that what they take is known; now and
  // then, for other sequences decode by and by.
  bool wants_decodes_alone() const { return mixed_steps_ >= kMixedSteps; }
  // Beside an account that crowds, steps are to take no longer than another's newcomers take
  // alone: who comes while one runs waits for its end. A newcomer took `elapsed`, in steps of its
  // own:
  void note_newcomer(Clock::Duration elapsed);
  // A step with so many decodes of the crowd took `elapsed`, within the bounds that follow.
  void note_crowd(std::int32_t decodes, Clock::Duration elapsed);
  void forget_crowd() { crowd_decodes_ = kNoBound; }
  std::int32_t crowd_decodes() const;
  std::int32_t crowd_prompts(std::int32_t most) const;
  // Of prompts and answers together, while there was work; 0: nothing is known.
  double tokens_per_second() const { return seconds_ > 0 ? tokens_ / seconds_ : 0; }

  static constexpr std::int32_t kLeastBeside = 4;
  static constexpr std::int32_t kMixedSteps = 32;
  static constexpr std::int32_t kLeastOfCrowd = 8;       // decodes
  static constexpr std::int32_t kLeastCrowdPrompt = 24;  // tokens

 private:
  static constexpr double kNoBound = 1e9;

  double decode_step_s_ = 0;                // of a step with decodes alone
  double prompt_token_s_ = 0;               // of one token of a prompt, in steps without decodes
  double beside_token_s_ = 0;               // of one in steps with decodes, beyond what these take
  std::int32_t mixed_steps_ = kMixedSteps;  // since there was one with decodes alone
  double newcomer_s_ = 0;                   // that newcomers' steps took
  double crowd_decodes_ = kNoBound;
  double tokens_ = 0;   // of the last steps, older ones less and less
  double seconds_ = 0;  // of the same
};

}  // namespace tessera::engine
