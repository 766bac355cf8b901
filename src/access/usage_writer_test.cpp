#include "access/usage_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "access/sqlite.h"

namespace tessera::access {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr std::int64_t kNoon = 20'000 * 86'400 + 43'200;

// A store in memory whose rows can be looked at, and that fails on demand. What it keeps follows
// store.h; the real one is held to the same in store_test and at the end of this file.
class FaultyStore final : public Store {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, UsageRow> rows;
    std::vector<std::string> order;  // of settled rows, as they came
    std::vector<std::size_t> batches;
    int attempts = 0;
    int fail_next = 0;  // < 0: always
    ErrorCode fail_code = ErrorCode::kResourceExhausted;
    bool held = false;  // write_usage() waits
    bool waiting = false;
    bool busy = true;  // try_write_usage() says so
  };
  explicit FaultyStore(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Result<void> write_usage(std::span<const UsageWrite> writes) override {
    std::unique_lock lock(state_->mutex);
    state_->waiting = state_->held;
    ++state_->attempts;
    state_->changed.notify_all();
    state_->changed.wait(lock, [&] { return !state_->held; });
    state_->waiting = false;
    if (state_->fail_next != 0) {
      if (state_->fail_next > 0) --state_->fail_next;
      return fail(state_->fail_code, "SQLite: database or disk is full (13)");
    }
    for (const UsageWrite& write : writes)
      if (write.row.prompt_tokens < 0) return fail(ErrorCode::kInvalidArgument, "CHECK failed");
    state_->batches.push_back(writes.size());
    for (const UsageWrite& write : writes) apply(write);
    return {};
  }

  Result<void> try_write_usage(const UsageWrite& write) override {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->busy) return fail(ErrorCode::kUnavailable, "SQLite: database is locked (5)");
    }
    return write_usage({&write, 1});
  }

  Result<std::int64_t> generation() override { return 1; }
  Result<Directory> directory() override { return Directory{}; }
  Result<AccountId> create_account(const std::string&, const std::string&) override {
    return AccountId{1};
  }
  Result<void> update_account(const AccountRow&) override { return {}; }
  Result<void> insert_key(const KeyRow&) override { return {}; }
  Result<void> revoke_key(const std::string&, std::int64_t) override { return {}; }
  Result<void> rotate_key(const std::string&, const KeyRow&, std::int64_t) override { return {}; }
  Result<std::int64_t> close_interrupted(std::int64_t) override { return 0; }
  Result<std::vector<UsageSum>> usage_by_day(const std::string&, const std::string&, std::int64_t,
                                             std::int64_t) override {
    return std::vector<UsageSum>();
  }
  Result<std::vector<std::pair<std::string, std::int64_t>>> reasoning_since(std::int64_t) override {
    return std::vector<std::pair<std::string, std::int64_t>>();
  }
  Result<std::int64_t> forget_usage(std::int64_t) override { return 0; }

 private:
  void apply(const UsageWrite& write) {
    const std::string& id = write.row.request_id;
    const auto found = state_->rows.find(id);
    const bool ended = found != state_->rows.end() && found->second.ended != 0;
    if (write.kind == UsageWrite::Kind::kReserve) state_->rows.emplace(id, write.row);
    if (write.kind == UsageWrite::Kind::kDiscard && !ended) state_->rows.erase(id);
    if (write.kind == UsageWrite::Kind::kSettle) {
      state_->rows[id] = write.row;
      state_->order.push_back(id);
    }
  }
  std::shared_ptr<State> state_;
};

UsageWrite write_of(UsageWrite::Kind kind, const std::string& id, std::int64_t tokens = 1) {
  UsageRow row;
  row.request_id = id;
  row.account = "acme";
  row.key_id = "key_1";
  row.started = kNoon - 1;
  row.ended = kind == UsageWrite::Kind::kSettle ? kNoon : 0;
  row.status = 200;
  row.outcome = "ok";
  row.prompt_tokens = tokens;
  return {kind, row};
}
UsageWrite reserve(const std::string& id) {
  return write_of(UsageWrite::Kind::kReserve, id, 0);
}
UsageWrite settle(const std::string& id, std::int64_t tokens = 1) {
  return write_of(UsageWrite::Kind::kSettle, id, tokens);
}
UsageWrite discard(const std::string& id) {
  return write_of(UsageWrite::Kind::kDiscard, id);
}

class UsageWriterTest : public testing::Test {
 protected:
  std::shared_ptr<FaultyStore::State> state_ = std::make_shared<FaultyStore::State>();
  std::unique_ptr<UsageWriter> writer_;

