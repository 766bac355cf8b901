// Conversations through the engine with its prefix cache: what is computed again, and that the
// tokens are those of a cold start.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "engine/test_random.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

using Text = std::vector<TokenId>;

Text operator+(Text a, const Text& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// `tokens` of a message, told apart by `salt`.
Text message(std::int32_t tokens, std::int32_t salt) {
  Text text(static_cast<std::size_t>(tokens));
  for (std::size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<TokenId>((i * 7 + static_cast<std::size_t>(salt) * 31) % 60);
  return text;
}

// As the template builds prompts: boundaries behind each message, and one before the think block.
struct Conversation {
  Text history;
  std::vector<std::int32_t> boundaries;

  void say(const Text& text) {
    history = history + text;
    boundaries.push_back(static_cast<std::int32_t>(history.size()));
  }
  EngineRequest ask(std::uint64_t seed = 1) const {
    EngineRequest request = random_sampled(history + Text{200, 201}, 12, seed);
    request.boundaries = boundaries;
    request.boundaries.push_back(static_cast<std::int32_t>(history.size()) + 2);
    request.prompt.insert(request.prompt.end(), {202, 203});  // the think block
    return request;
  }
};

class PrefixReuse : public testing::Test {
 protected:
  explicit PrefixReuse() : sim_(with_script(poisoned_hash())) {}

  // The tokens from the cache; the answer is a cold start's.
  std::int32_t run(const EngineRequest& request, Simulation* other = nullptr) {
    Simulation& sim = other != nullptr ? *other : sim_;
    const std::size_t index = sim.submit(request);
    sim.run();
    EXPECT_TRUE(sim[index].is_done());
    EngineOptions without;
    without.prefix_cache_bytes = 0;
    Simulation cold(with_script(poisoned_hash()), without);
    cold.submit(request);
    cold.run();
    EXPECT_EQ(sim[index].all_tokens(), cold[0].all_tokens());
    EXPECT_EQ(cold[0].cached_tokens(), 0);
    last_ = sim[index].all_tokens();
    return sim[index].cached_tokens();
  }

  Simulation sim_;
  std::vector<Text> last_;
};

TEST_F(PrefixReuse, TheNextTurnComputesItsNewTextAlone) {
  Conversation chat;
  chat.say(message(40, 1));
  chat.say(message(100, 2));
  EXPECT_EQ(run(chat.ask()), 0);
  for (int turn = 0; turn < 5; ++turn) {
    const auto shared = static_cast<std::int32_t>(chat.history.size()) + 2;
    chat.say(Text{200, 201} + message(30, 10 + turn));  // the answer, without its think block
    chat.say(message(25, 20 + turn));
    EXPECT_EQ(run(chat.ask()), shared);
  }
  EXPECT_EQ(sim_.counters().cache_hits, 5);
  EXPECT_EQ(sim_.counters().cache_misses, 1);
}

TEST_F(PrefixReuse, TheSameQuestionAgain) {
  Conversation chat;
  chat.say(message(100, 2));
  EXPECT_EQ(run(chat.ask(1)), 0);
  EXPECT_EQ(run(chat.ask(2)), 102);
  EngineRequest many = chat.ask(3);
  many.choices = 4;
  EXPECT_EQ(run(many), 102);
}

TEST_F(PrefixReuse, TheSameSystemPromptAndAnotherUser) {
  for (int user = 0; user < 3; ++user) {
    Conversation chat;
    chat.say(message(80, 1));
    chat.say(message(50, 10 + user));
    EXPECT_EQ(run(chat.ask()), user == 0 ? 0 : 80);
  }
}

TEST_F(PrefixReuse, AnEditedHistoryGoesOnAtTheLastCommonPlace) {
  Conversation chat;
  chat.say(message(40, 1));
  std::vector<Conversation> before;
  for (int turn = 0; turn < 4; ++turn) {
    before.push_back(chat);
    chat.say(message(100, 10 + turn));
    run(chat.ask());
    chat.say(Text{200, 201} + message(30, 20 + turn));
  }
  Conversation edited = before[2];  // the third question, put in other words
  edited.say(message(60, 99));
  const std::int32_t cached = run(edited.ask());
  EXPECT_GE(cached, static_cast<std::int32_t>(before[1].history.size()) + 102);
  EXPECT_LE(cached, static_cast<std::int32_t>(before[2].history.size()));
}

TEST_F(PrefixReuse, AToolsResultGoesOnBehindTheAnswer) {
  Conversation chat;
  chat.say(message(90, 1));
  EngineRequest request = chat.ask();
  request.keep_answer = true;
  request.max_tokens = 40;
  request.end_tokens.clear();
  run(request);
  ASSERT_EQ(last_[0].size(), 40U);
  // The last token is not in the sequence yet.
  const Text whole = request.prompt + last_[0];
  EngineRequest next = request;
  next.prompt = whole + message(20, 7);
  EXPECT_EQ(run(next), static_cast<std::int32_t>(whole.size()) - 1);
}

TEST_F(PrefixReuse, AccountsShareNothingButWhatIsListed) {
  Conversation chat;
  chat.say(message(80, 1));
  chat.say(message(50, 2));
  EngineRequest request = chat.ask();
  request.account = AccountId{1};
  run(request);
  request.account = AccountId{2};
  EXPECT_EQ(run(request), 0);
  request.shared_tokens = 80;
  request.account = AccountId{3};
  EXPECT_EQ(run(request), 0);
  request.account = AccountId{4};
  EXPECT_EQ(run(request), 80);
  request.shared_tokens = 0;
  request.account = AccountId{5};
  EXPECT_EQ(run(request), 0);
}

TEST_F(PrefixReuse, NumbersThatAreNotFiniteLeaveNothingBehind) {
  for (const TokenId poison : {66, 67}) {  // from the third token on, or at once
    EngineRequest request = random_sampled(Text{poison} + message(200, 1), 12, 1);
    request.boundaries = {100, 201};
    for (int i = 0; i < 2; ++i) {
      const std::size_t index = sim_.submit(request);
      sim_.run();
      ASSERT_TRUE(sim_[index].error());
      EXPECT_EQ(sim_[index].error()->code, ErrorCode::kNumerical);
      EXPECT_EQ(sim_[index].cached_tokens(), 0);
    }
    EXPECT_EQ(sim_.counters().cache_entries, 0);
  }
}

TEST_F(PrefixReuse, NoCacheWhereThereIsToBeNone) {
  EngineOptions options;
  options.prefix_cache_bytes = 0;
  Simulation sim(with_script(poisoned_hash()), options);
  Conversation chat;
  chat.say(message(100, 2));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(run(chat.ask(), &sim), 0);
  EXPECT_EQ(sim.counters().cache_entries, 0);
}

FakeOptions small_memory(std::int64_t tokens) {
  FakeOptions backend = with_script(poisoned_hash());
  backend.max_reserved_tokens = tokens;
  return backend;
}

// A request that needs the memory has it; one that could not have it anyway leaves the cache alone.
TEST_F(PrefixReuse, TheCacheGivesWayToRequests) {
  Simulation sim(small_memory(512));
  Conversation chat;
  chat.say(message(200, 1));
  run(chat.ask(), &sim);
  EXPECT_EQ(run(chat.ask(), &sim), 202);
  EngineRequest large = random_sampled(message(400, 3), 100, 1);
  EXPECT_EQ(run(large, &sim), 0);
  EXPECT_EQ(run(chat.ask(), &sim), 0);
  EXPECT_GT(sim.counters().cache_evictions, 0);
  const std::int64_t evictions = sim.counters().cache_evictions;
  const std::size_t index = sim.submit(random_sampled(message(400, 3), 200, 1));
  sim.run();
  ASSERT_TRUE(sim[index].error());
  EXPECT_EQ(sim[index].error()->code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(sim.counters().cache_evictions, evictions);
}

TEST_F(PrefixReuse, TheCapHolds) {
  EngineOptions options;
  options.prefix_cache_bytes = 600;  // bytes, and tokens: the fake's KV is one byte a token
  Simulation sim(small_memory(1 << 20), options);
  for (int i = 0; i < 20; ++i) {
    run(random_sampled(message(150, i), 5, 1), &sim);
    const model::MemoryUse use = sim.backend().memory();
    EXPECT_LE(use.kv_blocks_cached * sim.backend().limits().kv_block_tokens, 600);
  }
  EXPECT_GT(sim.counters().cache_entries, 0);
}

// Random conversations that branch, are edited and asked again, several at once, some with tools,
// in little memory: every answer is a cold start's.
TEST_F(PrefixReuse, WarmIsColdOverRandomConversations) {
  std::int64_t cached = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    TestRandom random(seed);
    EngineOptions options;
    options.prefill_chunk = random.integer(1, 300);
    FakeOptions backend = small_memory(random.integer(2000, 8000));
    backend.limits.max_sequences = random.integer(2, 8);
    Simulation sim(std::move(backend), options);
    std::vector<Conversation> chats(1);
    chats[0].say(message(random.integer(1, 60), 0));
    std::vector<EngineRequest> requests;
    for (int i = 0; i < 40; ++i) {
      Conversation chat = chats[random.integer(0, static_cast<std::int32_t>(chats.size()) - 1)];
      chat.say(message(random.integer(1, 90), random.integer(0, 3)));
      EngineRequest request = chat.ask(random.integer(0, 5));
      request.choices = random.chance(5) ? 2 : 1;
      request.account = AccountId{static_cast<std::uint64_t>(random.integer(1, 2))};
      request.keep_answer = random.chance(2);
      request.shared_tokens = random.chance(3) ? chat.boundaries.front() : 0;
      requests.push_back(request);
      sim.submit(request);
      if (random.chance(2)) sim.run();
      if (chat.history.size() < 600) chats.push_back(chat);
    }
    sim.run();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      ASSERT_TRUE(sim[i].is_done());
      EngineOptions without;
      without.prefix_cache_bytes = 0;
      Simulation cold(with_script(poisoned_hash()), without);
      cold.submit(requests[i]);
      cold.run();
      ASSERT_EQ(sim[i].all_tokens(), cold[0].all_tokens());
      cached += sim[i].cached_tokens();
    }
  }
  EXPECT_GT(cached, 60 * 40 * 50);
}

}  // namespace
}  // namespace tessera::engine
