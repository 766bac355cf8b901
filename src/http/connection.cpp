#include "http/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <new>

#include "base/log.h"
#include "http/chunked_decoder.h"

namespace tessera::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 32768;
constexpr std::size_t kIdleInputBytes = 4096;  // memory kept while nothing is read
constexpr std::size_t kMaxEmptyLines = 4;      // before a request line (RFC 9112, 2.2)
constexpr int kLingerFactor = 5;               // linger_timeout is for silence; times this, in all

// An IPv6 client is given a network of 2^64 addresses at least.
std::string client_of(const asio::ip::address& address) {
  if (!address.is_v6()) return address.to_string();
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return asio::ip::address_v6(bytes).to_string();
}

Rejection no_body_memory() {
  return {503, "server_overloaded",
          "The bodies of requests that came before take the memory there is for them. Try again "
          "later."};
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerState> state, asio::ip::tcp::socket socket,
                       const asio::ip::address& peer, const std::shared_ptr<const TlsContext>& tls,
                       std::size_t loop, Strand strand)
    : state_(std::move(state)),
      wire_(std::move(socket), tls),
      loop_(loop),
      strand_(std::move(strand)),
      timer_(strand_),
      input_limit_(state_->options.max_request_line_bytes + state_->options.max_header_bytes +
                   kReadBytes) {
  const bool mapped = peer.is_v6() && peer.to_v6().is_v4_mapped();
  const asio::ip::address address =
      mapped ? asio::ip::make_address_v4(asio::ip::v4_mapped, peer.to_v6()) : peer;
  client_address_ = address.to_string();
  client_ = client_of(address);
}

void Connection::start(bool refused) {
  asio::co_spawn(strand_, run(refused),
                 [self = shared_from_this()](const std::exception_ptr& error) {
                   self->state_->remove(self);
                   try {
                     if (error) std::rethrow_exception(error);
                   } catch (const std::bad_alloc&) {  // its memory is free again: the others go on
                     log_error("out of memory: the connection of {} ends", self->client_address_);
                     self->timer_.cancel();
                     self->wire_.close();
                   }
                 });
}

void Connection::reconsider() {
  state_->runtime->post(strand_, [self = shared_from_this()] { self->notify(); });
}

void Connection::abort() {
  state_->runtime->post(strand_, [self = shared_from_this()] {
    self->aborted_ = true;
    self->notify();
  });
}

asio::awaitable<void> Connection::run(bool refused) {
  if (refused && wire_.secure()) {
    reset_ = true;  // a handshake would cost us more than the refusal is worth
  } else if (refused) {
    queue_error(
        {503, "server_overloaded", "The server has too many connections. Try again later."});
    co_await flush();
  } else if (co_await shake_hands()) {
    while (co_await serve_request()) {
    }
  }
  co_await finish();
  output_ = {};
  count_buffered();
}

// The TLS handshake, if there has to be one; false: no request can follow.
asio::awaitable<bool> Connection::shake_hands() {
  const auto deadline = steady_clock::now() + state_->options.handshake_timeout;
  shaking_hands_ = true;
  IoStatus status = IoStatus::kWaitRead;
  for (;;) {
    status = wire_.handshake();
    if (status == IoStatus::kWaitWrite) arm_write();
    if (status != IoStatus::kWaitWrite && status != IoStatus::kWaitRead) break;
    if (!co_await wait_until(deadline) || lost() || state_->draining) {
      reset_ = true;
      break;
    }
  }
  shaking_hands_ = false;
  if (status == IoStatus::kPlainHttp) {
    wire_.drop_tls();
    queue_error({400, "bad_http", "This port speaks TLS: use https:// instead of http://."});
    co_await flush();
  }
  co_return status == IoStatus::kDone;
}

