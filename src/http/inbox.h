// How other threads get onto an event loop with what happens often: who is rung for stands in a
// row, once, and the loop is woken once for all that stand there before it looks. A ring costs no
// memory but a place in that row.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace tessera::http {

// What a ring is for.
class Rung {
 public:
  virtual ~Rung() = default;
  // On the loop's thread, once for all rings since it was last called.
  virtual void on_rung() = 0;

 private:
  friend class Inbox;
  std::atomic<bool> stands_{false};  // in the row
};

class Inbox {
 public:
  explicit Inbox(boost::asio::io_context& loop) : loop_(loop) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Any thread; `one` is called by the loop, never inside this call. Throws std::bad_alloc: it does
  // not stand there then, and who came meanwhile is called with the next ring.
  void ring(const std::shared_ptr<Rung>& one);

 private:
  void post();
  void call_all();
  bool call_some();
  std::shared_ptr<Rung> next();

  boost::asio::io_context& loop_;
  std::mutex mutex_;  // guards these two
  std::vector<std::shared_ptr<Rung>> row_;
  bool posted_ = false;  // the loop will look
  // The loop's own: the part of the row that it took, and how much of that was called.
  std::vector<std::shared_ptr<Rung>> taken_;
  std::size_t called_ = 0;
};

}  // namespace tessera::http
