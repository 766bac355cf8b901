#include "engine/event_channel.h"

#include <gtest/gtest.h>

#include <thread>

namespace tessera::engine {
namespace {

TokenId token_of(const std::optional<EngineEvent>& event) {
  return std::get<TokenEvent>(*event).token;
}

TEST(EventChannel, GivesEventsInOrderThenNothing) {
  EventChannel channel(4, nullptr);
  channel.push(TokenEvent{0, 1});
  channel.push(TokenEvent{0, 2});
  EXPECT_EQ(token_of(channel.pop()), 1);
  EXPECT_EQ(token_of(channel.pop()), 2);
  EXPECT_FALSE(channel.pop());
}

TEST(EventChannel, CallsOnReadyOnTheEdgeAlone) {
  int calls = 0;
  EventChannel channel(4, [&] { ++calls; });
  channel.push(TokenEvent{0, 1});
  channel.push(TokenEvent{0, 2});
  EXPECT_EQ(calls, 1);
  (void)channel.pop();
  channel.push(TokenEvent{0, 3});
  EXPECT_EQ(calls, 1);
  while (channel.pop()) {
  }
  channel.push(RequestDone{});
  EXPECT_EQ(calls, 2);
}

TEST(EventChannel, APromptsEndIsHeardOfWithTheFirstToken) {
  int calls = 0;
  EventChannel channel(4, [&] { ++calls; });
  channel.push_quietly(PrefillDone{7});
  EXPECT_EQ(calls, 0);
  channel.push(TokenEvent{0, 1});
  EXPECT_EQ(calls, 1);
  channel.push(TokenEvent{0, 2});
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(std::get<PrefillDone>(*channel.pop()).cached_tokens, 7);

  EventChannel failing(4, [&] { ++calls; });
  failing.push_quietly(PrefillDone{7});
  failing.push(RequestFailed{{ErrorCode::kCancelled, ""}});
  EXPECT_EQ(calls, 2);
}

TEST(EventChannel, HoldsNoLockInOnReady) {
  EventChannel* self = nullptr;
  int popped = 0;
  EventChannel channel(4, [&] {
    while (self->pop()) ++popped;
  });
  self = &channel;
  channel.push(TokenEvent{0, 1});
  channel.push(TokenEvent{0, 2});
  EXPECT_EQ(popped, 2);
}

TEST(EventChannel, RoomEndsAtTheCapacityButAnEmptyOneTakesAnyNumber) {
  EventChannel channel(3, nullptr);
  EXPECT_TRUE(channel.has_room(10));
  channel.push(TokenEvent{});
  EXPECT_TRUE(channel.has_room(2));
  EXPECT_FALSE(channel.has_room(3));
  channel.push(TokenEvent{});
  channel.push(TokenEvent{});
  EXPECT_FALSE(channel.has_room(1));
  channel.push(RequestDone{});  // fits all the same
}

TEST(EventChannel, RingsOnceWhenTheRoomThatIsWaitedForIsThere) {
  const auto doorbell = std::make_shared<Doorbell>();
  EventChannel channel(3, nullptr, doorbell);
  for (int i = 0; i < 3; ++i) channel.push(TokenEvent{});
  (void)channel.pop();  // nobody waits: no ring
  channel.push(TokenEvent{});
  ASSERT_FALSE(channel.has_room(2));
  std::thread waiter([&] { doorbell->wait(); });
  (void)channel.pop();
  EXPECT_FALSE(channel.has_room(2));  // not yet
  (void)channel.pop();
  waiter.join();
  EXPECT_TRUE(channel.has_room(2));
}

TEST(EventChannel, DropsOnReadyWithTheTerminalEvent) {
  const auto owned = std::make_shared<int>(0);
  EventChannel channel(3, [owned] {});
  EXPECT_EQ(owned.use_count(), 2);
  channel.push(RequestFailed{{ErrorCode::kCancelled, ""}});
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(EventChannelDeathTest, NothingComesAfterTheTerminalEvent) {
  EventChannel channel(3, nullptr);
  channel.push(RequestDone{});
  EXPECT_DEATH(channel.push(TokenEvent{}), "ended_");
  EXPECT_DEATH(channel.push(RequestDone{}), "ended_");
}

TEST(Doorbell, KeepsARingForTheNextWaitAndManyAreOne) {
  Doorbell doorbell;
  doorbell.ring();
  doorbell.ring();
  doorbell.wait();
  doorbell.wait_for(std::chrono::milliseconds(1));  // returns: nobody rings
}

}  // namespace
}  // namespace tessera::engine
