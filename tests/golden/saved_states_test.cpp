// What every backend promises of checkpoints of a sequence's state (model/backend.h): a sequence
// that goes on from one is bit for bit the one that saw all its tokens itself, whoever shares
// blocks with it and whatever has been freed; and all memory comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "backends.h"
#include "random_model.h"

namespace tessera::test_models {
namespace {

constexpr std::size_t kConversations = 5;
constexpr std::size_t kTokens = 200;  // over three blocks of 64

// Sequences and checkpoints of one backend at random: they live, branch, are saved and freed in any
// order; each of their logits is held against the lone run of the same conversation.
class RandomLives {
 public:
  RandomLives(model::Backend& backend, std::uint32_t seed) : backend_(backend), random_(seed) {
    // Conversations share pasts: each follows the one before for a while.
    const std::int32_t vocabulary = backend.config().vocabulary;
    for (std::size_t i = 0; i < kConversations; ++i) {
      std::vector<TokenId> tokens = random_tokens(kTokens, vocabulary, seed * 31 + unsigned(i));
      if (i > 0) {
        const std::size_t same = below(kTokens);
        std::copy_n(conversations_.back().begin(), same, tokens.begin());
      }
      lone_runs_.push_back(logits_of(backend, tokens));
      conversations_.push_back(std::move(tokens));
    }
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      act();
      backend_.check_integrity();
      if (::testing::Test::HasFailure()) return;
    }
    while (!sequences_.empty()) free_sequence(below(sequences_.size()));
    while (!checkpoints_.empty()) free_checkpoint(below(checkpoints_.size()));
    backend_.check_integrity();
  }

  int resumed() const { return resumed_; }

 private:
  struct Live {
    SequenceId id;
    std::size_t conversation = 0, seen = 0;
  };
  struct Saved {
    CheckpointId id;
    std::size_t conversation = 0, seen = 0;
  };

  std::size_t below(std::size_t n) { return random_() % n; }

  void act() {
    const std::size_t what = below(10);
    if (what == 0) {
      create(static_cast<std::int32_t>(1 + below(kTokens)));
    } else if (what == 1 && !checkpoints_.empty()) {
      resume(checkpoints_[below(checkpoints_.size())]);
    } else if (what == 2 && !checkpoints_.empty()) {
      free_checkpoint(below(checkpoints_.size()));
    } else if (sequences_.empty()) {
      return;
    } else if (what == 3) {
      const Live source = sequences_[below(sequences_.size())];
      if (const auto id = backend_.copy_sequence(source.id))
        sequences_.push_back({*id, other_way(source.conversation, source.seen), source.seen});
    } else if (what == 4) {
      const Live source = sequences_[below(sequences_.size())];
      if (const auto id = backend_.save_checkpoint(source.id))
        checkpoints_.push_back({*id, source.conversation, source.seen});
    } else if (what == 5) {
      free_sequence(below(sequences_.size()));
    } else {
      step();
    }
  }

  // With some room at first, and the rest behind it, if it is there.
  void create(std::int32_t room) {
    const auto id = backend_.create_sequence(room);
    if (!id) return;
    sequences_.push_back({*id, below(kConversations), 0});
    if (!backend_.extend_sequence(*id, std::int32_t{kTokens})) free_sequence(sequences_.size() - 1);
  }

  // A conversation that agrees with `conversation` so far.
  std::size_t other_way(std::size_t conversation, std::size_t seen) {
    std::vector<std::size_t> ways;
    for (std::size_t i = 0; i < kConversations; ++i) {
      if (std::equal(conversations_[i].begin(),
                     conversations_[i].begin() + static_cast<std::ptrdiff_t>(seen),
                     conversations_[conversation].begin())) {
        ways.push_back(i);
      }
    }
    return ways[below(ways.size())];
  }

  void resume(const Saved& saved) {
    const auto room = static_cast<std::int32_t>(kTokens + below(60));
    const auto id = backend_.create_sequence_from(saved.id, room);
    if (!id) {
      EXPECT_EQ(id.error().code, ErrorCode::kResourceExhausted);
      return;
    }
    ++resumed_;
    sequences_.push_back({*id, other_way(saved.conversation, saved.seen), saved.seen});
  }

