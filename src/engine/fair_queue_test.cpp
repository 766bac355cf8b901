// Whose turn it is, and what one account may hold.
#include "engine/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/test_random.h"
#include "engine/test_simulation.h"

namespace tessera::engine {
namespace {

class FairQueueTest : public testing::Test {
 protected:
  LiveRequest& push(FairQueue& queue, std::uint64_t account, std::int32_t prompt_tokens = 10,
                    std::int32_t max_tokens = 10, double weight = 1) {
    EngineRequest request = make_test_request(
        std::vector<TokenId>(static_cast<std::size_t>(prompt_tokens), 1), max_tokens);
    request.account = AccountId{account};
    request.weight = weight;
    auto live = std::make_unique<LiveRequest>(RequestId{++last_id_}, request,
                                              std::make_shared<EventChannel>(16, nullptr));
    LiveRequest& reference = *live;
    queue.push(std::move(live));
    return reference;
  }
  // Admits whose turn it is; the account, or 0.
  std::uint64_t admit(FairQueue& queue) {
    LiveRequest* head = queue.head();
    if (head == nullptr) return 0;
    running_.push_back(queue.admit(*head));
    return head->request.account.value;
  }
  // Computes and ends the request that was admitted first.
  void end(FairQueue& queue, std::int64_t tokens) {
    queue.charge(*running_.front(), tokens);
    queue.release(*running_.front());
    running_.erase(running_.begin());
  }

  std::atomic<std::int64_t> backlog_{0};
  std::vector<std::unique_ptr<LiveRequest>> running_;

 private:
  std::uint64_t last_id_ = 0;
};

constexpr Holdings kPlenty{1000, 1000, 1'000'000};

// Account 2 had one request for long and wanted no more, while account 1 had much: no credit.
TEST_F(FairQueueTest, WhoWantedNoMoreWhileItRanBringsNoCreditAlong) {
  for (const bool somebody_waits : {true, false}) {
    FairQueue queue(kPlenty, 1, 0, backlog_);
    push(queue, 2);
    admit(queue);
    for (int i = 0; i < 3; ++i) push(queue, 1);
    if (somebody_waits) push(queue, 1);
    for (int i = 0; i < 3; ++i) admit(queue);
    for (const auto& request : running_)
      queue.charge(*request, request->request.account == AccountId{1} ? 1000 : 20);
    for (int i = 0; i < 4; ++i) push(queue, 2);
    for (int i = 0; i < 4; ++i) push(queue, 1);
    std::vector<std::uint64_t> turns;
    for (int i = 0; i < 4; ++i) turns.push_back(admit(queue));
    EXPECT_EQ(std::count(turns.begin(), turns.end(), 1U), 2) << somebody_waits;
    while (running_.size() > 0) end(queue, 0);
    while (admit(queue) != 0) end(queue, 0);
  }
}

// Account 3 has all it wants, and least of all: what 1 may hold is not for its sake its part alone.
TEST_F(FairQueueTest, WhoIsOwedMostOfThoseThatWaitMayHoldMoreThanItsPart) {
  FairQueue queue({16, 16, 1'000'000}, 0.75, 0, backlog_);
  push(queue, 3, 1, 1);
  admit(queue);
  for (int i = 0; i < 20; ++i) push(queue, 1, 1, 1, 8);
  for (int i = 0; i < 20; ++i) push(queue, 2, 100, 100, 1);
  int of_first = 0;
  while (const std::uint64_t account = admit(queue)) of_first += account == 1 ? 1 : 0;
  EXPECT_GT(of_first, 8);
  while (running_.size() > 0) end(queue, 0);
  while (const LiveRequest* request = queue.any()) queue.remove(request->id);
}

TEST_F(FairQueueTest, AccountsTakeTurnsHoweverManyRequestsTheyHave) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  for (int i = 0; i < 5; ++i) push(queue, 1);
  for (int i = 0; i < 2; ++i) push(queue, 2);
  std::vector<std::uint64_t> turns;
  while (const std::uint64_t account = admit(queue)) turns.push_back(account);
  EXPECT_EQ(turns, (std::vector<std::uint64_t>{1, 2, 1, 2, 1, 1, 1}));
  EXPECT_EQ(backlog_, 7 * 20);
  while (!running_.empty()) end(queue, 20);
  EXPECT_EQ(backlog_, 0);
}

TEST_F(FairQueueTest, LargeRequestsCostTheirTokens) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  for (int i = 0; i < 3; ++i) push(queue, 1, 290);  // 300 with its answer
  for (int i = 0; i < 6; ++i) push(queue, 2, 90);   // 100
  std::vector<std::uint64_t> turns;
  while (const std::uint64_t account = admit(queue)) turns.push_back(account);
  EXPECT_EQ(turns, (std::vector<std::uint64_t>{1, 2, 2, 2, 1, 2, 2, 2, 1}));
}

TEST_F(FairQueueTest, WeightsCount) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  for (int i = 0; i < 6; ++i) push(queue, 1, 10, 10, 2);
  for (int i = 0; i < 3; ++i) push(queue, 2);
  std::vector<std::uint64_t> turns;
  while (const std::uint64_t account = admit(queue)) turns.push_back(account);
  EXPECT_EQ(turns, (std::vector<std::uint64_t>{1, 2, 1, 1, 2, 1, 1, 2, 1}));
}

// What was expected and not needed is no service: the account is next again.
TEST_F(FairQueueTest, OnlyWhatWasComputedCountsInTheEnd) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  push(queue, 1, 10, 400);
  push(queue, 1, 10, 10);
  push(queue, 2, 100, 10);
  push(queue, 2, 100, 10);
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 2U);
  EXPECT_EQ(admit(queue), 2U);  // 110 against the 410 that the first may take
  end(queue, 15);               // it took 15
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(running_.size(), 3U);
}

