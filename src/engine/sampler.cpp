#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "engine/philox.h"
#include "engine/row_scan.h"

namespace tessera::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int32_t kHeapTopK =
    1024;  // up to here a heap over one scan beats a selection on a copy

// The order of rank: more probable first, ties by the lowest id. Total, so that every cut is
// unique.
template <class Candidate>
bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

Unexpected<Error> bad_row_error(std::span<const float> logits) {
  const auto bad =
      std::find_if(logits.begin(), logits.end(), [](float l) { return !(l < kInfinity); });
  return fail(ErrorCode::kNumerical,
              fmt::format("the model's logits are unusable: {} at token {} of {}",
                          std::isnan(*bad) ? "NaN" : "+Inf", bad - logits.begin(), logits.size()));
}

Result<void> check_peak(const RowPeak& peak, std::span<const float> logits) {
  if (peak.bad) return bad_row_error(logits);
  if (peak.max == -kInfinity)
    return fail(ErrorCode::kNumerical, "the model's logits are unusable: all are -Inf");
  return {};
}

}  // namespace

Result<void> check_row(std::span<const float> logits) {
  return check_peak(find_peak(logits), logits);
}

namespace {

// Keeps what ranks no later than `last`; the order stays.
template <class Candidate>
void keep_up_to(Candidate last, std::vector<Candidate>& candidates) {
  std::erase_if(candidates, [last](const Candidate& c) { return ranks_before(last, c); });
}

// The k best of all logits, k <= kHeapTopK, in ascending order of ids. Ids come in ascending order,
// so one that only equals the worst of the heap never displaces it.
template <class Candidate>
void heap_top_k(std::span<const float> logits, std::size_t k, std::vector<Candidate>& heap) {
  heap.clear();
  const auto size = static_cast<TokenId>(logits.size());
  for (TokenId id = 0; id < size; ++id) {
    const float logit = logits[static_cast<std::size_t>(id)];
    if (heap.size() < k) {
      heap.push_back({0, logit, id});
      std::push_heap(heap.begin(), heap.end(), ranks_before<Candidate>);
    } else if (logit > heap.front().logit) {
      std::pop_heap(heap.begin(), heap.end(), ranks_before<Candidate>);
      heap.back() = {0, logit, id};
      std::push_heap(heap.begin(), heap.end(), ranks_before<Candidate>);
    }
  }
  std::sort(heap.begin(), heap.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

// The last candidate of the shortest run of the most probable whose weights reach `top_p` of the
// total. Selection, not a sort: the range that holds the answer is halved around its median, so the
// cost is linear.
template <class Candidate>
Candidate nucleus_end(std::span<const Candidate> candidates, double top_p,
                      std::vector<Candidate>& ranking) {
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  const double target = top_p * total;
  // All candidates of no more than this weight together have at most (1 - top_p) of the total: the
  // run ends before them. Half of it, so that rounding cannot matter.
  const double negligible = (total - target) / (2 * static_cast<double>(candidates.size()));
  ranking.clear();
  for (const Candidate& c : candidates)
    if (c.weight > negligible) ranking.push_back(c);

  double before = 0;  // weight of what ranks before `first`
  auto first = ranking.begin();
  auto last = ranking.end();
  while (last - first > 32) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, ranks_before<Candidate>);
    double half = 0;
    for (auto c = first; c != middle; ++c) half += c->weight;
    if (before + half >= target) {
      last = middle;
    } else {
      before += half;
      first = middle;
    }
  }
  std::sort(first, last, ranks_before<Candidate>);
  for (; first + 1 < last; ++first) {
    before += first->weight;
    if (before >= target) break;
  }
  return *first;
}

}  // namespace

SamplerScratch::SamplerScratch(std::int32_t vocabulary) {
  CHECK(vocabulary > 0);
  logits_.resize(static_cast<std::size_t>(vocabulary));
}

Sampler::Sampler(const SamplingParams& params, std::int32_t choice, std::span<const TokenId> prompt)
    : params_(params), choice_(choice), position_(static_cast<std::int32_t>(prompt.size())) {
  if (!has_penalties()) return;
  counts_.reserve(1024);
  if (params_.repetition_penalty != 1.0f)
    for (const TokenId token : prompt) counts_.add(token, 0);
}

bool Sampler::is_greedy() const {
  return params_.temperature == 0 || params_.top_p == 0;
}

bool Sampler::has_penalties() const {
  return params_.repetition_penalty != 1.0f || params_.presence_penalty != 0 ||
         params_.frequency_penalty != 0;
}

void Sampler::accept(TokenId token) {
  ++position_;
  if (has_penalties()) counts_.add(token, 1);
}

