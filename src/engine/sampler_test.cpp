#include "engine/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "engine/philox.h"
#include "engine/test_random.h"

namespace tessera::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Known answers from the authors' Random123 distribution.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(
      philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
      (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, DrawsLieInTheUnitIntervalAndDependOnEachKey) {
  double sum = 0;
  for (std::int32_t i = 0; i < 10'000; ++i) {
    const double draw = uniform_draw(7, 0, i);
    ASSERT_GE(draw, 0);
    ASSERT_LT(draw, 1);
    sum += draw;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.01);
  const double draw = uniform_draw(7, 0, 3);
  EXPECT_EQ(draw, uniform_draw(7, 0, 3));
  EXPECT_NE(draw, uniform_draw(8, 0, 3));
  EXPECT_NE(draw, uniform_draw(7 + (1ULL << 32), 0, 3));
  EXPECT_NE(draw, uniform_draw(7, 1, 3));
  EXPECT_NE(draw, uniform_draw(7, 0, 4));
}

// ----- the slow, obvious sampler -----

struct Ranked {
  TokenId id;
  double logit;
  double weight;
};

std::vector<float> penalised(const SamplingParams& params, std::vector<float> logits,
                             const std::vector<TokenId>& prompt,
                             const std::vector<TokenId>& output) {
  for (const auto& [token, bias] : params.logit_bias) logits[token] += bias;
  for (const TokenId token : params.banned) logits[token] = -kInfinity;
  for (TokenId token = 0; token < static_cast<TokenId>(logits.size()); ++token) {
    const auto count = std::count(output.begin(), output.end(), token);
    const bool seen = count > 0 || std::count(prompt.begin(), prompt.end(), token) > 0;
    float& logit = logits[token];
    if (seen && logit > 0) {
      logit /= params.repetition_penalty;
    } else if (seen) {
      logit *= params.repetition_penalty;
    }
    if (count > 0)
      logit -= params.frequency_penalty * static_cast<float>(count) + params.presence_penalty;
  }
  return logits;
}

TokenId slow_sample(const SamplingParams& params, std::int32_t choice,
                    const std::vector<float>& row, const std::vector<TokenId>& prompt,
                    const std::vector<TokenId>& output) {
  const std::vector<float> logits = penalised(params, row, prompt, output);
  const auto best = std::max_element(logits.begin(), logits.end());
  if (params.temperature == 0 || params.top_p == 0)
    return static_cast<TokenId>(best - logits.begin());
  std::vector<Ranked> ranked;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double shifted = static_cast<double>(logits[i]) - static_cast<double>(*best);
    ranked.push_back({static_cast<TokenId>(i), logits[i],
                      std::exp(shifted / static_cast<double>(params.temperature))});
  }
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  if (params.top_k > 0 && static_cast<std::size_t>(params.top_k) < ranked.size())
    ranked.resize(params.top_k);
  if (params.top_p < 1) {
    double total = 0;
    for (const Ranked& r : ranked) total += r.weight;
    double reached = 0;
    std::size_t kept = 0;
    while (kept < ranked.size() && reached < static_cast<double>(params.top_p) * total)
      reached += ranked[kept++].weight;
    ranked.resize(std::max<std::size_t>(kept, 1));
  }
  std::erase_if(ranked,
                [&](const Ranked& r) { return r.weight < static_cast<double>(params.min_p); });
  std::sort(ranked.begin(), ranked.end(),
            [](const Ranked& a, const Ranked& b) { return a.id < b.id; });
  double total = 0;
  for (const Ranked& r : ranked) total += r.weight;
  const auto position = static_cast<std::int32_t>(prompt.size() + output.size());
  const double point = uniform_draw(params.seed, choice, position) * total;
  double sum = 0;
  for (const Ranked& r : ranked) {
    sum += r.weight;
    if (point < sum) return r.id;
  }
  return ranked.back().id;
}

SamplingParams random_params(TestRandom& random, std::int32_t vocabulary) {
  SamplingParams params;
  params.temperature = random.chance(8) ? 0 : random.real(0.05f, 2.0f);
  if (random.chance(2)) params.top_p = random.chance(10) ? 0 : random.real(0.01f, 1.0f);
  if (random.chance(2)) params.top_k = random.integer(1, vocabulary + 3);
  if (random.chance(3)) params.min_p = random.real(0.0f, 1.0f);
  if (random.chance(3)) params.presence_penalty = random.real(-2, 2);
  if (random.chance(3)) params.frequency_penalty = random.real(-2, 2);
  if (random.chance(3)) params.repetition_penalty = random.real(0.5f, 2.0f);
  params.seed = static_cast<std::uint64_t>(random.integer(0, 1 << 30)) << random.integer(0, 33);
  for (int i = random.integer(0, 3); i > 0 && random.chance(2); --i)
    params.logit_bias.emplace_back(random.integer(0, vocabulary - 1), random.real(-10, 10));
  for (int i = random.integer(0, 3); i > 0 && vocabulary > 8; --i)
    params.banned.push_back(random.integer(0, vocabulary - 1));
  return params;
}