  // Long delays: a test that wants to see a retry says so.
  void start(UsageWriterOptions options = {}) {
    writer_ = std::make_unique<UsageWriter>(std::make_unique<FaultyStore>(state_), options);
  }
  // Returns when the row is written, or known not to be.
  void write(UsageWrite write) {
    std::promise<void> done;
    if (!writer_->enqueue(std::move(write), [&] { done.set_value(); })) done.get_future().wait();
  }
  template <class F>
  auto locked(F&& f) {
    const std::lock_guard lock(state_->mutex);
    return f(*state_);
  }
  template <class F>
  void wait_until(F&& f) {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return f(*state_); });
  }
  // The writer is now inside write_usage(), and what is enqueued meets in the next batch.
  void hold() {
    locked([](auto& state) { state.held = true; });
    writer_->enqueue(settle("first"), [] {});
    wait_until([](auto& state) { return state.waiting; });
  }
  void release() {
    locked([](auto& state) { state.held = false; });
    state_->changed.notify_all();
  }
  void fail(int times) {
    locked([&](auto& state) { state.fail_next = times; });
  }
};

TEST_F(UsageWriterTest, WhatMeetsInTheQueueIsOneTransaction) {
  start();
  hold();
  std::atomic<int> done{0};
  for (int i = 0; i < 100; ++i) {
    writer_->enqueue(reserve("r" + std::to_string(i)), {});
    writer_->enqueue(settle("r" + std::to_string(i)), [&] { ++done; });
  }
  EXPECT_EQ(done, 0);  // nobody is told before the commit
  release();
  writer_->shutdown();
  EXPECT_EQ(done, 100);
  // Each reserve met its settle: one row to write instead of two.
  EXPECT_THAT(state_->batches, ElementsAre(1, 100));
  EXPECT_EQ(state_->rows.size(), 101u);
}

// Until the writer has gone to sleep and its rest is over.
TEST_F(UsageWriterTest, WithNothingElseToWriteARowIsWrittenThereAndThen) {
  start();
  locked([](auto& state) { state.busy = false; });
  int asked = 0;
  const auto at_once = [&](const UsageWrite& write) {
    const auto told = std::make_shared<std::promise<void>>();
    if (writer_->enqueue(write, [told] { told->set_value(); })) return true;
    told->get_future().wait();
    return false;
  };
  std::string id;
  do {
    id = "r" + std::to_string(asked++);
    writer_->enqueue(reserve(id), {});
  } while (!at_once(settle(id)));
  EXPECT_TRUE(locked([&](auto& state) { return state.rows.contains(id); }));
  // What the store refuses is left to the writer: it knows what to do.
  fail(-1);
  at_once(settle("r" + std::to_string(asked++)));
  EXPECT_FALSE(writer_->healthy());
  fail(0);
  writer_->shutdown();
  EXPECT_EQ(state_->rows.size(), static_cast<std::size_t>(asked));
  EXPECT_EQ(state_->order.size(), static_cast<std::size_t>(asked));  // each once
}

TEST_F(UsageWriterTest, ADiscardedReserveIsNoRow) {
  start();
  hold();
  writer_->enqueue(reserve("a"), {});
  writer_->enqueue(discard("a"), {});
  writer_->enqueue(reserve("b"), {});
  release();
  writer_->shutdown();
  EXPECT_FALSE(state_->rows.contains("a"));
  EXPECT_TRUE(state_->rows.contains("b"));
}

TEST_F(UsageWriterTest, AReserveAloneIsWrittenSoonWithoutAnybodyAsking) {
  start();
  writer_->enqueue(reserve("a"), {});
  wait_until([](auto& state) { return state.attempts == 1; });
}

TEST_F(UsageWriterTest, ShutdownWritesWhatIsQueued) {
  UsageWriterOptions options;
  options.reserve_delay = std::chrono::hours(1);
  start(options);
  writer_->enqueue(reserve("a"), {});
  writer_->shutdown();
  EXPECT_TRUE(state_->rows.contains("a"));
  EXPECT_TRUE(writer_->enqueue(settle("too late"), [] {}));
  EXPECT_EQ(state_->rows.size(), 1u);
}

