#include "engine/step_pace.h"

#include <algorithm>
#include <chrono>

namespace tessera::engine {
namespace {

// Of a new measurement in the mean: some ten steps are remembered.
constexpr double kNew = 0.1;
// Of what decodes take, for the prompts beside them: less than all of it, for steps vary, and the
// longest of a hundred gaps is to be twice as long as without a prompt.
constexpr double kBeside = 0.75;

void blend(double& mean, double value) {
  mean = mean == 0 ? value : mean + kNew * (value - mean);
}

}  // namespace

void StepPace::note(std::int32_t decodes, std::int32_t prompt_tokens, Clock::Duration elapsed) {
  if (decodes > 0) mixed_steps_ = prompt_tokens > 0 ? mixed_steps_ + 1 : 0;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (seconds <= 0 || decodes + prompt_tokens == 0) return;
  tokens_ = tokens_ * (1 - kNew) + decodes + prompt_tokens;
  seconds_ = seconds_ * (1 - kNew) + seconds;
  if (prompt_tokens == 0) {
    blend(decode_step_s_, seconds);
  } else if (decodes == 0) {
    blend(prompt_token_s_, seconds / prompt_tokens);
  } else if (decode_step_s_ > 0 &&
             prompt_tokens <= 2 * prompt_tokens_beside_decodes(prompt_tokens)) {
    // What a mixed step takes less than the decodes alone did is noise.
    blend(beside_token_s_, std::max(seconds - decode_step_s_, 0.0) / prompt_tokens);
  }
}

void StepPace::note_newcomer(Clock::Duration elapsed) {
  if (elapsed > Clock::Duration::zero())
    blend(newcomer_s_, std::chrono::duration<double>(elapsed).count());
}

// Fewer at once when a step took too long, more by and by. One that took very long may have been
// the machine's fault.
void StepPace::note_crowd(std::int32_t decodes, Clock::Duration elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (newcomer_s_ == 0 || seconds <= 0 || decodes == 0) return;
  if (seconds > newcomer_s_) {
    const double share = std::max(newcomer_s_ / seconds, 0.75);
    crowd_decodes_ = std::max<double>(kLeastOfCrowd, share * decodes);
  } else if (decodes + 1 >= crowd_decodes_) {
    crowd_decodes_ *= 1 + kNew / 2;
  }
}

std::int32_t StepPace::crowd_decodes() const {
  return static_cast<std::int32_t>(crowd_decodes_);
}

std::int32_t StepPace::crowd_prompts(std::int32_t most) const {
  if (newcomer_s_ == 0 || prompt_token_s_ == 0) return most;
  const double tokens = std::min(newcomer_s_ / prompt_token_s_, 1e9);
  return std::clamp(static_cast<std::int32_t>(tokens), std::min(kLeastCrowdPrompt, most), most);
}

std::int32_t StepPace::prompt_tokens_beside_decodes(std::int32_t most) const {
  const double token_s = beside_token_s_ > 0 ? beside_token_s_ : prompt_token_s_;
  if (decode_step_s_ == 0 || token_s == 0) return most;
  const double tokens = kBeside * decode_step_s_ / token_s;
  return std::clamp(static_cast<std::int32_t>(std::min(tokens, 1e9)), std::min(kLeastBeside, most),
                    most);
}

}  // namespace tessera::engine