std::vector<float> random_row(TestRandom& random, std::int32_t vocabulary) {
  std::vector<float> row(vocabulary);
  const bool many_ties = random.chance(4);
  for (float& logit : row) {
    logit = random.real(-8, 8);
    if (many_ties) logit = std::floor(logit / 4);
    if (random.chance(50)) logit = -kInfinity;
  }
  row[random.integer(0, vocabulary - 1)] = 1;  // one possible token at least
  return row;
}

TEST(Sampler, AgreesWithTheSlowOne) {
  TestRandom random(1);
  for (int round = 0; round < 3000; ++round) {
    // Above 1024 tokens the other ways of selection come into play.
    const std::int32_t vocabulary =
        random.chance(20) ? random.integer(1500, 4000) : random.integer(1, 300);
    SamplingParams params = random_params(random, vocabulary);
    const std::int32_t choice = random.integer(0, 3);
    std::vector<TokenId> prompt(random.integer(1, 20));
    for (TokenId& token : prompt) token = random.integer(0, vocabulary - 1);
    SamplerScratch scratch(vocabulary);
    Sampler sampler(params, choice, prompt);
    std::vector<TokenId> output;
    for (int step = 0; step < 12; ++step) {
      std::vector<float> row = random_row(random, vocabulary);
      const std::vector<float> seen = penalised(params, row, prompt, output);
      if (*std::max_element(seen.begin(), seen.end()) == -kInfinity)
        continue;  // its one token is banned
      const Result<TokenId> token = sampler.sample(row, {}, scratch);
      ASSERT_TRUE(token) << token.error().message;
      ASSERT_EQ(*token, slow_sample(params, choice, row, prompt, output))
          << "round " << round << " step " << step << " vocabulary " << vocabulary;
      ASSERT_EQ(*token, *sampler.sample(row, {}, scratch));
      sampler.accept(*token);
      output.push_back(*token);
    }
  }
}

TEST(Sampler, AMaskIsWhatBanningTheRestWouldBe) {
  TestRandom random(11);
  for (int round = 0; round < 500; ++round) {
    const std::int32_t vocabulary = random.integer(1, 300);
    const SamplingParams params = random_params(random, vocabulary);
    SamplingParams banning = params;
    std::vector<std::uint32_t> mask(mask_words(vocabulary), 0);
    for (TokenId id = 0; id < vocabulary; ++id) {
      if (random.chance(3)) {
        mask[static_cast<std::size_t>(id) / 32] |= std::uint32_t{1} << id % 32;
      } else {
        banning.banned.push_back(id);
      }
    }
    SamplerScratch scratch(vocabulary);
    const std::vector<TokenId> prompt = {0};
    const std::vector<float> row = random_row(random, vocabulary);
    const Result<TokenId> masked = Sampler(params, 0, prompt).sample(row, mask, scratch);
    const Result<TokenId> banned = Sampler(banning, 0, prompt).sample(row, {}, scratch);
    ASSERT_EQ(masked.has_value(), banned.has_value());
    if (masked) {
      ASSERT_EQ(*masked, *banned);
    } else {
      ASSERT_EQ(masked.error().code, ErrorCode::kInvalidArgument);
    }
  }
}

// ----- single steps, by hand -----

constexpr std::int32_t kSmall = 5;

Result<TokenId> sample_once(const SamplingParams& params, const std::vector<float>& row,
                            const std::vector<TokenId>& prompt = {0}) {
  SamplerScratch scratch(static_cast<std::int32_t>(row.size()));
  return Sampler(params, 0, prompt).sample(row, {}, scratch);
}

SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

// How often each token comes in `draws` draws with as many seeds.
std::vector<int> frequencies(SamplingParams params, const std::vector<float>& row, int draws) {
  SamplerScratch scratch(static_cast<std::int32_t>(row.size()));
  std::vector<int> counts(row.size());
  const std::vector<TokenId> prompt = {0};
  for (int i = 0; i < draws; ++i) {
    params.seed = static_cast<std::uint64_t>(i);
    ++counts[*Sampler(params, 0, prompt).sample(row, {}, scratch)];
  }
  return counts;
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndOfEqualsTheLowestId) {
  EXPECT_EQ(*sample_once(greedy(), {1, 5, 3, 5, 2}), 1);
  SamplingParams top_p_zero;
  top_p_zero.top_p = 0;
  EXPECT_EQ(*sample_once(top_p_zero, {1, 5, 3, 5, 2}), 1);
}

