#include "engine/step_pace.h"

#include <algorithm>
#include <chrono>

namespace tessera::engine {
namespace {

// Of a new measurement in the mean: some ten steps are remembered.
constexpr double kNew = 0.1;

void blend(double& mean, double value) {
  mean = mean == 0 ? value : mean + kNew * (value - mean);
}

}  // namespace

void StepPace::note(std::int32_t decodes, std::int32_t prompt_tokens, Clock::Duration elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (seconds <= 0 || decodes + prompt_tokens == 0) return;
  tokens_ = tokens_ * (1 - kNew) + decodes + prompt_tokens;
  seconds_ = seconds_ * (1 - kNew) + seconds;
  if (prompt_tokens == 0) {
    blend(decode_step_s_, seconds);
  } else {
    // What a mixed step takes less than the decodes alone did is noise.
    const double of_prompt = decodes > 0 ? std::max(seconds - decode_step_s_, 0.0) : seconds;
    blend(prompt_token_s_, of_prompt / prompt_tokens);
  }
}

std::int32_t StepPace::prompt_tokens_beside_decodes(std::int32_t most) const {
  if (decode_step_s_ == 0 || prompt_token_s_ == 0) return most;
  const double tokens = decode_step_s_ / prompt_token_s_;
  return std::clamp(static_cast<std::int32_t>(std::min(tokens, 1e9)), std::min(kLeastBeside, most),
                    most);
}

}  // namespace tessera::engine