TEST_F(UsageWriterTest, WhileTheStoreFailsNobodyWaitsAndNothingIsForgotten) {
  UsageWriterOptions options;
  options.first_retry = 1ms;
  options.last_retry = 2ms;
  start(options);
  EXPECT_TRUE(writer_->healthy());
  EXPECT_FALSE(writer_->overdue());
  fail(-1);
  write(settle("a"));
  EXPECT_FALSE(writer_->healthy());
  EXPECT_FALSE(writer_->overdue());
  for (int i = 0; i < 50; ++i)
    EXPECT_TRUE(writer_->enqueue(settle("b" + std::to_string(i)), [] {}));
  wait_until([](auto& state) { return state.attempts > 3; });
  EXPECT_EQ(locked([](auto& state) { return state.rows.size(); }), 0u);
  fail(0);
  while (!writer_->healthy()) std::this_thread::sleep_for(1ms);
  write(settle("c"));
  writer_->shutdown();
  std::vector<std::string> expected = {"a"};
  for (int i = 0; i < 50; ++i) expected.push_back("b" + std::to_string(i));
  expected.push_back("c");
  EXPECT_EQ(state_->order, expected);
}

TEST_F(UsageWriterTest, WhoeverCameWhileACommitFailedIsToldToo) {
  start();
  hold();
  fail(1);
  std::promise<void> done;
  writer_->enqueue(settle("meanwhile"), [&] { done.set_value(); });
  release();
  done.get_future().wait();
  writer_->shutdown();
  EXPECT_THAT(state_->order, ElementsAre("first", "meanwhile"));
}

TEST_F(UsageWriterTest, OverTheBoundReservesGoFirstThenTheOldestRows) {
  UsageWriterOptions options;
  options.max_rows = 4;
  options.first_retry = options.last_retry = std::chrono::hours(1);  // shutdown() tries
  start(options);
  fail(1);
  write(settle("a"));
  for (const char* id : {"r1", "r2"}) writer_->enqueue(reserve(id), {});
  writer_->enqueue(settle("b"), {});
  EXPECT_FALSE(writer_->overdue());   // four
  writer_->enqueue(settle("c"), {});  // r1 goes
  EXPECT_FALSE(writer_->overdue());
  writer_->enqueue(settle("d"), {});  // r2 goes
  EXPECT_FALSE(writer_->overdue());
  writer_->enqueue(reserve("r3"), {});  // and goes itself
  EXPECT_FALSE(writer_->overdue());
  writer_->enqueue(settle("e"), {});  // a goes
  EXPECT_TRUE(writer_->overdue());
  writer_->shutdown();
  EXPECT_THAT(state_->order, ElementsAre("b", "c", "d", "e"));
  EXPECT_EQ(state_->rows.size(), 4u);
}

TEST_F(UsageWriterTest, AfterTheLongestAgeItIsOverdue) {
  UsageWriterOptions options;
  options.max_age = 0ms;
  options.first_retry = options.last_retry = std::chrono::hours(1);
  start(options);
  EXPECT_FALSE(writer_->overdue());
  fail(-1);
  write(settle("a"));
  EXPECT_TRUE(writer_->overdue());
}

TEST_F(UsageWriterTest, TheEndIsNotHeldUpByAStoreThatFails) {
  UsageWriterOptions options;
  options.first_retry = options.last_retry = std::chrono::hours(1);
  start(options);
  fail(-1);
  write(settle("a"));
  writer_->shutdown();
  EXPECT_EQ(state_->attempts, 2);
  EXPECT_TRUE(state_->rows.empty());
}

TEST_F(UsageWriterTest, OneBadRowDoesNotPoisonTheRest) {
  for (const int bad : {0, 1, 7, 9}) {
    state_ = std::make_shared<FaultyStore::State>();
    start();
    hold();
    std::atomic<int> done{0};
    for (int i = 0; i < 10; ++i)
      writer_->enqueue(settle("r" + std::to_string(i), i == bad ? -1 : 1), [&] { ++done; });
    release();
    writer_->shutdown();
    EXPECT_EQ(done, 10);
    EXPECT_TRUE(writer_->healthy());
    EXPECT_EQ(state_->rows.size(), 10u);  // "first" and nine
    EXPECT_FALSE(state_->rows.contains("r" + std::to_string(bad)));
  }
}