TEST_F(FairQueueTest, TokensFromTheCacheCostNothing) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  LiveRequest& warm = push(queue, 1, 1000);
  push(queue, 1);
  push(queue, 2, 100);
  warm.prefilled = 990;
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(warm.expected, 20);
  EXPECT_EQ(admit(queue), 2U);
  EXPECT_EQ(admit(queue), 1U);
}

TEST_F(FairQueueTest, WhoComesBackBringsNoCreditAndKeepsItsDebt) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  push(queue, 1, 500, 10);
  push(queue, 2, 500, 10);
  admit(queue);
  admit(queue);
  end(queue, 510);                     // 1 has had 510, and has gone
  queue.charge(*running_.front(), 5);  // 2 has had 5
  push(queue, 3, 10, 10);              // new: as if it had had 5
  push(queue, 1, 10, 10);
  push(queue, 3, 10, 10);
  EXPECT_EQ(running_.front()->book->counter, 5);
  EXPECT_EQ(admit(queue), 3U);
  EXPECT_EQ(running_.back()->book->counter, 5);
  EXPECT_EQ(admit(queue), 3U);
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(running_.back()->book->counter, 510);
}

TEST_F(FairQueueTest, OneAccountHoldsItsShareAndThereIsRoomForTheNext) {
  FairQueue queue({4, 100, 1'000'000}, 0.75, 0, backlog_);
  for (int i = 0; i < 6; ++i) push(queue, 1);
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 0U);  // three of four
  push(queue, 2);
  EXPECT_EQ(admit(queue), 2U);
  end(queue, 20);
  EXPECT_EQ(admit(queue), 0U);  // two, and one stays free
  end(queue, 20);
  EXPECT_EQ(admit(queue), 1U);
}

TEST_F(FairQueueTest, TheShareIsOfMemoryToo) {
  FairQueue queue({100, 100, 400}, 0.75, 0, backlog_);
  for (int i = 0; i < 4; ++i) push(queue, 1, 90, 10);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 0U);
}

// Short requests of many states fill memory as well.
TEST_F(FairQueueTest, StatesAreMemory) {
  FairQueue queue({100, 100, 400}, 0.75, 90, backlog_);
  for (int i = 0; i < 4; ++i) push(queue, 1, 5, 5);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 0U);
}

// An account with nothing in may have anything: a large request must not wait for ever.
TEST_F(FairQueueTest, TheFirstRequestIsNotHeldBack) {
  FairQueue queue({1, 1, 100}, 0.5, 0, backlog_);
  push(queue, 1, 90, 10);
  push(queue, 1, 90, 10);
  EXPECT_EQ(admit(queue), 1U);
  EXPECT_EQ(admit(queue), 0U);
  end(queue, 100);
  EXPECT_EQ(admit(queue), 1U);
}

TEST_F(FairQueueTest, RemovedRequestsLeaveNothingBehind) {
  FairQueue queue(kPlenty, 1, 0, backlog_);
  const RequestId first = push(queue, 1).id;
  const RequestId second = push(queue, 1).id;
  EXPECT_EQ(queue.remove(RequestId{99}), nullptr);
  EXPECT_EQ(queue.remove(first)->id, first);
  EXPECT_EQ(queue.size(), 1);
  EXPECT_EQ(queue.head()->id, second);
  EXPECT_EQ(queue.remove(second)->id, second);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(backlog_, 0);
}

// Two accounts that always have something waiting: what was computed for them, by weight, differs
// by no more than twice the largest request, at every step.
TEST(Fairness, BackloggedAccountsGetTheSameService) {
  constexpr std::int32_t kLargest = 300;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    TestRandom random(seed);
    // Every token says whose it is.
    FakeOptions backend = with_script([](const FakeContext& context, std::span<float> logits) {
      write_one_hot(context.history[0], logits);
    });
    backend.limits.max_sequences = 2;
    backend.limits.max_batch_tokens = random.integer(1, 64);
    const double weights[] = {1, random.chance(2) ? 2.0 : 1.0};
    double served[] = {0, 0};
    backend.on_forward = [&](std::int64_t, const model::Batch& batch) {
      for (const model::BatchItem& item : batch.items) {
        const auto account = static_cast<std::size_t>(item.tokens[0] - 1);
        served[account] += static_cast<double>(item.tokens.size()) / weights[account];
      }
    };
    Simulation sim(std::move(backend));
    std::int32_t waiting[2] = {0, 0};
    std::vector<std::pair<std::size_t, int>> live;
    for (int step = 0; step < 2000; ++step) {
      for (int account = 0; account < 2; ++account) {
        for (; waiting[account] < 3; ++waiting[account]) {
          const std::int32_t answer = random.integer(1, kLargest / 2);
          EngineRequest request = make_test_request(
              std::vector<TokenId>(static_cast<std::size_t>(random.integer(1, kLargest / 2)),
                                   account + 1),
              answer);
          request.account = AccountId{static_cast<std::uint64_t>(account + 1)};
          request.weight = weights[account];
          live.emplace_back(sim.submit(request), account);
        }
      }
      sim.step();
      sim.read_all();
      std::erase_if(live, [&](const auto& entry) {
        if (!sim[entry.first].is_over()) return false;
        --waiting[entry.second];
        return true;
      });
      ASSERT_LE(std::abs(served[0] - served[1]), 2 * kLargest);
    }
    EXPECT_GT(std::min(served[0], served[1]), 1000);
  }
}

}  // namespace
}  // namespace tessera::engine
