// What is kept, what is found, and who has to go.
#include "engine/prefix_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

#include "engine/fake_backend.h"
#include "engine/test_random.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

using testing::ElementsAre;

// ----- the plan -----

TEST(PlanCheckpoints, TheNewestBoundaryAndTheFirst) {
  EXPECT_THAT(plan_checkpoints(204, std::vector<std::int32_t>{60, 190, 200}, 0, 16),
              ElementsAre(60, 200));
}

// Other users' questions go on there, however short this one is.
TEST(PlanCheckpoints, TheSystemPromptIsKeptBeforeAShortQuestion) {
  EXPECT_THAT(plan_checkpoints(74, std::vector<std::int32_t>{60, 67, 70}, 0, 16),
              ElementsAre(60, 70));
  EXPECT_THAT(plan_checkpoints(74, std::vector<std::int32_t>{60, 67, 70}, 60, 16), ElementsAre());
  EXPECT_THAT(plan_checkpoints(24, std::vector<std::int32_t>{15, 17, 20}, 0, 16), ElementsAre(20));
}

TEST(PlanCheckpoints, ShortPromptsAreNotWorthIt) {
  EXPECT_THAT(plan_checkpoints(20, std::vector<std::int32_t>{12, 15}, 0, 16), ElementsAre());
  EXPECT_THAT(plan_checkpoints(21, std::vector<std::int32_t>{12, 16}, 0, 16), ElementsAre(16));
}

// One turn without a system prompt: its two boundaries lie side by side.
TEST(PlanCheckpoints, NeighboursAreKeptOnce) {
  EXPECT_THAT(plan_checkpoints(107, std::vector<std::int32_t>{100, 103}, 0, 16), ElementsAre(103));
}

TEST(PlanCheckpoints, WhatIsThereIsNotKeptAgain) {
  const std::vector<std::int32_t> boundaries = {60, 190, 200, 380, 400};
  EXPECT_THAT(plan_checkpoints(404, boundaries, 200, 16), ElementsAre(380, 400));
  EXPECT_THAT(plan_checkpoints(404, boundaries, 390, 16), ElementsAre());
}

TEST(PlanCheckpoints, TextWithoutMessagesIsKeptBeforeItsLastToken) {
  EXPECT_THAT(plan_checkpoints(100, {}, 0, 16), ElementsAre(99));
  EXPECT_THAT(plan_checkpoints(65, {}, 0, 16), ElementsAre(64));
  EXPECT_THAT(plan_checkpoints(64, {}, 0, 16), ElementsAre());
  EXPECT_THAT(plan_checkpoints(1, {}, 0, 16), ElementsAre());
}

