// The sampler: one row of logits and one choice's past → the next token.
//
// The order is the usual one of vLLM and Hugging Face:
//   1. logit_bias is added; banned tokens, and those that a mask does not allow, become impossible
//   2. repetition penalty on every token of prompt and output: l > 0 ? l / r : l * r
//   3. frequency and presence penalty on generated tokens: l - frequency * count - presence
//   4. temperature 0 or top_p 0: the exact argmax of these logits, ties by the lowest id. Otherwise
//   weights
//      w = exp((l - max) / temperature), in double
//   5. top_k: the k most probable; ties by the lowest id, so never more than k
//   6. top_p: of what is left, renormalised, the shortest run of the most probable that reaches
//   top_p; one at least
//   7. min_p: those of at least min_p times the largest probability
//   8. a draw over what is left in ascending order of ids, with a random number that depends on
//   (seed, choice, position)
//      alone (philox.h)
// Sums run in a fixed order: the same row and the same past give the same token, always.
//
// NaN or +Inf anywhere in a row, or no finite logit, is kNumerical: nothing is repaired.
// kInvalidArgument: the request itself bans every token that the model could say, or all that a
// constraint allows.
//
// Owned by one choice of a request; the engine thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "engine/request.h"
#include "engine/token_counts.h"

namespace tessera::engine {

// Working memory of sample(), shared by all samplers of a thread. Reaches its size with the first
// rows, then stays.
class SamplerScratch {
 public:
  explicit SamplerScratch(std::int32_t vocabulary);

 private:
  friend class Sampler;
  struct Candidate {
    double weight;  // not normalised; the most probable has 1
    float logit;
    TokenId id;
  };
  std::vector<float> logits_;          // [vocabulary]
  std::vector<Candidate> candidates_;  // what the filters have left, ascending ids
  std::vector<Candidate> ranking_;     // any order
};

// kNumerical where nothing can be sampled from the row: NaN, +Inf, or no finite logit.
Result<void> check_row(std::span<const float> logits);

class Sampler {
 public:
  // `params` outlives the sampler; `choice` numbers the answers to one prompt.
  Sampler(const SamplingParams& params, std::int32_t choice, std::span<const TokenId> prompt);

  // The token after the sequence so far. The same however often it is called. `mask`: which tokens
  // are allowed, as constraint.h has it; empty: all.
  Result<TokenId> sample(std::span<const float> logits, std::span<const std::uint32_t> mask,
                         SamplerScratch& scratch) const;
  // The sequence goes on with `token`.
  void accept(TokenId token);

 private:
  using Candidate = SamplerScratch::Candidate;

  bool is_greedy() const;
  bool has_penalties() const;
  void forbid(std::span<const std::uint32_t> mask, std::span<float> logits) const;
  void apply_penalties(std::span<float> logits) const;
  void collect(float max_logit, SamplerScratch& scratch) const;
  TokenId draw(std::span<const Candidate> candidates) const;

  const SamplingParams& params_;
  const std::int32_t choice_;
  std::int32_t position_;  // of the next token in the sequence, prompt included
  TokenCounts counts_;     // filled only where a penalty needs it
};

}  // namespace tessera::engine
