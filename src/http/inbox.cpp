#include "http/inbox.h"

#include <boost/asio/post.hpp>
#include <new>
#include <utility>

#include "base/log.h"

namespace tessera::http {
namespace {
constexpr std::size_t kAtATime = 64;  // then sockets and timers have their turn
}

// The loop is woken with no lock held, else it would run into it.
void Inbox::ring(const std::shared_ptr<Rung>& one) {
  // Who stands there already is called after this: both sides exchange, so the caller sees all that
  // came before the ring.
  if (one->stands_.exchange(true)) return;
  try {
    {
      const std::lock_guard lock(mutex_);
      row_.push_back(one);
      if (std::exchange(posted_, true)) return;
    }
    post();
  } catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    posted_ = false;
    std::erase(row_, one);
    one->stands_ = false;
    throw;
  }
}

void Inbox::post() {
  boost::asio::post(loop_, [this] { call_all(); });
}

// Null: nobody stands there, and the next ring posts.
std::shared_ptr<Rung> Inbox::next() {
  if (called_ == taken_.size()) {
    taken_.clear();
    called_ = 0;
    const std::lock_guard lock(mutex_);
    if (row_.empty()) {
      posted_ = false;
      return nullptr;
    }
    std::swap(taken_, row_);
  }
  return std::move(taken_[called_++]);
}

void Inbox::call_all() {
  while (call_some()) {
    try {
      return post();
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): then without a pause
    }
  }
}

// False: nobody is left.
bool Inbox::call_some() {
  for (std::size_t i = 0; i < kAtATime; ++i) {
    const std::shared_ptr<Rung> one = next();
    if (one == nullptr) return false;
    one->stands_.exchange(false);
    try {
      one->on_rung();
    } catch (const std::bad_alloc&) {  // the others are called all the same
      log_error("out of memory: a piece of work is dropped");
    }
  }
  return true;
}

}  // namespace tessera::http
