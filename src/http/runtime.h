// The event loops that connections and exchanges share, one for each I/O thread: a connection stays
// on the loop that it began on, so what it waits for wakes one thread and no other, and that one
// thread is all that its work needs to be done in a row. An exchange may outlive the server, so
// each holds the runtime; once the I/O threads have been joined nothing is queued any more, so that
// no work waits for ever in a loop that has ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "http/inbox.h"

namespace tessera::http {

namespace asio = boost::asio;

// What runs one thing after the other: a loop, which has one thread.
using Strand = asio::io_context::executor_type;

class Runtime {
 public:
  explicit Runtime(std::size_t loops) {
    for (std::size_t i = 0; i < loops; ++i)
      inboxes_.emplace_back(loops_.emplace_back(1));  // one thread runs each
  }

  std::size_t size() const { return loops_.size(); }
  asio::io_context& loop(std::size_t index) { return loops_[index]; }

  // Runs `work` on the strand, never inside this call; drops it after end(). Any thread.
  template <class Work>
  void post(const Strand& strand, Work&& work) {
    std::shared_lock lock(mutex_);
    if (!ended_) asio::post(strand, std::forward<Work>(work));
  }

  // The same for what is rung for again and again.
  void ring(std::size_t loop, const std::shared_ptr<Rung>& one) {
    std::shared_lock lock(mutex_);
    if (!ended_) inboxes_[loop].ring(one);
  }

  // After the I/O threads have been joined. What came for a loop when its thread had ended already
  // is done here.
  void end() {
    {
      std::unique_lock lock(mutex_);
      ended_ = true;
    }
    for (asio::io_context& loop : loops_) {
      loop.restart();
      loop.poll();
    }
  }

 private:
  std::deque<asio::io_context> loops_;
  std::deque<Inbox> inboxes_;  // one a loop
  std::shared_mutex mutex_;
  bool ended_ = false;
};

}  // namespace tessera::http
