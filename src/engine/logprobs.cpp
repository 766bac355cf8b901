#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/check.h"

namespace tessera::engine {
namespace {

struct Ranked {
  float logit;
  TokenId id;
};

// The k best of the row. Ids come in ascending order, so of equals the first one stays ahead.
std::vector<Ranked> find_best(std::span<const float> logits, std::size_t k,
                              std::span<const TokenId> unlisted) {
  std::vector<Ranked> best;
  if (k == 0) return best;
  best.reserve(k + 1);
  std::size_t next_unlisted = 0;
  for (TokenId id = 0; std::cmp_less(id, logits.size()); ++id) {
    while (next_unlisted < unlisted.size() && unlisted[next_unlisted] < id) ++next_unlisted;
    if (next_unlisted < unlisted.size() && unlisted[next_unlisted] == id) continue;
    const float logit = logits[static_cast<std::size_t>(id)];
    if (best.size() == k && logit <= best.back().logit) continue;
    const auto place = std::find_if(best.begin(), best.end(),
                                    [logit](const Ranked& r) { return r.logit < logit; });
    best.insert(place, {logit, id});
    if (best.size() > k) best.pop_back();
  }
  return best;
}

}  // namespace

std::vector<TokenLogprob> compute_logprobs(std::span<const float> logits, TokenId token,
                                           std::int32_t top, std::span<const TokenId> unlisted) {
  const double max = *std::max_element(logits.begin(), logits.end());
  DCHECK(std::isfinite(max));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  const double log_sum = std::log(sum);
  const auto logprob_of = [&](float logit) { return static_cast<double>(logit) - max - log_sum; };

  std::vector<TokenLogprob> out;
  out.reserve(static_cast<std::size_t>(top) + 1);
  out.push_back({token, logprob_of(logits[static_cast<std::size_t>(token)])});
  for (const Ranked& ranked : find_best(logits, static_cast<std::size_t>(top), unlisted))
    out.push_back({ranked.id, logprob_of(ranked.logit)});
  return out;
}

}  // namespace tessera::engine
