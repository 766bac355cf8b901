#include "http/exchange.h"

#include "base/check.h"

namespace tessera::http {

ExchangeState::ExchangeState(std::shared_ptr<Runtime> runtime, std::size_t loop,
                             std::size_t low_water_bytes, std::function<void()> wake)
    : runtime_(std::move(runtime)),
      loop_(loop),
      strand_(runtime_->loop(loop).get_executor()),
      low_water_bytes_(low_water_bytes),
      wake_(std::move(wake)) {}

std::shared_ptr<Exchange> ExchangeState::handle() {
  return {this, [self = shared_from_this()](Exchange*) { self->abandon(); }};
}

void ExchangeState::respond(Response response) {
  std::unique_lock lock(mutex_);
  if (detached_) return;
  CHECK(phase_ == Phase::kOpen);  // once, and not together with a stream
  phase_ = Phase::kEnded;
  pending_.more_than_frames = true;
  pending_.response = std::move(response);
  wake(lock);
}

void ExchangeState::start_stream(unsigned status, std::vector<Header> headers) {
  std::unique_lock lock(mutex_);
  if (detached_) return;
  CHECK(phase_ == Phase::kOpen);
  phase_ = Phase::kStreaming;
  pending_.more_than_frames = true;
  pending_.stream = StreamHead{status, std::move(headers)};
  wake(lock);
}

void ExchangeState::write(std::string frame) {
  std::unique_lock lock(mutex_);
  if (detached_) return;
  CHECK(phase_ == Phase::kStreaming);
  if (pending_.frames.empty()) {
    pending_.frames = std::move(frame);
  } else {
    pending_.frames.append(frame);
  }
  if (pending_.frames.size() + unsent_bytes_ > low_water_bytes_) above_low_water_ = true;
  wake(lock);
}

void ExchangeState::finish_stream(std::vector<Header> trailers) {
  std::unique_lock lock(mutex_);
  if (detached_) return;
  CHECK(phase_ == Phase::kStreaming);
  phase_ = Phase::kEnded;
  pending_.more_than_frames = true;
  pending_.trailers = std::move(trailers);
  pending_.finished = true;
  wake(lock);
}

void ExchangeState::abandon() {
  std::unique_lock lock(mutex_);
  if (detached_ || phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  pending_.more_than_frames = true;
  pending_.abandoned = true;
  wake(lock);
}

std::size_t ExchangeState::buffered() const {
  std::lock_guard lock(mutex_);
  return pending_.frames.size() + unsent_bytes_;
}

void ExchangeState::post(std::function<void()> work) {
  runtime_->post(strand_, [self = shared_from_this(), work = std::move(work)] { self->run(work); });
}

// All that one piece of work queues is taken at once; with the answer's end that has come.
void ExchangeState::run(const std::function<void()>& work) {
  working_ = true;
  work();
  working_ = false;
  if (std::exchange(owes_wake_, false) && wake_) wake_();
}

void ExchangeState::on_ring(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (!detached_) std::swap(ring_work_, work);
}

void ExchangeState::on_disconnect(std::function<void()> callback) {
  std::unique_lock lock(mutex_);
  if (!detached_) {
    std::swap(on_disconnect_, callback);  // the old one may hold the exchange: it ends unlocked
  } else if (gone_) {
    lock.unlock();
    runtime_->post(strand_, std::move(callback));
  }
}

void ExchangeState::on_writable(std::function<void()> callback) {
  std::lock_guard lock(mutex_);
  if (!detached_) std::swap(on_writable_, callback);
}

// One post for all that is queued before the connection takes it. Releases the lock.
void ExchangeState::wake(std::unique_lock<std::mutex>& lock) {
  const bool here = strand_.running_in_this_thread();
  const bool ended = phase_ == Phase::kEnded;
  if (wake_posted_ && !(here && ended && owes_wake_)) return;
  wake_posted_ = true;
  lock.unlock();
  const auto call_wake = [self = shared_from_this()] {
    if (self->wake_) self->wake_();
  };
  if (here) {
    owes_wake_ = working_ && !ended;
    if (!owes_wake_) call_wake();
  } else {
    runtime_->post(strand_, call_wake);
  }
}

PendingAnswer ExchangeState::take() {
  std::lock_guard lock(mutex_);
  wake_posted_ = false;
  unsent_bytes_ += pending_.frames.size();
  PendingAnswer taken;
  if (pending_.more_than_frames) {
    std::swap(taken, pending_);
  } else {
    taken.frames.swap(pending_.frames);
  }
  return taken;
}

void ExchangeState::set_unsent(std::size_t bytes) {
  std::function<void()> callback;
  {
    std::lock_guard lock(mutex_);
    unsent_bytes_ = bytes;
    if (above_low_water_ && pending_.frames.size() + bytes <= low_water_bytes_) {
      above_low_water_ = false;
      callback = on_writable_;
    }
  }
  if (callback) callback();
}

void ExchangeState::detach(bool gone) {
  wake_ = nullptr;
  std::function<void()> disconnected;
  std::function<void()> writable;
  std::function<void()> rung;
  PendingAnswer dropped;
  {
    std::lock_guard lock(mutex_);
    detached_ = true;
    gone_ = gone;
    std::swap(disconnected, on_disconnect_);
    std::swap(writable, on_writable_);  // destroyed outside of the lock: it may hold the exchange
    std::swap(rung, ring_work_);
    std::swap(dropped, pending_);
    unsent_bytes_ = 0;
  }
  if (gone && disconnected) disconnected();
}

}  // namespace tessera::http
