#include "http/body_memory.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tessera::http {
namespace {

using Share = BodyMemory::Share;

TEST(BodyMemory, OneAloneMayHoldHalf) {
  const auto memory = std::make_shared<BodyMemory>(1000);
  Share share(memory, "a");
  EXPECT_TRUE(memory->has_room("a", 500));
  EXPECT_FALSE(memory->has_room("a", 501));
  EXPECT_TRUE(share.grow_to(500));
  EXPECT_FALSE(share.grow_to(501));
  EXPECT_TRUE(share.grow_to(500));  // what it has
  EXPECT_EQ(memory->bytes(), 500u);
}

TEST(BodyMemory, AnOwnerHoldsNoMoreThanItLeavesFree) {
  const auto memory = std::make_shared<BodyMemory>(900);
  Share first(memory, "a");
  Share again(memory, "a");
  Share other(memory, "b");
  EXPECT_TRUE(first.grow_to(200));
  EXPECT_TRUE(other.grow_to(300));
  EXPECT_TRUE(again.grow_to(100));  // a 300, b 300, free 300
  EXPECT_FALSE(again.grow_to(101));
  EXPECT_FALSE(other.grow_to(301));
  Share third(memory, "c");
  EXPECT_TRUE(third.grow_to(150));
  EXPECT_FALSE(third.grow_to(151));
}

TEST(BodyMemory, WhatEndsIsGivenBack) {
  const auto memory = std::make_shared<BodyMemory>(1000);
  for (int i = 0; i < 10; ++i) {
    Share share(memory, "a");
    EXPECT_TRUE(share.grow_to(1));
    EXPECT_TRUE(share.grow_to(500));
    EXPECT_FALSE(share.grow_to(std::size_t{0} - 1));
  }
  EXPECT_EQ(memory->bytes(), 0u);
}

TEST(BodyMemory, ManyThreadsNeverHoldMoreThanThereIs) {
  const auto memory = std::make_shared<BodyMemory>(1000);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&memory, name = std::to_string(i)] {
      for (int round = 0; round < 2000; ++round) {
        Share share(memory, name);
        for (std::size_t bytes = 100; share.grow_to(bytes); bytes += 100)
          EXPECT_LE(memory->bytes(), 1000u);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(memory->bytes(), 0u);
}

}  // namespace
}  // namespace tessera::http