TEST(PlanCheckpoints, LongTextsAreKeptAtStridesThatThinOut) {
  const std::vector<std::int32_t> points = plan_checkpoints(32'000, {}, 0, 48);
  EXPECT_THAT(points, ElementsAre(15'616, 27'904, 30'976, 31'744, 31'936, 31'999));
}

TEST(PlanCheckpoints, BoundariesComeBeforeStrides) {
  std::vector<std::int32_t> boundaries;
  for (std::int32_t i = 100; i < 32'000; i += 100) boundaries.push_back(i);
  for (const std::int32_t point : plan_checkpoints(32'000, boundaries, 0, 48)) {
    if (point != 31'999) {
      EXPECT_EQ(point % 100, 0);
    }
  }
}

TEST(PlanCheckpoints, PointsAreInOrderApartAndWithinThePrompt) {
  TestRandom random(3);
  for (int i = 0; i < 5000; ++i) {
    const std::int32_t prompt = random.integer(1, random.chance(2) ? 100 : 20'000);
    const std::int32_t least = random.integer(1, 64);
    const std::int32_t cached = random.integer(0, prompt - 1);
    std::vector<std::int32_t> boundaries;
    for (std::int32_t at = 0; at <= prompt; at += random.integer(1, 300)) boundaries.push_back(at);
    std::int32_t before = cached;
    const std::vector<std::int32_t> points = plan_checkpoints(prompt, boundaries, cached, least);
    for (const std::int32_t point : points) {
      const bool behind_first = before == boundaries.front();
      EXPECT_GE(point - before, behind_first ? 1 : least);
      EXPECT_LT(point, prompt);
      before = point;
    }
    EXPECT_LE(points.size(), 12U);
    EXPECT_LT(prompt - 1 - before, 4 * least + 300 + least);
  }
}

// ----- the cache -----

class PrefixCacheTest : public testing::Test {
 protected:
  PrefixCacheTest() : backend_(with_script(script_never_ends(1))), pool_(backend_, live_) {}

  static std::vector<TokenId> text(std::size_t tokens, TokenId first = 0) {
    std::vector<TokenId> result(tokens);
    std::iota(result.begin(), result.end(), first);
    return result;
  }
  // The cache never looks into a checkpoint: any will do.
  CheckpointHandle checkpoint() {
    SequenceHandle sequence = *pool_.create(1);
    return *pool_.save(sequence);
  }
  void add(PrefixCache& cache, std::uint64_t account, const std::vector<TokenId>& tokens,
           std::int32_t length, std::uint64_t owner = 1) {
    cache.add(AccountId{account}, std::make_shared<const std::vector<TokenId>>(tokens), length,
              checkpoint(), RequestId{owner});
    cache.check_integrity();
  }
  static std::int32_t found(PrefixCache& cache, std::uint64_t account,
                            const std::vector<TokenId>& prompt, std::int32_t most = 1 << 20) {
    const auto hit = cache.find(AccountId{account}, prompt, most);
    cache.check_integrity();
    return hit ? hit->tokens : 0;
  }

  FakeClock clock_;

 private:
  std::atomic<std::int32_t> live_{0};
  FakeBackend backend_;
  SequencePool pool_;
};

TEST_F(PrefixCacheTest, TheLongestEntryWins) {
  PrefixCache cache({0, 1, 100}, clock_);
  const std::vector<TokenId> tokens = text(2000);
  for (const std::int32_t length : {1, 255, 256, 257, 512, 1999}) add(cache, 1, tokens, length);
  EXPECT_EQ(found(cache, 1, tokens), 1999);
  EXPECT_EQ(found(cache, 1, tokens, 1998), 512);
  EXPECT_EQ(found(cache, 1, tokens, 511), 257);
  EXPECT_EQ(found(cache, 1, tokens, 256), 256);
  EXPECT_EQ(found(cache, 1, tokens, 255), 255);
  EXPECT_EQ(found(cache, 1, tokens, 0), 0);
  EXPECT_EQ(found(cache, 1, text(300)), 257);
  std::vector<TokenId> edited = tokens;
  edited[400] = -1;
  EXPECT_EQ(found(cache, 1, edited), 257);
  edited[0] = -1;
  EXPECT_EQ(found(cache, 1, edited), 0);
}

TEST_F(PrefixCacheTest, AccountsSeeTheirOwnAlone) {
  PrefixCache cache({0, 1, 100}, clock_);
  add(cache, 1, text(300), 300);
  EXPECT_EQ(found(cache, 2, text(300)), 0);
  EXPECT_EQ(found(cache, PrefixCache::kShared.value, text(300)), 0);
  EXPECT_EQ(found(cache, 1, text(300)), 300);
}

TEST_F(PrefixCacheTest, WhatIsThereIsNotAddedAgain) {
  PrefixCache cache({0, 1, 100}, clock_);
  add(cache, 1, text(300), 300);
  add(cache, 1, text(400), 300);
  EXPECT_EQ(cache.entries(), 1U);
  add(cache, 2, text(400), 300);
  EXPECT_EQ(cache.entries(), 2U);
}

TEST_F(PrefixCacheTest, TheOneUsedLongestAgoGoes) {
  PrefixCache cache({0, 1, 3}, clock_);
  for (const TokenId first : {1000, 2000, 3000}) {
    add(cache, 1, text(20, first), 20);
    clock_.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(found(cache, 1, text(20, 1000)), 20);
  add(cache, 1, text(20, 4000), 20);
  EXPECT_EQ(cache.evictions(), 1);
  EXPECT_EQ(found(cache, 1, text(20, 2000)), 0);
  EXPECT_EQ(found(cache, 1, text(20, 1000)), 20);
  EXPECT_EQ(found(cache, 1, text(20, 3000)), 20);
}

TEST_F(PrefixCacheTest, WhoFloodsLosesItsOwn) {
  PrefixCache cache({0, 1, 10}, clock_);
  add(cache, 1, text(20), 20);
  for (TokenId i = 1; i < 50; ++i) add(cache, 2, text(20, 1000 * i), 20);
  EXPECT_EQ(cache.entries(), 10U);
  EXPECT_EQ(found(cache, 1, text(20)), 20);
  clock_.advance(std::chrono::minutes(10));
  for (TokenId i = 50; i < 60; ++i) add(cache, 2, text(20, 1000 * i), 20);
  EXPECT_EQ(found(cache, 1, text(20)), 0);  // not used for so long that it has no claim
}

TEST_F(PrefixCacheTest, EvictsAllButTheSparedOne) {
  PrefixCache cache({0, 1, 10}, clock_);
  for (TokenId i = 0; i < 4; ++i) add(cache, 1, text(20, 1000 * i), 20);
  const auto hit = cache.find(AccountId{1}, text(20), 20);
  ASSERT_TRUE(hit);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(cache.evict_one(hit->checkpoint));
  EXPECT_FALSE(cache.evict_one(hit->checkpoint));
  EXPECT_TRUE(hit->checkpoint->holds());
  EXPECT_TRUE(cache.evict_one());
  EXPECT_FALSE(cache.evict_one());
  cache.check_integrity();
}

TEST_F(PrefixCacheTest, ForgetsWhatARequestHasAdded) {
  PrefixCache cache({0, 1, 10}, clock_);
  add(cache, 1, text(600), 300, 7);
  add(cache, 1, text(600), 600, 8);
  add(cache, 2, text(20), 20, 7);
  cache.forget(RequestId{7});
  cache.check_integrity();
  EXPECT_EQ(cache.entries(), 1U);
  EXPECT_EQ(found(cache, 1, text(600), 599), 0);
  EXPECT_EQ(found(cache, 1, text(600)), 600);
}

TEST_F(PrefixCacheTest, NothingIsKeptWithoutRoom) {
  PrefixCache cache({0, 1, 0}, clock_);
  add(cache, 1, text(20), 20);
  EXPECT_EQ(cache.entries(), 0U);
}

// Against a list that is searched in the plainest way.
TEST_F(PrefixCacheTest, FindsWhatASearchFinds) {
  TestRandom random(5);
  PrefixCache cache({0, 1, 1000}, clock_);
  std::vector<std::pair<std::uint64_t, std::vector<TokenId>>> kept;
  const auto random_text = [&] {
    std::vector<TokenId> tokens(random.integer(1, 700), 0);
    for (const int at : {100, 255, 256, 300, 511, 512, 600})
      if (std::cmp_less(at, tokens.size())) tokens[at] = random.integer(0, 1);
    return tokens;
  };
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t account = random.integer(1, 2);
    const std::vector<TokenId> tokens = random_text();
    add(cache, account, tokens, static_cast<std::int32_t>(tokens.size()));
    kept.emplace_back(account, tokens);
    const std::vector<TokenId> prompt = random_text();
    std::size_t longest = 0;
    for (const auto& [owner, each] : kept) {
      const bool begins =
          each.size() <= prompt.size() && std::equal(each.begin(), each.end(), prompt.begin());
      if (owner == account && begins) longest = std::max(longest, each.size());
    }
    EXPECT_EQ(found(cache, account, prompt), static_cast<std::int32_t>(longest));
  }
}

}  // namespace
}  // namespace tessera::engine