// One request from its first byte to the last of its answer; whether there can be another.
asio::awaitable<bool> Connection::serve_request() {
  ParsedHead parsed;
  if (!co_await read_head(parsed)) co_return false;
  request_is_head_ = parsed.head.method == "HEAD";
  request_is_1_0_ = parsed.http_1_0;
  request_keep_alive_ = parsed.keep_alive;
  parsed.head.client_address = client_address_;

  if (auto refusal = state_->handler->on_head(parsed.head, parsed.content_length)) {
    refusal->close |= parsed.has_body();
    queue_response(std::move(*refusal));
    co_return co_await flush() && !close_after_;
  }
  if (!takes_length(parsed)) {
    co_await flush();
    co_return false;
  }
  std::string body;
  if (parsed.has_body()) {
    if (parsed.expect_continue && input_.empty()) output_.append("HTTP/1.1 100 Continue\r\n\r\n");
    if (!co_await read_body(parsed, body)) co_return false;
  }
  // An answer can take minutes, and a connection wait for its next request.
  if (input_.size() <= kIdleInputBytes && input_.capacity() > kIdleInputBytes)
    input_.shrink_to_fit();
  co_return co_await answer(std::move(parsed.head), std::move(body));
}

asio::awaitable<bool> Connection::read_head(ParsedHead& parsed) {
  const ServerOptions& options = state_->options;
  HeadParser parser(options);
  const bool keep_alive = !std::exchange(first_request_, false);
  request_is_head_ = request_is_1_0_ = false;  // of errors before the head is known
  request_keep_alive_ = true;
  bool started = false;
  std::size_t empty_lines = 0;
  auto deadline =
      steady_clock::now() + (keep_alive ? options.keep_alive_timeout : options.header_timeout);
  for (;;) {
    while (!started && input_.starts_with("\r\n") && ++empty_lines <= kMaxEmptyLines)
      input_.erase(0, 2);
    if (!started && !input_.empty() && input_ != "\r") {
      started = true;
      if (keep_alive) deadline = steady_clock::now() + options.header_timeout;
    }
    if (started) {
      const ParseStatus status = parser.feed(input_);
      if (status == ParseStatus::kRejected) {
        queue_error(parser.rejection());
        co_await flush();
        co_return false;
      }
      if (status == ParseStatus::kDone) {
        input_.erase(0, parser.consumed());
        parsed = std::move(parser.parsed());
        co_return true;
      }
    }
    if (lost() || (!started && (peer_ended_ || state_->draining))) co_return false;
    if (peer_ended_) {
      queue_error({400, "bad_http", "The request ends in the middle of its header."});
      co_await flush();
      co_return false;
    }
    if (!co_await wait_until(deadline)) break;
  }
  if (started && !lost()) {
    queue_error({408, "request_timeout", "The request's header did not arrive in time."});
    co_await flush();
  }
  co_return false;
}

std::size_t Connection::body_limit(const RequestHead& head) const {
  const ServerOptions& options = state_->options;
  if (head.method == "POST") return options.max_body_bytes;
  return std::min(options.max_body_bytes, options.max_ignored_body_bytes);
}

bool Connection::takes_length(const ParsedHead& parsed) {
  if (parsed.content_length <= 0) return true;
  const auto length = static_cast<std::uint64_t>(parsed.content_length);
  const std::size_t limit = body_limit(parsed.head);
  if (length > limit) {
    queue_error(
        {413, "request_too_large", "The body has more than " + std::to_string(limit) + " bytes."},
        &parsed.head);
    return false;
  }
  if (length > BodyMemory::kUncountedBytes &&
      !state_->body_memory->has_room(state_->handler->body_owner(parsed.head), length)) {
    queue_error(no_body_memory(), &parsed.head);
    return false;
  }
  return true;
}

// `body` has grown: what it takes is counted, if it is not small.
bool Connection::count_body(const RequestHead& head, const std::string& body,
                            std::shared_ptr<BodyMemory::Share>& share) {
  if (body.capacity() <= BodyMemory::kUncountedBytes) return true;
  if (share == nullptr) {
    share =
        std::make_shared<BodyMemory::Share>(state_->body_memory, state_->handler->body_owner(head));
  }
  return share->grow_to(body.capacity());
}

