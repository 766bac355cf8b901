// The bounded channel from the engine thread to one request's reader: one pushes, one pops.
//
// The engine asks for room before it computes, so that the queue stays within its capacity plus one
// event a choice: ChoiceEnd and the terminal event always fit. A reader that goes away just drops
// its pointer; the engine notices.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/doorbell.h"
#include "engine/request.h"

namespace tessera::engine {

class EventChannel {
 public:
  // `on_ready` is called on the engine thread, with no lock held, when the channel goes from empty
  // to not empty; the last time for the terminal event at the latest. It owns (or shares) what it
  // touches: it can still be running when the reader has gone. `doorbell` is rung by the reader
  // that makes the room the engine waits for; it may be null.
  EventChannel(std::size_t capacity, std::function<void()> on_ready,
               std::shared_ptr<Doorbell> doorbell = nullptr);

  // Engine thread. False: full, so the engine leaves the request out of its steps, and pop() rings
  // once there is room for `events` more. An empty channel has room for any number.
  bool has_room(std::size_t events);
  // Nothing comes after a terminal event.
  void push(EngineEvent event);
  // An event that is not worth a call of its own: what follows in the same step makes it.
  void push_quietly(EngineEvent event);
  // Any thread, when the engine's hangs: the terminal event, unless it is there; what the engine
  // pushes afterwards is dropped.
  void abort(Error error);
  // The first step with a part of the request's prompt begins.
  void note_started() { started_.store(true, std::memory_order_relaxed); }

  // Any thread. Whether anything has been computed for the request.
  bool started() const { return started_.load(std::memory_order_relaxed); }

  // The reader's thread.
  std::optional<EngineEvent> pop();

 private:
  void deliver(EngineEvent event, bool quiet);
  std::size_t size() const { return events_.size() - first_; }
  bool fits(std::size_t events) const { return size() == 0 || size() + events <= capacity_; }
  void append(EngineEvent event);
  EngineEvent take_first();

  const std::size_t capacity_;
  const std::shared_ptr<Doorbell> doorbell_;
  bool ended_ = false;  // the engine thread's own knowledge
  std::atomic<bool> started_{false};
  std::mutex mutex_;
  std::shared_ptr<const std::function<void()>> on_ready_;  // dropped with the terminal event
  bool over_ = false;                                      // the terminal event was pushed
  // A queue from first_ on. Most of the time it has one event or none: no queue of blocks is as
  // small, and its memory is used again.
  std::vector<EngineEvent> events_;
  std::size_t first_ = 0;
  std::optional<EngineEvent> terminal_;  // behind them; there is always room for it
  bool unheard_ = false;                 // no call, or a failed one: the next event makes it
  std::size_t wanted_room_ = 0;          // what the engine waits for; 0: nothing
};

inline bool is_terminal(const EngineEvent& event) {
  return std::holds_alternative<RequestDone>(event) || std::holds_alternative<RequestFailed>(event);
}

}  // namespace tessera::engine