TEST(Sampler, BiasAndBanMoveTheArgmax) {
  SamplingParams params = greedy();
  params.logit_bias = {{2, 3.0f}};
  EXPECT_EQ(*sample_once(params, {1, 5, 3, 5, 2}), 2);
  params.banned = {2, 1};
  EXPECT_EQ(*sample_once(params, {1, 5, 3, 5, 2}), 3);
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegative) {
  SamplingParams params = greedy();
  params.repetition_penalty = 2;
  EXPECT_EQ(*sample_once(params, {4, 3, 0, 0, 0}, {0}), 1);          // 4 / 2 < 3
  EXPECT_EQ(*sample_once(params, {-1, -1.5f, -9, -9, -9}, {0}), 1);  // -1 * 2 < -1.5
  EXPECT_EQ(*sample_once(params, {4, 3, 0, 0, 0}, {0, 1, 1, 1}),
            0);  // once, however often it stands there
}

TEST(Sampler, PresenceAndFrequencyCountGeneratedTokensOnly) {
  const std::vector<float> row = {4, 3.5f, 0, 0, 0};
  const std::vector<TokenId> prompt = {0, 0, 0};
  SamplerScratch scratch(kSmall);
  SamplingParams params = greedy();
  params.frequency_penalty = 0.2f;
  Sampler frequency(params, 0, prompt);
  std::vector<TokenId> tokens;
  for (int i = 0; i < 5; ++i) {
    tokens.push_back(*frequency.sample(row, {}, scratch));
    frequency.accept(tokens.back());
  }
  EXPECT_THAT(tokens,
              testing::ElementsAre(0, 0, 0, 1, 0));  // 4, 3.8, 3.6, then 3.4 < 3.5, then 3.3 < 3.4

  params = greedy();
  params.presence_penalty = 1;
  Sampler presence(params, 0, prompt);
  tokens.clear();
  for (int i = 0; i < 4; ++i) {
    tokens.push_back(*presence.sample(row, {}, scratch));
    presence.accept(tokens.back());
  }
  EXPECT_THAT(tokens, testing::ElementsAre(0, 1, 0, 0));  // 4, then 3 < 3.5, then 3 > 2.5 for good
}

TEST(Sampler, BiasComesBeforeTheRepetitionPenalty) {
  SamplingParams params = greedy();
  params.repetition_penalty = 2;
  params.logit_bias = {{0, 3.0f}};
  // (1 + 3) / 2 = 2 < 3; the other way round it were 1 / 2 + 3 = 3.5.
  EXPECT_EQ(*sample_once(params, {1, 3, 0, 0, 0}, {0}), 1);
}

TEST(Sampler, FrequenciesFollowTheDistribution) {
  const std::vector<float> row = {0, 1, 2, -kInfinity, 0.5f};
  constexpr int kDraws = 100'000;
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    SamplingParams params;
    params.temperature = temperature;
    std::vector<double> expected;
    double total = 0;
    for (const float logit : row) {
      expected.push_back(std::exp(static_cast<double>(logit / temperature)));
      total += expected.back();
    }
    const std::vector<int> counts = frequencies(params, row, kDraws);
    EXPECT_EQ(counts[3], 0);
    double chi_squared = 0;
    for (const int id : {0, 1, 2, 4}) {
      const double mean = expected[id] / total * kDraws;
      chi_squared += (counts[id] - mean) * (counts[id] - mean) / mean;
    }
    EXPECT_LT(chi_squared, 16.3) << "temperature "
                                 << temperature;  // 3 degrees of freedom, p = 0.001
  }
}

TEST(Sampler, TopKKeepsExactlyK) {
  SamplingParams params;
  params.top_k = 2;
  // Three share the second place: the lowest id gets it.
  const std::vector<int> counts = frequencies(params, {1, 2, 1, 0, 1}, 2000);
  EXPECT_GT(counts[0], 0);
  EXPECT_GT(counts[1], 0);
  EXPECT_EQ(counts[0] + counts[1], 2000);
}

TEST(Sampler, TopPKeepsTheTokenThatCrossesIt) {
  const auto log_of = [](double p) { return static_cast<float>(std::log(p)); };
  const std::vector<float> row = {log_of(0.1), log_of(0.5), log_of(0.3), log_of(0.1)};
  SamplingParams params;
  params.top_p = 0.6f;
  const std::vector<int> counts = frequencies(params, row, 4000);
  EXPECT_EQ(counts[1] + counts[2], 4000);
  EXPECT_NEAR(counts[1], 2500, 150);  // 0.5 / 0.8
  params.top_p = 1e-6f;               // one is left always
  EXPECT_EQ(frequencies(params, row, 100)[1], 100);
}