// Moves body bytes from input_ to `body`.
ParseStatus Connection::take_body(const ParsedHead& parsed, ChunkedDecoder& decoder,
                                  std::string& body, Rejection& rejection) {
  if (parsed.chunked()) {
    std::size_t consumed = 0;
    const ParseStatus status = decoder.feed(input_, consumed, body);
    input_.erase(0, consumed);
    if (status == ParseStatus::kRejected) rejection = decoder.rejection();
    return status;
  }
  const auto length = static_cast<std::size_t>(parsed.content_length);
  const std::size_t bytes = std::min(length - body.size(), input_.size());
  if (body.size() + bytes > body.capacity()) {  // never more than was announced
    std::string larger;
    larger.reserve(std::min(length, std::max(body.size() + bytes, 2 * body.capacity())));
    larger.append(body);
    body = std::move(larger);
  }
  body.append(input_, 0, bytes);
  input_.erase(0, bytes);
  return body.size() == length ? ParseStatus::kDone : ParseStatus::kNeedMore;
}

asio::awaitable<bool> Connection::read_body(ParsedHead& parsed, std::string& body) {
  const ServerOptions& options = state_->options;
  std::shared_ptr<BodyMemory::Share> share;
  ChunkedDecoder decoder(options, body_limit(parsed.head));
  Rejection rejection;
  const auto start = steady_clock::now();
  for (;;) {
    push();
    const ParseStatus status = take_body(parsed, decoder, body, rejection);
    if (status == ParseStatus::kRejected) break;
    if (!count_body(parsed.head, body, share)) {
      rejection = no_body_memory();
      break;
    }
    if (status == ParseStatus::kDone) {
      parsed.head.body_share = std::move(share);
      co_return true;
    }
    if (lost()) co_return false;
    if (peer_ended_) {
      rejection = {400, "bad_http", "The request ends in the middle of its body."};
      break;
    }
    auto deadline = start + options.body_timeout;
    if (options.min_body_bytes_per_second != 0) {
      // Each byte that came buys its share of time.
      const milliseconds earned(body.size() * 1000 / options.min_body_bytes_per_second);
      deadline = std::min(deadline, start + options.body_rate_grace + earned);
    }
    if (!co_await wait_until(deadline) && !lost()) {
      rejection = {408, "request_timeout", "The request's body did not arrive in time."};
      break;
    }
  }
  queue_error(rejection, &parsed.head);
  co_await flush();
  co_return false;
}

// Writes all that is queued; false when the peer does not take it.
asio::awaitable<bool> Connection::flush() {
  for (;;) {
    push();
    if (lost()) co_return false;
    if (output_.empty()) co_return true;
    if (output_stalled(steady_clock::now())) {
      reset_ = true;
      co_return false;
    }
    const TimePoint since = stall_since_.value_or(steady_clock::now());  // output waits: it is set
    co_await wait_until(since + state_->options.write_stall_timeout);
  }
}

// Ends our side, and gives the peer time to read our answer: closing a socket with unread input
// resets it, and the answer with it.
asio::awaitable<void> Connection::finish() {
  if (!lost()) {
    wire_.end();
    const auto silence = state_->options.linger_timeout;
    const auto end = steady_clock::now() + silence * kLingerFactor;
    for (;;) {
      input_.clear();
      if (peer_ended_ || lost()) break;
      if (!co_await wait_until(std::min(end, steady_clock::now() + silence))) break;
    }
  }
  timer_.cancel();
  wire_.close();
}

asio::awaitable<bool> Connection::wait_until(TimePoint deadline) {
  arm_reads();
  if (!notified_) {
    deadline_ = deadline;
    arm_timer();
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        [this](auto&& handler) { waiter_.emplace(std::forward<decltype(handler)>(handler)); },
        asio::use_awaitable);
  }
  const bool happened = std::exchange(notified_, false);
  co_return (happened && steady_clock::now() < deadline);
}

void Connection::notify() {
  notified_ = true;
  if (!waiter_ || std::exchange(resume_posted_, true)) return;
  asio::post(strand_, [self = shared_from_this()] {
    self->resume_posted_ = false;
    self->resume_if_due();
  });
}

void Connection::notify_here() {
  notified_ = true;
  resume_if_due();
}

void Connection::resume_if_due() {
  if (!waiter_ || (!notified_ && steady_clock::now() < deadline_)) return;
  auto waiter = *std::move(waiter_);
  waiter_.reset();
  waiter();
}