// Bias first: nothing that is forbidden can come back.
void Sampler::forbid(std::span<const std::uint32_t> mask, std::span<float> logits) const {
  for (const auto& [token, bias] : params_.logit_bias)
    logits[static_cast<std::size_t>(token)] += bias;
  for (const TokenId token : params_.banned) logits[static_cast<std::size_t>(token)] = -kInfinity;
  for (std::size_t word = 0; word < mask.size(); ++word) {
    if (mask[word] == ~std::uint32_t{0}) continue;
    const std::size_t first = word * 32;
    const std::size_t bits = std::min<std::size_t>(32, logits.size() - first);
    for (std::size_t bit = 0; bit < bits; ++bit)
      if ((mask[word] >> bit & 1) == 0) logits[first + bit] = -kInfinity;
  }
}

void Sampler::apply_penalties(std::span<float> logits) const {
  for (const TokenCounts::Entry& entry : counts_.entries()) {
    float& logit = logits[static_cast<std::size_t>(entry.token)];
    const float repetition = params_.repetition_penalty;
    if (repetition != 1.0f) logit = logit > 0 ? logit / repetition : logit * repetition;
    if (entry.generated == 0) continue;
    logit -=
        params_.frequency_penalty * static_cast<float>(entry.generated) + params_.presence_penalty;
  }
}

Result<TokenId> Sampler::sample(std::span<const float> logits, std::span<const std::uint32_t> mask,
                                SamplerScratch& scratch) const {
  CHECK(logits.size() == scratch.logits_.size());
  CHECK(mask.empty() || mask.size() == mask_words(static_cast<std::int32_t>(logits.size())));
  const RowPeak peak = find_peak(logits);
  TRY(check_peak(peak, logits));
  if (is_greedy() && mask.empty() && !has_penalties() && params_.logit_bias.empty()) {
    const auto best = static_cast<TokenId>(first_of(logits, peak.max));
    if (std::find(params_.banned.begin(), params_.banned.end(), best) == params_.banned.end())
      return best;
  }
  std::copy(logits.begin(), logits.end(), scratch.logits_.begin());
  forbid(mask, scratch.logits_);
  apply_penalties(scratch.logits_);
  const float best = find_peak(scratch.logits_).max;
  if (best == -kInfinity) {
    return fail(
        ErrorCode::kInvalidArgument,
        mask.empty()
            ? "no token is left to sample: the request bans every token that the model could say"
            : "no token is left to sample: the request bans every token that its output's form "
              "allows");
  }
  if (!(best < kInfinity))
    return fail(ErrorCode::kNumerical,
                "a penalty or bias makes a logit larger than a number can be");
  if (is_greedy()) return static_cast<TokenId>(first_of(scratch.logits_, best));

  collect(best, scratch);
  return draw(scratch.candidates_);
}

// Steps 4 to 7: the candidates with their weights, in ascending order of ids.
void Sampler::collect(float max_logit, SamplerScratch& scratch) const {
  std::vector<Candidate>& candidates = scratch.candidates_;
  const std::span<const float> logits = scratch.logits_;
  const bool filters_k =
      params_.top_k > 0 && static_cast<std::size_t>(params_.top_k) < logits.size();
  if (filters_k && params_.top_k <= kHeapTopK) {
    heap_top_k(logits, static_cast<std::size_t>(params_.top_k), candidates);
  } else {
    candidates.resize(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i)
      candidates[i] = {0, logits[i], static_cast<TokenId>(i)};
    if (filters_k) {
      std::vector<Candidate>& ranking = scratch.ranking_;
      ranking = candidates;
      const auto last = ranking.begin() + params_.top_k - 1;
      std::nth_element(ranking.begin(), last, ranking.end(), ranks_before<Candidate>);
      keep_up_to(*last, candidates);
    }
  }
  const double temperature = params_.temperature;
  for (Candidate& c : candidates)
    c.weight =
        std::exp((static_cast<double>(c.logit) - static_cast<double>(max_logit)) / temperature);

  if (params_.top_p < 1) {
    const double top_p = params_.top_p;
    keep_up_to(nucleus_end(std::span<const Candidate>(candidates), top_p, scratch.ranking_),
               candidates);
  }
  if (params_.min_p > 0) {
    const double least = params_.min_p;
    std::erase_if(candidates, [least](const Candidate& c) { return c.weight < least; });
  }
}

TokenId Sampler::draw(std::span<const Candidate> candidates) const {
  double total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  const double point = uniform_draw(params_.seed, choice_, position_) * total;
  double sum = 0;
  TokenId last_possible = -1;
  for (const Candidate& c : candidates) {
    if (c.weight == 0) continue;
    sum += c.weight;
    last_possible = c.id;
    if (point < sum) break;
  }
  CHECK(last_possible >= 0);  // the most probable has weight 1
  return last_possible;
}

}  // namespace tessera::engine