// 0.5 of what top_k leaves (0.5 + 0.3), not of everything: one token reaches it.
TEST(Sampler, TopPActsOnWhatTopKLeaves) {
  const auto log_of = [](double p) { return static_cast<float>(std::log(p)); };
  SamplingParams params;
  params.top_k = 2;
  params.top_p = 0.55f;
  const std::vector<float> row = {log_of(0.1), log_of(0.5), log_of(0.3), log_of(0.1)};
  EXPECT_EQ(frequencies(params, row, 1000)[1], 1000);
}

TEST(Sampler, MinPIsRelativeToTheMostProbable) {
  const auto log_of = [](double p) { return static_cast<float>(std::log(p)); };
  SamplingParams params;
  params.min_p = 0.5f;
  const std::vector<int> counts =
      frequencies(params, {log_of(0.2), log_of(0.45), log_of(0.25), log_of(0.1)}, 1000);
  EXPECT_EQ(counts[1] + counts[2], 1000);
  EXPECT_GT(counts[2], 0);
  params.min_p = 1;
  EXPECT_EQ(frequencies(params, {0, 1, 0.999f, 0}, 100)[1], 100);
}

TEST(Sampler, ChoicesAndPositionsDrawApart) {
  SamplingParams params;
  params.seed = 99;
  const std::vector<float> row(64, 0.0f);
  SamplerScratch scratch(64);
  const std::vector<TokenId> prompt = {1, 2, 3};
  std::map<std::vector<TokenId>, int> outputs;
  for (std::int32_t choice = 0; choice < 8; ++choice) {
    Sampler sampler(params, choice, prompt);
    std::vector<TokenId> output;
    for (int i = 0; i < 8; ++i) {
      output.push_back(*sampler.sample(row, {}, scratch));
      sampler.accept(output.back());
    }
    EXPECT_GT(std::set<TokenId>(output.begin(), output.end()).size(), 1U);
    ++outputs[output];
  }
  EXPECT_EQ(outputs.size(), 8U);
}

TEST(Sampler, VeryLowTemperatureIsTheArgmax) {
  SamplingParams params;
  params.temperature = 1e-30f;
  EXPECT_EQ(frequencies(params, {1, 2, 1.9999f, 0}, 100)[1], 100);
}

// ----- what cannot be sampled -----

TEST(Sampler, UnusableLogitsAreNumericalErrors) {
  SamplingParams sampled;
  sampled.top_k = 2;
  for (const SamplingParams& params : {greedy(), SamplingParams{}, sampled}) {
    for (const std::vector<float>& row : {std::vector<float>{0, kNan, 1},
                                          {kNan, kNan, kNan},
                                          {0, 1, kInfinity},
                                          {-kInfinity, -kInfinity, -kInfinity},
                                          {0, 1, -kNan}}) {
      const Result<TokenId> token = sample_once(params, row);
      ASSERT_FALSE(token);
      EXPECT_EQ(token.error().code, ErrorCode::kNumerical);
    }
  }
}

TEST(Sampler, NanInABannedTokenIsStillAnError) {
  SamplingParams params;
  params.banned = {1};
  EXPECT_EQ(sample_once(params, {0, kNan, 1}).error().code, ErrorCode::kNumerical);
}

TEST(Sampler, OverflowByAPenaltyIsANumericalError) {
  SamplingParams params;
  params.repetition_penalty = 1e-5f;
  EXPECT_EQ(sample_once(params, {3e38f, 0, 1}, {0}).error().code, ErrorCode::kNumerical);
}

TEST(Sampler, AllBannedIsAnErrorNotALoop) {
  SamplingParams params;
  params.banned = {0, 1, 2};
  EXPECT_EQ(sample_once(params, {0, 1, 2}).error().code, ErrorCode::kInvalidArgument);
  // The only token that the model can say is banned.
  params.banned = {0};
  EXPECT_EQ(sample_once(params, {0, -kInfinity, -kInfinity}).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(Sampler, ABiasOfMinusHundredOnAllTokensChangesNothing) {
  const std::vector<float> row = {0.5f, 2, 1, 0};
  SamplingParams params = greedy();
  for (TokenId id = 0; id < 4; ++id) params.logit_bias.emplace_back(id, -100.0f);
  EXPECT_EQ(*sample_once(params, row), 1);
}

TEST(TokenCounts, CountsManyTokens) {
  TokenCounts counts;
  std::map<TokenId, std::int32_t> expected;
  TestRandom random(3);
  for (int i = 0; i < 20'000; ++i) {
    const TokenId token = random.integer(0, 4000) * 64;
    const std::int32_t generated = random.integer(0, 1);
    counts.add(token, generated);
    expected[token] += generated;
  }
  std::map<TokenId, std::int32_t> actual;
  for (const TokenCounts::Entry& entry : counts.entries()) {
    EXPECT_TRUE(actual.emplace(entry.token, entry.generated).second);
  }
  EXPECT_EQ(actual, expected);
}

}  // namespace
}  // namespace tessera::engine