// Many threads, random ends, a store that fails now and then: what is there at the end is exactly
// what was settled, once each, and everybody was told.
void run_at_random(UsageWriter& writer, std::map<std::string, std::int64_t>& settled,
                   std::atomic<int>& told, int threads, int requests) {
  std::mutex mutex;
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      std::mt19937 random(static_cast<std::uint32_t>(t));
      for (int i = 0; i < requests; ++i) {
        const std::string id = std::to_string(t) + "-" + std::to_string(i);
        const int kind = static_cast<int>(random() % 8);
        if (kind != 0) writer.enqueue(reserve(id), {});
        if (random() % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
        if (kind == 1) {
          if (writer.enqueue(discard(id), [&] { ++told; })) ++told;
          continue;
        }
        const auto tokens = static_cast<std::int64_t>(random() % 1000);
        {
          const std::lock_guard lock(mutex);
          settled[id] = tokens;
        }
        if (writer.enqueue(settle(id, tokens), [&] { ++told; })) ++told;
      }
    });
  for (std::thread& thread : running) thread.join();
}

TEST_F(UsageWriterTest, AtRandomNothingIsLostOrDoubledWhileTheStoreFails) {
  UsageWriterOptions options;
  options.max_rows = 1'000'000;
  options.first_retry = options.last_retry = 1ms;
  start(options);
  std::map<std::string, std::int64_t> settled;
  std::atomic<int> told{0};
  std::thread requests([&] { run_at_random(*writer_, settled, told, 4, 2500); });
  std::mt19937 random(7);
  while (told < 8'000) {
    fail(static_cast<int>(random() % 4));
    locked([&](auto& state) { state.busy = random() % 4 == 0; });
    std::this_thread::sleep_for(500us);
  }
  requests.join();
  fail(0);
  writer_->shutdown();
  EXPECT_EQ(told, 10'000);
  std::map<std::string, std::int64_t> rows;
  for (const auto& [id, row] : state_->rows) rows[id] = row.prompt_tokens;
  EXPECT_EQ(rows, settled);
}

TEST(UsageWriter, AtRandomTheRealStoresSumsAreRight) {
  const std::string folder = testing::TempDir() + "usage_writer_test" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  const std::string path = folder + "/tessera.db";
  std::map<std::string, std::int64_t> settled;
  std::atomic<int> told{0};
  {
    UsageWriter writer(*Store::open(path));
    run_at_random(writer, settled, told, 4, 2500);
    writer.shutdown();
    EXPECT_TRUE(writer.healthy());
  }
  EXPECT_EQ(told, 10'000);
  const auto store = *Store::open(path);
  EXPECT_EQ(*store->close_interrupted(kNoon), 0);
  const auto sums = store->usage_by_day("", "", 0, kNoon * 2);
  ASSERT_TRUE(sums);
  ASSERT_EQ(sums->size(), 1u);
  std::int64_t tokens = 0;
  for (const auto& [id, count] : settled) tokens += count;
  EXPECT_EQ((*sums)[0].requests, static_cast<std::int64_t>(settled.size()));
  EXPECT_EQ((*sums)[0].prompt_tokens, tokens);
  std::filesystem::remove_all(folder);
}

TEST(UsageWriter, ALockedDatabaseIsWaitedOut) {
  const std::string folder = testing::TempDir() + "usage_writer_lock" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  const std::string path = folder + "/tessera.db";
  UsageWriterOptions options;
  options.first_retry = options.last_retry = 1ms;
  {
    auto store = *Store::open(path, 1);
    UsageWriter writer(std::move(store), options);
    auto other = Database::open(path, 1000);
    ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
    std::promise<void> told;
    ASSERT_FALSE(writer.enqueue(settle("a"), [&] { told.set_value(); }));
    told.get_future().wait();
    EXPECT_FALSE(writer.healthy());
    ASSERT_TRUE(other->execute("ROLLBACK"));
    while (!writer.healthy()) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ((*(*Store::open(path))->usage_by_day("", "", 0, kNoon * 2))[0].requests, 1);
  std::filesystem::remove_all(folder);
}

// The store would wait for ten minutes: only the writer's thread may.
TEST(UsageWriter, WhoeverEnqueuesDoesNotWaitForALock) {
  const std::string folder = testing::TempDir() + "usage_writer_wait" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  const std::string path = folder + "/tessera.db";
  {
    UsageWriter writer(*Store::open(path, 600'000));
    auto other = Database::open(path, 1000);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(other->execute("BEGIN IMMEDIATE"));
      std::promise<void> told;
      EXPECT_FALSE(writer.enqueue(settle(std::to_string(i)), [&] { told.set_value(); }));
      ASSERT_TRUE(other->execute("ROLLBACK"));
      told.get_future().wait();
    }
    EXPECT_TRUE(writer.healthy());
  }
  EXPECT_EQ((*(*Store::open(path))->usage_by_day("", "", 0, kNoon * 2))[0].requests, 20);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tessera::access
