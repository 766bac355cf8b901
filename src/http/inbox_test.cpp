#include "http/inbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <new>
#include <thread>
#include <vector>

#include "http/runtime.h"

namespace tessera::http {
namespace {

struct Reader final : Rung {
  explicit Reader(std::function<void()> wanted = [] {}) : work(std::move(wanted)) {}
  void on_rung() override {
    ++calls;
    work();
  }

  std::function<void()> work;
  int calls = 0;
};

TEST(Inbox, WakesTheLoopOnceForAllThatStandInTheRow) {
  boost::asio::io_context loop;
  Inbox inbox(loop);
  std::vector<int> order;
  std::vector<std::shared_ptr<Reader>> readers;
  for (int i = 0; i < 10; ++i)
    readers.push_back(std::make_shared<Reader>([&order, i] { order.push_back(i); }));
  for (int round = 0; round < 3; ++round)
    for (const auto& reader : readers) inbox.ring(reader);
  EXPECT_TRUE(order.empty());  // never inside ring()
  EXPECT_EQ(loop.poll(), 1u);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  loop.restart();
  inbox.ring(readers[4]);
  loop.poll();
  EXPECT_EQ(readers[4]->calls, 2);
}

TEST(Inbox, ARingWhileItIsCalledCallsItOnceMore) {
  boost::asio::io_context loop;
  Inbox inbox(loop);
  const auto reader = std::make_shared<Reader>();
  reader->work = [&] {
    if (reader->calls == 1) {
      inbox.ring(reader);
      EXPECT_EQ(reader->calls, 1);
    }
  };
  inbox.ring(reader);
  loop.poll();
  EXPECT_EQ(reader->calls, 2);
  reader->work = nullptr;
}

TEST(Inbox, ALongRowLeavesTimeForOthers) {
  boost::asio::io_context loop;
  Inbox inbox(loop);
  int calls = 0;
  int before = -1;
  for (int i = 0; i < 1000; ++i) inbox.ring(std::make_shared<Reader>([&] { ++calls; }));
  boost::asio::post(loop, [&] { before = calls; });
  loop.poll();
  EXPECT_EQ(calls, 1000);
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 1000);
}

TEST(Inbox, OneThatGoesAwayStandsThereUntilItWasCalled) {
  boost::asio::io_context loop;
  Inbox inbox(loop);
  bool called = false;
  auto reader = std::make_shared<Reader>([&] { called = true; });
  const std::weak_ptr<Reader> watched = reader;
  inbox.ring(reader);
  reader.reset();
  EXPECT_FALSE(watched.expired());
  loop.poll();
  EXPECT_TRUE(called);
  EXPECT_TRUE(watched.expired());
}

TEST(Inbox, WhereOneHasNoMemoryTheOthersAreCalled) {
  boost::asio::io_context loop;
  Inbox inbox(loop);
  const auto failing = std::make_shared<Reader>([] { throw std::bad_alloc(); });
  const auto other = std::make_shared<Reader>();
  inbox.ring(failing);
  inbox.ring(other);
  loop.poll();
  EXPECT_EQ(other->calls, 1);
  loop.restart();
  inbox.ring(failing);  // and it can be rung for again
  loop.poll();
  EXPECT_EQ(failing->calls, 2);
}

TEST(Runtime, AfterItsEndWhatIsThereIsCalledAndNothingElse) {
  Runtime runtime(2);
  std::vector<std::shared_ptr<Reader>> readers;
  for (std::size_t i = 0; i < 200; ++i)
    runtime.ring(i % 2, readers.emplace_back(std::make_shared<Reader>()));
  runtime.end();
  for (const auto& reader : readers) EXPECT_EQ(reader->calls, 1);
  const auto late = std::make_shared<Reader>();
  runtime.ring(0, late);
  EXPECT_EQ(late->calls, 0);
  EXPECT_EQ(late.use_count(), 1);
}

// Whoever rings last is heard: the call that follows sees what was written before the ring.
TEST(Inbox, NoRingIsLostBetweenThreads) {
  constexpr int kReaders = 8;
  constexpr int kRounds = 20'000;
  boost::asio::io_context loop;
  Inbox inbox(loop);
  struct Watched {
    std::shared_ptr<Reader> reader;
    std::atomic<int> written{0};
    int seen = 0;  // on the loop
  };
  std::vector<Watched> watched(kReaders);
  for (Watched& one : watched)
    one.reader = std::make_shared<Reader>(
        [&one] { one.seen = one.written.load(std::memory_order_relaxed); });
  auto work = boost::asio::make_work_guard(loop);
  std::thread runs([&] { loop.run(); });
  std::vector<std::thread> ringing;
  for (int thread = 0; thread < 2; ++thread) {
    ringing.emplace_back([&, thread] {
      for (int round = 1; round <= kRounds; ++round) {
        for (int i = thread; i < kReaders; i += 2) {
          watched[static_cast<std::size_t>(i)].written.store(round, std::memory_order_relaxed);
          inbox.ring(watched[static_cast<std::size_t>(i)].reader);
        }
      }
    });
  }
  for (std::thread& thread : ringing) thread.join();
  work.reset();
  runs.join();
  for (const Watched& one : watched) EXPECT_EQ(one.seen, kRounds);
}

}  // namespace
}  // namespace tessera::http
