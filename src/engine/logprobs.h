// Log probabilities of a row: log-softmax of the model's own logits in double, before bias, bans,
// penalties, temperature and constraints.
//
// Deterministic: the sum runs in ascending order of ids. The normaliser is over the whole row; only
// the list of the likeliest leaves out what has no text. The engine thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "engine/request.h"

namespace tessera::engine {

// `token`'s own, then the `top` likeliest of those not in `unlisted` (ascending ids), best first,
// ties by the lowest id; fewer if there are fewer. -Inf logits give -Inf. The row has neither NaN
// nor +Inf, and a finite logit.
std::vector<TokenLogprob> compute_logprobs(std::span<const float> logits, TokenId token,
                                           std::int32_t top, std::span<const TokenId> unlisted);

}  // namespace tessera::engine
