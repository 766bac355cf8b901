// The bounded channel from the engine thread to one request's reader.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "engine/request.h"

namespace tessera::engine {

class EventChannel {
 public:
  EventChannel(std::size_t capacity, std::function<void()> on_ready);

  // Engine thread. False when full: the engine then leaves the sequence out of its steps until
  // there is room. Terminal events and ChoiceEnd always fit.
  bool has_room() const;
  void push(EngineEvent event);

  // The reader's thread.
  std::optional<EngineEvent> pop();

 private:
  const std::size_t capacity_;
  const std::function<void()> on_ready_;
  mutable std::mutex mutex_;
  std::deque<EngineEvent> events_;
};

}  // namespace tessera::engine