  void free_sequence(std::size_t index) {
    backend_.free_sequence(sequences_[index].id);
    sequences_.erase(sequences_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void free_checkpoint(std::size_t index) {
    backend_.free_checkpoint(checkpoints_[index].id);
    checkpoints_.erase(checkpoints_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // Some sequences, some tokens each.
  void step() {
    std::vector<model::BatchItem> items;
    std::vector<Live*> in_batch;
    for (Live& live : sequences_) {
      if (live.seen == kTokens || below(2) == 0) continue;
      const std::size_t most = std::min(kTokens - live.seen, std::size_t{40});
      const std::size_t count = below(2) == 0 ? 1 : 1 + below(most);
      items.push_back({live.id, static_cast<std::int32_t>(live.seen),
                       std::span(conversations_[live.conversation]).subspan(live.seen, count),
                       model::LogitsWanted::kAll});
      in_batch.push_back(&live);
    }
    if (items.empty()) return;
    const auto view = backend_.forward({items});
    ASSERT_TRUE(view) << view.error().message;
    backend_.synchronise();
    std::int64_t row = 0;
    const auto vocabulary = static_cast<std::size_t>(view->vocabulary);
    for (std::size_t i = 0; i < items.size(); ++i) {
      Live& live = *in_batch[i];
      for (std::size_t t = 0; t < items[i].tokens.size(); ++t, ++row) {
        const float* wanted = &lone_runs_[live.conversation][(live.seen + t) * vocabulary];
        ASSERT_TRUE(std::equal(wanted, wanted + vocabulary, view->row(row).begin()))
            << "token " << live.seen + t << " of conversation " << live.conversation;
      }
      live.seen += items[i].tokens.size();
    }
  }

  model::Backend& backend_;
  std::mt19937 random_;
  std::vector<std::vector<TokenId>> conversations_;
  std::vector<std::vector<float>> lone_runs_;  // [tokens, vocabulary] of each conversation
  std::vector<Live> sequences_;
  std::vector<Saved> checkpoints_;
  int resumed_ = 0;
};

class SavedStates : public ::testing::TestWithParam<BackendKind> {};

TEST_P(SavedStates, AWarmSequenceIsTheColdOne) {
  RandomModelShape shape;
  shape.layers = 4;
  shape.attention_interval = 2;
  const bool slow = GetParam().name == "reference" || GetParam().name == "cpu_scalar";
  const RandomModel model = make_random_model(shape);
  const auto made = GetParam().make(model.table);
  ASSERT_TRUE(made) << made.error().message;
  int resumed = 0;
  for (std::uint32_t seed = 0; seed < (slow ? 1 : 10); ++seed) {
    RandomLives lives(**made, seed);
    lives.run(400);
    if (HasFailure()) FAIL() << "seed " << seed;
    resumed += lives.resumed();
    EXPECT_EQ((*made)->memory().state_bytes, 0U);
  }
  EXPECT_GE(resumed, slow ? 1 : 20);
}

TEST_P(SavedStates, WhatTheyHoldIsCounted) {
  const RandomModel model = make_random_model({});
  const auto made = GetParam().make(model.table);
  ASSERT_TRUE(made) << made.error().message;
  model::Backend& backend = **made;
  const auto tokens = random_tokens(65, model.table.config.vocabulary, 3);
  const auto blocks = [&](std::int64_t count) {
    const std::int64_t size = backend.limits().kv_block_tokens;
    return (count + size - 1) / size;
  };
  const auto sequence = backend.create_sequence(130);
  ASSERT_TRUE(sequence);
  std::vector<float> ignored;
  append_tokens(backend, *sequence, 0, tokens, 65, ignored);
  const auto saved = backend.save_checkpoint(*sequence);
  ASSERT_TRUE(saved);
  model::MemoryUse use = backend.memory();
  EXPECT_EQ(use.kv_blocks_running, blocks(65));
  EXPECT_EQ(use.kv_blocks_promised, blocks(130) - blocks(65));
  EXPECT_EQ(use.states_running, 1);
  EXPECT_EQ(use.states_cached, 1);
  backend.free_sequence(*sequence);
  use = backend.memory();
  EXPECT_EQ(use.kv_blocks_running, 0);
  EXPECT_EQ(use.kv_blocks_cached, blocks(65));
  EXPECT_EQ(use.kv_blocks_promised, 0);
  backend.check_integrity();
  backend.free_checkpoint(*saved);
  use = backend.memory();
  EXPECT_EQ(use.kv_blocks_cached, 0);
  EXPECT_EQ(use.states_cached, 0);
  EXPECT_GE(use.kv_blocks_free, backend.limits().kv_blocks);
}

// Checkpoints may fill the memory; what then refuses a sequence takes it once they are freed.
TEST_P(SavedStates, AFullMemoryIsRefusedAndComesBack) {
  RandomModelShape shape;
  shape.max_context = 128;
  const RandomModel model = make_random_model(shape);
  const auto made = GetParam().make(model.table);
  ASSERT_TRUE(made) << made.error().message;
  model::Backend& backend = **made;
  const auto sequence = backend.create_sequence(64);
  ASSERT_TRUE(sequence);
  std::vector<float> ignored;
  append_tokens(backend, *sequence, 0, random_tokens(64, 96, 3), 64, ignored);
  std::vector<CheckpointId> all;
  auto saved = backend.save_checkpoint(*sequence);
  for (; saved && all.size() < 100'000; saved = backend.save_checkpoint(*sequence)) {
    all.push_back(*saved);
  }
  ASSERT_FALSE(saved) << "never full";
  EXPECT_EQ(saved.error().code, ErrorCode::kResourceExhausted);
  const auto refused = backend.create_sequence(128);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_FALSE(backend.create_sequence_from(all[0], 128));
  backend.check_integrity();
  for (std::size_t i = 1; i < all.size(); ++i) backend.free_checkpoint(all[i]);
  EXPECT_TRUE(backend.create_sequence(128));
  EXPECT_TRUE(backend.create_sequence_from(all[0], 128));
  backend.check_integrity();
}

INSTANTIATE_TEST_SUITE_P(Backends, SavedStates, ::testing::ValuesIn(all_kinds()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tessera::test_models
