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

  // The tokens of prompts whose time is that of the decodes beside them, so that a step with both
  // takes twice as long as one without; at least kLeastBeside, for less wastes a pass over the
  // weights. `most` while nothing is known.
  std::int32_t prompt_tokens_beside_decodes(std::int32_t most) const;
  // Of prompts and answers together, while there was work; 0: nothing is known.
  double tokens_per_second() const { return seconds_ > 0 ? tokens_ / seconds_ : 0; }

  static constexpr std::int32_t kLeastBeside = 16;

 private:
  double decode_step_s_ = 0;   // of a step with decodes alone
  double prompt_token_s_ = 0;  // of one token of a prompt, in steps with and without decodes
  double tokens_ = 0;          // of the last steps, older ones less and less
  double seconds_ = 0;         // of the same
};

}  // namespace tessera::engine
