#include "text/merges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tessera::text {
namespace {

using testing::ElementsAre;

std::vector<TokenId> merge(const MergeTable& table, std::vector<TokenId> ids) {
  std::vector<TokenId> out;
  merge_pairs(table, ids, out);
  return out;
}

// The definition, word for word.
std::vector<TokenId> merge_slowly(const std::vector<Merge>& merges, std::vector<TokenId> ids) {
  while (true) {
    std::size_t best_rank = merges.size();
    std::size_t best = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      for (std::size_t rank = 0; rank < best_rank; ++rank) {
        if (merges[rank].left == ids[i] && merges[rank].right == ids[i + 1]) {
          best_rank = rank;
          best = i;
        }
      }
    }
    if (best_rank == merges.size()) return ids;
    ids[best] = merges[best_rank].merged;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

// `count` merges among the tokens 0 to `tokens` - 1, results too, with no plan at all: a result can
// have a better rank than what made it, the same rank, or be what it was made of. Every vocabulary
// is tamer than that.
std::vector<Merge> random_merges(std::mt19937& random, TokenId tokens, std::size_t count) {
  std::vector<Merge> merges;
  for (TokenId left = 0; left < tokens; ++left) {
    for (TokenId right = 0; right < tokens; ++right) {
      merges.push_back(
          {left, right, static_cast<TokenId>(random() % static_cast<unsigned>(tokens))});
    }
  }
  std::shuffle(merges.begin(), merges.end(), random);
  merges.resize(std::min(merges.size(), count));
  return merges;
}

std::vector<TokenId> random_word(std::mt19937& random, TokenId tokens, std::size_t length) {
  std::vector<TokenId> ids(length);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % static_cast<unsigned>(tokens));
  return ids;
}

TEST(Merges, BestRankFirstThenLeftmost) {
  const MergeTable table(std::vector<Merge>{{1, 2, 10}, {0, 1, 11}, {0, 0, 12}});
  EXPECT_THAT(merge(table, {0, 1, 2}), ElementsAre(0, 10));  // not 11, 2
  EXPECT_THAT(merge(table, {0, 1, 1}), ElementsAre(11, 1));
  EXPECT_THAT(merge(table, {0, 0, 0}), ElementsAre(12, 0));  // leftmost
  EXPECT_THAT(merge(table, {3}), ElementsAre(3));
  EXPECT_THAT(merge(table, {}), ElementsAre());
  EXPECT_THAT(merge(MergeTable(), {0, 0, 0}), ElementsAre(0, 0, 0));
}

TEST(Merges, AppendsToWhatIsThere) {
  std::vector<TokenId> ids = {0, 0};
  std::vector<TokenId> out = {7};
  merge_pairs(MergeTable(std::vector<Merge>{{0, 0, 5}}), ids, out);
  EXPECT_THAT(out, ElementsAre(7, 5));
}

TEST(Merges, FindsTheFirstDuplicate) {
  const MergeTable table(std::vector<Merge>{{0, 1, 5}, {1, 0, 6}, {0, 1, 7}, {1, 0, 8}});
  EXPECT_EQ(table.first_duplicate(), 2u);
  EXPECT_EQ(table.find(0, 1).rank, 0u);
  EXPECT_EQ(table.find(0, 1).merged, 5);
  EXPECT_EQ(table.find(1, 1).rank, MergeTable::kNoRank);
  EXPECT_EQ(MergeTable(std::vector<Merge>{{0, 1, 5}, {1, 0, 6}}).first_duplicate(), 2u);
}

TEST(Merges, ShortAndMiddlingWordsFollowTheDefinition) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    const auto tokens = static_cast<TokenId>(2 + random() % 10);
    const std::vector<Merge> merges = random_merges(random, tokens, 1 + random() % 60);
    const MergeTable table(merges);
    for (const std::size_t length : {2, 3, 7, 20, 39, 40, 41, 42, 90}) {
      const std::vector<TokenId> word = random_word(random, tokens, length);
      ASSERT_EQ(merge(table, word), merge_slowly(merges, word));
    }
  }
}

TEST(Merges, HugeWordsFollowTheDefinition) {
  constexpr TokenId kSeparator =
      1'000'000;  // merges with nothing: what is between two of them stands alone
  std::mt19937 random(4);
  for (int i = 0; i < 20; ++i) {
    const auto tokens = static_cast<TokenId>(2 + random() % 10);
    const std::vector<Merge> merges = random_merges(random, tokens, 1 + random() % 40);
    const MergeTable table(merges);
    std::vector<TokenId> word;
    std::vector<TokenId> expected;
    while (word.size() < 40'000) {
      const std::vector<TokenId> part = random_word(random, tokens, 1 + random() % 30);
      word.insert(word.end(), part.begin(), part.end());
      const std::vector<TokenId> merged = merge_slowly(merges, part);
      expected.insert(expected.end(), merged.begin(), merged.end());
      word.push_back(kSeparator);
      expected.push_back(kSeparator);
    }
    ASSERT_EQ(merge(table, word), expected);
  }
}

TEST(Merges, WorkGrowsWithTheLength) {
  const std::vector<Merge> doubling = {{0, 0, 1}, {1, 1, 2}, {2, 2, 3}, {3, 3, 4}, {4, 4, 5}};
  std::mt19937 random(5);
  const std::vector<Merge> mixed = random_merges(random, 20, 200);
  for (const std::size_t length : {std::size_t{20}, std::size_t{1000}, std::size_t{1} << 20}) {
    std::vector<TokenId> out;
    std::vector<TokenId> same(length, 0);
    EXPECT_LE(merge_pairs(MergeTable(doubling), same, out), 6 * length);
    std::vector<TokenId> word = random_word(random, 20, length);
    EXPECT_LE(merge_pairs(MergeTable(mixed), word, out), 6 * length);
  }
}

}  // namespace
}  // namespace tessera::text
