// The event loop that connections and exchanges share. An exchange may outlive the server, so each
// holds the runtime; once the I/O threads have been joined nothing is queued any more, so that no
// work waits for ever in a loop that has ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <utility>

namespace tessera::http {

namespace asio = boost::asio;

using Strand = asio::strand<asio::io_context::executor_type>;

class Runtime {
 public:
  asio::io_context& context() { return context_; }

  // Runs `work` on the strand, never inside this call; drops it after end(). Any thread.
  template <class Work>
  void post(const Strand& strand, Work&& work) {
    std::shared_lock lock(mutex_);
    if (!ended_) asio::post(strand, std::forward<Work>(work));
  }

  // After the I/O threads have been joined.
  void end() {
    std::unique_lock lock(mutex_);
    ended_ = true;
  }

 private:
  asio::io_context context_;
  std::shared_mutex mutex_;
  bool ended_ = false;
};

}  // namespace tessera::http
