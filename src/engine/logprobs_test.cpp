#include "engine/logprobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/test_constraint.h"
#include "engine/test_random.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// ----- the slow, obvious one: no shift by the maximum, a sort of everything -----

std::vector<TokenLogprob> slow_logprobs(const std::vector<float>& row, TokenId token, int top,
                                        const std::vector<TokenId>& unlisted) {
  long double sum = 0;
  for (const float logit : row) sum += std::exp(static_cast<long double>(logit));
  std::vector<TokenLogprob> all;
  for (std::size_t id = 0; id < row.size(); ++id)
    all.push_back({static_cast<TokenId>(id),
                   static_cast<double>(static_cast<long double>(row[id]) - std::log(sum))});
  std::vector<TokenLogprob> out = {all[static_cast<std::size_t>(token)]};
  std::erase_if(all, [&](const TokenLogprob& entry) {
    return std::find(unlisted.begin(), unlisted.end(), entry.token) != unlisted.end();
  });
  std::sort(all.begin(), all.end(), [&](const TokenLogprob& a, const TokenLogprob& b) {
    const float x = row[static_cast<std::size_t>(a.token)];
    const float y = row[static_cast<std::size_t>(b.token)];
    return x != y ? x > y : a.token < b.token;
  });
  if (all.size() > static_cast<std::size_t>(top)) all.resize(static_cast<std::size_t>(top));
  out.insert(out.end(), all.begin(), all.end());
  return out;
}

void expect_near(const std::vector<TokenLogprob>& actual,
                 const std::vector<TokenLogprob>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].token, expected[i].token) << i;
    if (std::isinf(expected[i].logprob)) {
      EXPECT_EQ(actual[i].logprob, expected[i].logprob);
    } else {
      EXPECT_NEAR(actual[i].logprob, expected[i].logprob, 1e-11) << i;
    }
  }
}

TEST(Logprobs, AgreeWithTheSlowOnes) {
  TestRandom random(5);
  for (int round = 0; round < 2000; ++round) {
    const std::int32_t vocabulary = random.integer(1, 200);
    std::vector<float> row(static_cast<std::size_t>(vocabulary));
    const bool ties = random.chance(3);
    for (float& logit : row) {
      logit = ties ? static_cast<float>(random.integer(-2, 2)) : random.real(-60, 60);
      if (random.chance(12)) logit = -kInfinity;
    }
    const TokenId token = random.integer(0, vocabulary - 1);
    row[static_cast<std::size_t>(random.integer(0, vocabulary - 1))] = 1;  // one is finite
    std::vector<TokenId> unlisted;
    for (TokenId id = 0; id < vocabulary; ++id)
      if (random.chance(5)) unlisted.push_back(id);
    const int top = random.integer(0, 20);
    expect_near(compute_logprobs(row, token, top, unlisted),
                slow_logprobs(row, token, top, unlisted));
  }
}

TEST(Logprobs, HugeLogitsNeitherOverflowNorVanish) {
  const std::vector<TokenLogprob> row =
      compute_logprobs(std::vector<float>{3e38f, 3e38f, -3e38f}, 2, 2, {});
  EXPECT_NEAR(row[0].logprob, -6e38, 1e32);
  EXPECT_NEAR(row[1].logprob, -std::log(2), 1e-12);
  EXPECT_EQ(row[1].token, 0);
  EXPECT_EQ(row[2].token, 1);
}

TEST(Logprobs, TheNormaliserIsOverTheWholeRowAlsoWhatIsNotListed) {
  const std::vector<TokenLogprob> row =
      compute_logprobs(std::vector<float>{0, 0, 0, 0}, 3, 4, std::vector<TokenId>{0, 2});
  ASSERT_EQ(row.size(), 3U);  // its own, and the two that are listed
  EXPECT_EQ(row[1].token, 1);
  EXPECT_EQ(row[2].token, 3);
  for (const TokenLogprob& entry : row) EXPECT_NEAR(entry.logprob, -std::log(4), 1e-15);
}

// ----- in the engine -----

std::vector<TokenEvent> token_events(Simulation& sim, std::size_t index) {
  std::vector<TokenEvent> tokens;
  while (const auto event = sim.entry(index).events->pop())
    if (const auto* token = std::get_if<TokenEvent>(&*event)) tokens.push_back(*token);
  return tokens;
}

TEST(Logprobs, EventsHaveThoseOfTheModelWhateverTheSamplingDoes) {
  std::vector<std::vector<float>> rows;
  FakeOptions backend = with_script(
      [&rows, hash = script_hash(8)](const FakeContext& context, std::span<float> logits) {
        hash(context, logits);
        rows.emplace_back(logits.begin(), logits.end());
      });
  EngineRequest request = random_sampled({1, 2}, 10, 3);
  request.end_tokens.clear();
  request.sampling.temperature = 0.3f;
  request.sampling.presence_penalty = 2;
  request.sampling.logit_bias = {{9, 50.0f}};
  request.sampling.banned = {4, 5};
  request.top_logprobs = 5;
  request.unlisted = {1, 200};
  request.make_constraint =
      constrain([](std::span<const TokenId> generated, auto) -> Result<NextToken> {
        return generated.size() == 2 ? NextToken::forced(77) : NextToken::free();
      });
  Simulation sim(std::move(backend));
  sim.submit(request);
  while (sim.step()) {
  }
  const std::vector<TokenEvent> tokens = token_events(sim, 0);
  ASSERT_EQ(tokens.size(), 10U);
  ASSERT_EQ(rows.size(), 10U);
  EXPECT_EQ(tokens[2].token, 77);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    expect_near(tokens[i].logprobs, slow_logprobs(rows[i], tokens[i].token, 5, request.unlisted));
}

TEST(Logprobs, AreThereWhenAskedForAndChangeNoToken) {
  EngineRequest request = random_sampled({1, 2}, 10, 3);
  request.choices = 2;
  Simulation sim(with_script(script_hash(8)));
  sim.submit(request);
  request.top_logprobs = 0;
  sim.submit(request);
  request.top_logprobs = 20;
  sim.submit(request);
  while (sim.step()) {
  }
  const std::vector<TokenEvent> none = token_events(sim, 0);
  const std::vector<TokenEvent> own = token_events(sim, 1);
  const std::vector<TokenEvent> twenty = token_events(sim, 2);
  ASSERT_FALSE(none.empty());
  ASSERT_EQ(none.size(), own.size());
  ASSERT_EQ(none.size(), twenty.size());
  for (std::size_t i = 0; i < none.size(); ++i) {
    EXPECT_EQ(own[i].token, none[i].token);
    EXPECT_EQ(twenty[i].token, none[i].token);
    EXPECT_EQ(none[i].logprobs.size(), 0U);
    ASSERT_EQ(own[i].logprobs.size(), 1U);
    ASSERT_EQ(twenty[i].logprobs.size(), 21U);
    EXPECT_EQ(own[i].logprobs[0].logprob, twenty[i].logprobs[0].logprob);  // the same bits
  }
}

}  // namespace
}  // namespace tessera::engine