// A timer that is set too early rings in vain, and is then set anew: seldom, where one that follows
// each deadline would be set several times a request.
void Connection::arm_timer() {
  if (deadline_ == TimePoint::max() || (timer_armed_ && timer_.expiry() <= deadline_)) return;
  timer_armed_ = true;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error) return;  // set anew, or the end
    self->timer_armed_ = false;
    self->resume_if_due();
    if (self->waiter_) self->arm_timer();
  });
}

void Connection::arm_reads() {
  if (reset_) return;
  const auto self = shared_from_this();
  if (!peer_ended_ && input_.size() < input_limit_) {
    if (std::exchange(read_armed_, true)) return;
    wire_.socket().async_wait(asio::socket_base::wait_read,
                              asio::bind_executor(strand_, [self](boost::system::error_code error) {
                                self->read_armed_ = false;
                                if (!error && !self->shaking_hands_) self->read_some();
                                self->notify_here();
                              }));
  } else if (!error_watch_useless_ && !std::exchange(error_armed_, true)) {
    wire_.socket().async_wait(asio::socket_base::wait_error,
                              asio::bind_executor(strand_, [self](boost::system::error_code error) {
                                self->error_armed_ = false;
                                if (!error) self->watch_for_errors();
                                self->notify_here();
                              }));
  }
}

void Connection::read_some() {
  thread_local std::array<char, kReadBytes> scratch;
  const IoResult result = wire_.read(scratch);
  if (result.status == IoStatus::kDone) {
    input_.append(scratch.data(), result.bytes);
  } else if (result.status == IoStatus::kEnded) {
    peer_ended_ = true;
  } else if (result.status == IoStatus::kWaitWrite) {
    read_after_write_ = true;
    arm_write();
  } else if (result.status != IoStatus::kWaitRead) {
    reset_ = true;
  }
}

void Connection::arm_write() {
  if (std::exchange(write_armed_, true)) return;
  wire_.socket().async_wait(
      asio::socket_base::wait_write,
      asio::bind_executor(strand_, [self = shared_from_this()](boost::system::error_code error) {
        self->write_armed_ = false;
        if (std::exchange(self->read_after_write_, false) && !error) self->read_some();
        self->notify_here();
      }));
}

void Connection::watch_for_errors() {
  int error = 0;
  socklen_t size = sizeof(error);
  const int failed =
      ::getsockopt(wire_.socket().native_handle(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (failed != 0 || error != 0) {
    reset_ = true;
  } else {
    error_watch_useless_ = true;  // urgent data wakes the watch too, again and again
  }
}

void Connection::push() {
  while (!output_.empty() && !lost()) {
    const IoResult result = wire_.write(output_);
    if (result.status == IoStatus::kDone) {
      output_.consume(result.bytes);
      sent_bytes_ += result.bytes;
      continue;
    }
    if (result.status != IoStatus::kWaitWrite && result.status != IoStatus::kWaitRead) {
      reset_ = true;
      break;
    }
    if (!stall_since_) {
      stall_since_ = steady_clock::now();
      stall_sent_bytes_ = sent_bytes_;
    }
    if (result.status == IoStatus::kWaitWrite) arm_write();
    break;
  }
  if (output_.empty()) stall_since_.reset();
  count_buffered();
}

void Connection::count_buffered() {
  if (output_.size() == counted_bytes_) return;
  state_->buffered_bytes += output_.size() - counted_bytes_;  // wraps around when it shrank
  counted_bytes_ = output_.size();
}

bool Connection::output_stalled(TimePoint now) {
  const auto timeout = state_->options.write_stall_timeout;
  if (!stall_since_ || now < *stall_since_ + timeout) return false;
  const auto least = static_cast<std::uint64_t>(1024 * timeout.count() / 1000);
  if (sent_bytes_ - stall_sent_bytes_ < std::max<std::uint64_t>(1, least)) return true;
  stall_since_ = now;
  stall_sent_bytes_ = sent_bytes_;
  return false;
}

}  // namespace tessera::http
