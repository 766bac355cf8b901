// What the engine is asked, and what it answers: tokens only; text and JSON live at the edge.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "engine/constraint.h"

namespace tessera::engine {

// All values resolved and in range (the edge checked them; the engine CHECKs).
struct SamplingParams {
  float temperature = 1.0f;  // 0: exact argmax, ties by the lowest id
  float top_p = 1.0f;        // (0, 1]; 0 counts as argmax
  std::int32_t top_k = 0;    // 0: all
  float min_p = 0.0f;
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  float repetition_penalty = 1.0f;
  std::uint64_t seed = 0;
  std::vector<std::pair<TokenId, float>> logit_bias;
  std::vector<TokenId> banned;  // never sampled: padding rows, tags that are not allowed
};

// Immutable once submitted. `prompt` is the whole prefix; what of it is reused is the engine's
// business.
struct EngineRequest {
  AccountId account;
  double weight = 1;            // of the account's tier: what it is owed beside others; over 0
  std::vector<TokenId> prompt;  // at least one token
  std::vector<std::int32_t>
      boundaries;                   // prompt lengths at which a state is worth keeping, ascending
  std::int32_t max_tokens = 0;      // at least 1; prompt + max_tokens <= the context
  std::vector<TokenId> end_tokens;  // sampling one of them ends a choice: kEnd
  SamplingParams sampling;
  std::int32_t choices = 1;
  // For the prefix cache: so many of the prompt's first tokens are no secret of the account's, and
  // the state behind the answer is worth keeping, for the next prompt may go on there.
  std::int32_t shared_tokens = 0;
  bool keep_answer = false;
  ConstraintFactory make_constraint = nullptr;  // may be null, and may give null: a free choice
  // TokenEvents come with the model's log probabilities: of the token, and of so many of the
  // likeliest. Absent: none.
  std::optional<std::int32_t> top_logprobs = std::nullopt;
  std::vector<TokenId> unlisted;  // never among the likeliest, for want of text; ascending
};

enum class EndReason : std::uint8_t { kEnd, kMaxTokens };

struct TokenLogprob {
  TokenId token = 0;
  double logprob = 0;  // natural; -Inf where the model says "never"
};
struct TokenEvent {
  std::int32_t choice = 0;
  TokenId token = 0;  // never an end token
  // Where they were asked for: the token's own, then the likeliest ones', best first.
  std::vector<TokenLogprob> logprobs = {};
};
struct ChoiceEnd {
  std::int32_t choice = 0;
  EndReason reason = EndReason::kEnd;
};
struct PrefillDone {
  std::int32_t cached_tokens = 0;  // of the prompt, taken from the prefix cache
};
// Terminal events: exactly one a request.
struct RequestDone {};
struct RequestFailed {
  // kCancelled, kNumerical, kResourceExhausted, kUnavailable (drained), kInvalidArgument (the
  // request bans all tokens), kInternal (the step hangs), kTimedOut (request_timeout_ms), or what
  // the backend or a constraint (kDeadEnd) says.
  Error error;
};

using EngineEvent = std::variant<PrefillDone, TokenEvent, ChoiceEnd, RequestDone, RequestFailed>;

}  // namespace tessera::engine
