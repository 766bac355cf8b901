#include "engine/event_channel.h"

#include <memory>
#include <utility>

#include "base/check.h"
#include "engine/contained.h"

namespace tessera::engine {
namespace {
constexpr std::size_t kKeptEvents = 8;  // memory for more is not kept by an empty queue
}

EventChannel::EventChannel(std::size_t capacity, std::function<void()> on_ready,
                           std::shared_ptr<Doorbell> doorbell)
    : capacity_(capacity), doorbell_(std::move(doorbell)) {
  CHECK(capacity > 0);
  if (on_ready) on_ready_ = std::make_shared<const std::function<void()>>(std::move(on_ready));
}

bool EventChannel::has_room(std::size_t events) {
  std::lock_guard lock(mutex_);
  const bool room = fits(events);
  wanted_room_ = room ? 0 : events;
  return room;
}

void EventChannel::push(EngineEvent event) {
  CHECK(!ended_);
  ended_ = is_terminal(event);
  deliver(std::move(event), false);
}

void EventChannel::push_quietly(EngineEvent event) {
  CHECK(!ended_ && !is_terminal(event));
  deliver(std::move(event), true);
}

void EventChannel::abort(Error error) {
  deliver(RequestFailed{std::move(error)}, false);
}

void EventChannel::deliver(EngineEvent event, bool quiet) {
  // Dropped with no lock held: what it owns may own this channel.
  std::shared_ptr<const std::function<void()>> on_ready;
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    if (over_) return;
    was_empty = size() == 0 || unheard_;
    if (is_terminal(event)) {
      over_ = true;
      terminal_ = std::move(event);
    } else {
      append(std::move(event));
    }
    unheard_ = quiet;
    if (quiet) return;
    if (over_) {
      on_ready = std::move(on_ready_);
    } else if (was_empty) {
      on_ready = on_ready_;
    }
  }
  if (!was_empty || on_ready == nullptr) return;
  if (contained("a reader's call", [&] { (*on_ready)(); })) return;
  const std::lock_guard lock(mutex_);
  unheard_ = true;
}

void EventChannel::append(EngineEvent event) {
  if (events_.size() == events_.capacity() && first_ > events_.size() / 2) {
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  events_.push_back(std::move(event));
}

EngineEvent EventChannel::take_first() {
  EngineEvent event = std::move(events_[first_++]);
  if (first_ == events_.size()) {
    events_.clear();
    first_ = 0;
    if (events_.capacity() > kKeptEvents) events_.shrink_to_fit();
  }
  return event;
}

std::optional<EngineEvent> EventChannel::pop() {
  std::optional<EngineEvent> event;
  bool made_room = false;
  {
    std::lock_guard lock(mutex_);
    if (size() == 0) return std::exchange(terminal_, std::nullopt);
    event = take_first();
    made_room = wanted_room_ != 0 && fits(wanted_room_);
    if (made_room) wanted_room_ = 0;
  }
  if (made_room && doorbell_ != nullptr) doorbell_->ring();
  return event;
}

}  // namespace tessera::engine
