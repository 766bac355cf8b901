#include "base/fair_workers.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>

namespace tessera {
namespace {

constexpr AccountId kAnn{1};
constexpr AccountId kBob{2};
constexpr AccountId kCleo{3};

// Keeps a worker busy until it is opened; lives longer than the workers.
class Gate {
 public:
  void close(FairWorkers& workers) {
    ASSERT_TRUE(workers.try_submit(kAnn, [this] {
      running_.set_value();
      open_.get_future().wait();
    }));
    running_.get_future().wait();
  }
  void open() { open_.set_value(); }

 private:
  std::promise<void> running_;
  std::promise<void> open_;
};

TEST(FairWorkers, AccountsTakeTurns) {
  std::string order;  // of one thread
  std::latch done(9);
  Gate gate;
  FairWorkers workers(1, 10);
  gate.close(workers);
  const auto submit = [&](AccountId account, char name) {
    ASSERT_TRUE(workers.try_submit(account, [&order, &done, name] {
      order += name;
      done.count_down();
    }));
  };
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) submit(kAnn, name);
  for (const char name : {'1', '2', '3'}) submit(kBob, name);
  submit(kCleo, '!');
  gate.open();
  done.wait();
  EXPECT_EQ(order, "a1!b2c3de");
}

TEST(FairWorkers, SaysNoToTheAccountThatHasTooMuchWaiting) {
  Gate gate;
  FairWorkers workers(1, 2);
  gate.close(workers);
  EXPECT_TRUE(workers.try_submit(kAnn, [] {}));
  EXPECT_TRUE(workers.try_submit(kAnn, [] {}));
  EXPECT_FALSE(workers.try_submit(kAnn, [] {}));
  EXPECT_TRUE(workers.try_submit(kBob, [] {}));
  gate.open();
}

TEST(FairWorkers, WorkSideBySide) {
  Gate first;
  Gate second;
  FairWorkers workers(2, 1);
  first.close(workers);
  second.close(workers);  // of the same account: it runs while the first does
  first.open();
  second.open();
}

TEST(FairWorkers, WhatRunsOutOfMemoryIsDroppedAlone) {
  FairWorkers workers(1, 2);
  std::promise<void> next;
  EXPECT_TRUE(workers.try_submit(kAnn, [] { throw std::bad_alloc(); }));
  EXPECT_TRUE(workers.try_submit(kAnn, [&] { next.set_value(); }));
  next.get_future().wait();
}

TEST(FairWorkers, TheEndDropsWhatWaitsAndJoinsWhatRuns) {
  auto held = std::make_shared<bool>(false);
  const std::weak_ptr<bool> waiting = held;
  Gate gate;
  std::thread opener([&] {
    while (!waiting.expired()) std::this_thread::yield();
    gate.open();
  });
  {
    FairWorkers workers(1, 1);
    gate.close(workers);
    ASSERT_TRUE(workers.try_submit(kBob, [held = std::exchange(held, nullptr)] { *held = true; }));
  }
  EXPECT_TRUE(waiting.expired());
  opener.join();
}

}  // namespace
}  // namespace tessera
