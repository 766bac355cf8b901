// The hand-over between a handler, which answers from any thread, and the connection, which writes
// on its strand: the handler's side queues under a lock and wakes the connection once; the
// connection takes all that is queued.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/runtime.h"
#include "http/server.h"

namespace tessera::http {

struct StreamHead {
  unsigned status = 200;
  std::vector<Header> headers;
};

// What a handler queued since it was last taken, in this order.
struct PendingAnswer {
  std::optional<Response> response;
  std::optional<StreamHead> stream;
  std::string frames;
  bool more_than_frames = false;
  bool finished = false;         // the stream ends behind the frames
  bool abandoned = false;        // the handler let go of the exchange without an end
  std::vector<Header> trailers;  // behind the frames, with `finished`
};

class ExchangeState final : public Exchange,
                            public Rung,
                            public std::enable_shared_from_this<ExchangeState> {
 public:
  // `wake` runs on the strand, that of the runtime's `loop`, when there is something to take, until
  // detach().
  ExchangeState(std::shared_ptr<Runtime> runtime, std::size_t loop, std::size_t low_water_bytes,
                std::function<void()> wake);

  // What the handler holds; the end of its last copy is noticed.
  std::shared_ptr<Exchange> handle();

  // The handler's side: any thread.
  void respond(Response response) override;
  void start_stream(unsigned status, std::vector<Header> headers) override;
  void write(std::string frame) override;
  void finish_stream(std::vector<Header> trailers) override;
  std::size_t buffered() const override;
  void post(std::function<void()> work) override;
  void on_ring(std::function<void()> work) override;
  void ring() override { runtime_->ring(loop_, shared_from_this()); }
  void on_disconnect(std::function<void()> callback) override;
  void on_writable(std::function<void()> callback) override;

  // The connection's side: on the strand.
  // Takes what is queued.
  PendingAnswer take();
  // Tells how many bytes taken wait for the socket; may call on_writable's callback.
  void set_unsent(std::size_t bytes);
  // The answer is whole, or the client is gone: then on_disconnect's callback is called.
  void detach(bool gone);

  void on_rung() override {
    if (ring_work_) run(ring_work_);
  }

 private:
  enum class Phase { kOpen, kStreaming, kEnded };

  void wake(std::unique_lock<std::mutex>& lock);
  void run(const std::function<void()>& work);
  void abandon();

  const std::shared_ptr<Runtime> runtime_;  // outlives strand_
  const std::size_t loop_;
  const Strand strand_;
  const std::size_t low_water_bytes_;
  std::function<void()> ring_work_;  // written before the first ring; then the strand's
  // Touched on the strand alone.
  std::function<void()> wake_;
  bool working_ = false;    // posted work runs: it may queue more than once
  bool owes_wake_ = false;  // when it has ended

  mutable std::mutex mutex_;  // guards what follows
  PendingAnswer pending_;
  Phase phase_ = Phase::kOpen;
  bool detached_ = false;
  bool gone_ = false;
  bool wake_posted_ = false;
  bool above_low_water_ = false;
  std::size_t unsent_bytes_ = 0;
  std::function<void()> on_disconnect_;
  std::function<void()> on_writable_;
};

}  // namespace tessera::http
