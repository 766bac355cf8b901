#include "model/sequence_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

namespace tessera::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Ten blocks of four tokens, if no state took room.
constexpr SequenceLedger::Sizes kSizes{
    .budget_bytes = 100, .block_tokens = 4, .block_bytes = 10, .state_bytes = 10};

TEST(SequenceLedger, PromisesAreKeptOrNotMade) {
  SequenceLedger ledger(kSizes);
  EXPECT_EQ(ledger.capacity(1), 9);
  EXPECT_THAT(ledger.open(37).error().message, HasSubstr("10 blocks"));
  Holding a = *ledger.open(20);  // 5 blocks and a state
  EXPECT_EQ(ledger.counts().promised, 5);
  EXPECT_EQ(ledger.counts().taken_bytes, 10U);
  EXPECT_EQ(ledger.open(13).error().code, ErrorCode::kResourceExhausted);  // 4 blocks; 3 are left
  Holding b = *ledger.open(12);
  EXPECT_THAT(ledger.open(0).error().message, HasSubstr("recurrent state"));
  EXPECT_FALSE(ledger.freeze(b, 0));
  ledger.grow(a, 20);
  ledger.grow(b, 12);
  EXPECT_EQ(ledger.counts().free, 0);
  ledger.check_integrity(std::vector<const Holding*>{&a, &b});
  ledger.close(std::move(a));
  EXPECT_EQ(ledger.freed().size(), 5U);
  EXPECT_EQ(ledger.counts().free, 6);
  ledger.close(std::move(b));
  EXPECT_EQ(ledger.counts().free, 10);
  ledger.check_integrity({});
}

TEST(SequenceLedger, PromisesGrowWhileThereIsRoom) {
  SequenceLedger ledger(kSizes);
  Holding a = *ledger.open(4);
  Holding b = *ledger.open(8);
  ledger.grow(a, 3);
  EXPECT_TRUE(ledger.extend(a, 3));  // has it
  EXPECT_EQ(ledger.counts().promised, 2);
  EXPECT_THAT(ledger.extend(a, 25).error().message, HasSubstr("6 blocks"));  // 5 are left
  EXPECT_EQ(ledger.counts().promised, 2);
  EXPECT_TRUE(ledger.extend(a, 24));
  EXPECT_EQ(ledger.counts().promised, 7);
  EXPECT_FALSE(ledger.extend(b, 9));
  ledger.grow(a, 24);
  ledger.check_integrity(std::vector<const Holding*>{&a, &b});
  ledger.close(std::move(a));
  EXPECT_TRUE(ledger.extend(b, 9));
  ledger.close(std::move(b));
  ledger.check_integrity({});
}

TEST(SequenceLedger, FullBlocksAreSharedAPartlyFilledOneIsNot) {
  SequenceLedger ledger(kSizes);
  Holding a = *ledger.open(12);
  ledger.grow(a, 10);
  Holding saved = *ledger.freeze(a, 10);
  EXPECT_EQ(saved.blocks, a.blocks);
  EXPECT_EQ(ledger.counts().running, 3);
  EXPECT_EQ(ledger.counts().cached, 0);
  Holding b = *ledger.resume(saved, 10, 16);
  ASSERT_EQ(b.blocks.size(), 3U);
  EXPECT_EQ(b.blocks[1], a.blocks[1]);
  EXPECT_NE(b.blocks[2], a.blocks[2]);
  EXPECT_EQ(b.promised, 1);
  Holding even = *ledger.resume(saved, 8, 8);  // at the edge of a block nothing is copied
  EXPECT_THAT(even.blocks, ElementsAre(a.blocks[0], a.blocks[1]));
  ledger.close(std::move(even));
  EXPECT_TRUE(ledger.freed().empty());
  const BlockId last = a.blocks[2];
  ledger.close(std::move(a));
  EXPECT_TRUE(ledger.freed().empty());  // the checkpoint has it
  EXPECT_EQ(ledger.counts().cached, 1);
  ledger.check_integrity(std::vector<const Holding*>{&saved, &b});
  ledger.close(std::move(saved));
  EXPECT_THAT(ledger.freed(), ElementsAre(last));
  ledger.close(std::move(b));
  EXPECT_EQ(ledger.freed().size(), 3U);
}

TEST(SequenceLedger, AModelWithoutAttentionHasNoBlocks) {
  SequenceLedger ledger(
      {.budget_bytes = 20, .block_tokens = 4, .block_bytes = 0, .state_bytes = 10});
  Holding a = *ledger.open(1000);
  ledger.grow(a, 1000);
  Holding saved = *ledger.freeze(a, 1000);
  EXPECT_FALSE(ledger.resume(saved, 1000, 2000));
  ledger.close(std::move(a));
  Holding b = *ledger.resume(saved, 1000, 2000);
  EXPECT_TRUE(b.blocks.empty());
  ledger.close(std::move(b));
  ledger.close(std::move(saved));
}

TEST(SequenceLedger, BooksThatDoNotAgreeAreABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SequenceLedger ledger(kSizes);
  Holding a = *ledger.open(8);
  EXPECT_DEATH(ledger.check_integrity({}), "promised");
  EXPECT_DEATH(ledger.grow(a, 9), "promised");
  ledger.close(std::move(a));
}

// Everything at random, to the edge of the budget: nothing runs out behind a promise, the books
// agree after each step, and all comes back.
TEST(SequenceLedger, HoldsOverRandomLives) {
  struct Live {
    Holding holding;
    std::int32_t seen = 0, max_tokens = 0;
  };
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::int32_t>(random() % n); };
    SequenceLedger ledger({.budget_bytes = 700,
                           .block_tokens = 1 + below(5),
                           .block_bytes = 10,
                           .state_bytes = static_cast<std::size_t>(below(40))});
    std::vector<Live> sequences, checkpoints;
    for (int step = 0; step < 300; ++step) {
      const int what = below(8);
      std::vector<Live>& some = what < 6 ? sequences : checkpoints;
      Live* one = some.empty() ? nullptr : &some[random() % some.size()];
      if (what == 0) {
        const std::int32_t tokens = 1 + below(60);
        if (auto made = ledger.open(tokens)) sequences.push_back({*std::move(made), 0, tokens});
      } else if (one == nullptr) {
        continue;
      } else if (what <= 3) {
        one->seen += below(static_cast<std::size_t>(one->max_tokens - one->seen) + 1);
        ledger.grow(one->holding, one->seen);
      } else if (what == 4) {
        if (auto made = ledger.freeze(one->holding, one->seen))
          checkpoints.push_back({*std::move(made), one->seen, 0});
      } else if (what == 6 || (what == 5 && below(2) == 0)) {
        const std::int32_t tokens = one->seen + 1 + below(20);
        auto made = ledger.resume(one->holding, one->seen, tokens);
        if (made) sequences.push_back({*std::move(made), one->seen, tokens});
      } else {
        ledger.close(std::move(one->holding));
        some.erase(some.begin() + (one - some.data()));
      }
      std::vector<const Holding*> holdings;
      for (const auto* list : {&sequences, &checkpoints})
        for (const Live& live : *list) holdings.push_back(&live.holding);
      ledger.check_integrity(holdings);
    }
    for (auto* list : {&sequences, &checkpoints})
      for (Live& live : *list) ledger.close(std::move(live.holding));
    ledger.check_integrity({});
    EXPECT_EQ(ledger.counts().taken_bytes, 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tessera::model
