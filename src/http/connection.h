// One accepted socket: a coroutine on a strand of its own reads a request, has it answered, and
// goes on to the next. All socket calls are non-blocking and made on the strand; the coroutine
// waits in one place only (wait_until), for readiness, for the exchange, or for a deadline. What
// the socket reports resumes it there and then; the timer is left running while the deadline only
// moves on. Kept alive by its coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/output_queue.h"
#include "http/request_parser.h"
#include "http/server_state.h"
#include "http/wire.h"

namespace tessera::http {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `tls` null: plain. `strand`: of the runtime's `loop`.
  Connection(std::shared_ptr<ServerState> state, asio::ip::tcp::socket socket,
             const asio::ip::address& peer, const std::shared_ptr<const TlsContext>& tls,
             std::size_t loop, Strand strand);

  // Whose connection it is, for the limit on one client's: the address, of IPv6 the first half.
  const std::string& client() const { return client_; }
  // Of the runtime: the one of its strand.
  std::size_t loop() const { return loop_; }

  // Once. With `refused` the client gets a 503 and nothing is read as a request.
  void start(bool refused);
  // Any thread: look at ServerState::draining again; close at once, in the middle of whatever.
  void reconsider();
  void abort();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Progress { kGoOn, kDone, kGone };

  // The current request's answer, as far as the wire has it.
  struct AnswerState {
    bool head_queued = false;
    bool chunked = false;
    bool complete = false;               // everything is in output_
    bool cut = false;                    // the stream cannot be completed
    std::size_t probe_zeros = 0;         // leading zeros of the next chunk size, sent already
    std::optional<TimePoint> next_ping;  // of a stream that is silent
    TimePoint next_probe{};              // of a peer that ended its side
    std::chrono::milliseconds probe_interval{};
  };

  asio::awaitable<void> run(bool refused);
  asio::awaitable<bool> shake_hands();
  asio::awaitable<bool> serve_request();
  asio::awaitable<bool> read_head(ParsedHead& parsed);
  asio::awaitable<bool> read_body(ParsedHead& parsed, std::string& body);
  ParseStatus take_body(const ParsedHead& parsed, class ChunkedDecoder& decoder, std::string& body,
                        Rejection& rejection);
  std::size_t body_limit(const RequestHead& head) const;
  // False: the length that is announced is refused.
  bool takes_length(const ParsedHead& parsed);
  bool count_body(const RequestHead& head, const std::string& body,
                  std::shared_ptr<BodyMemory::Share>& share);
  asio::awaitable<bool> answer(RequestHead head, std::string body);
  asio::awaitable<bool> flush();
  asio::awaitable<void> finish();

  void take_answer(ExchangeState& exchange, AnswerState& answer, TimePoint now);
  void queue_response(Response response);
  void queue_stream_head(const StreamHead& stream, AnswerState& answer);
  void queue_chunk(std::string_view frames, AnswerState& answer);
  void ping_client(AnswerState& answer, TimePoint now);
  void queue_end(const std::vector<Header>& trailers, AnswerState& answer);
  void queue_error(const Rejection& rejection, const RequestHead* head = nullptr);
  Progress advance(ExchangeState& exchange, AnswerState& answer);
  Progress advance_once(ExchangeState& exchange, AnswerState& answer);
  TimePoint next_deadline(const AnswerState& answer) const;
  void on_answer_ready();
  void probe_peer(AnswerState& answer, TimePoint now);
  bool output_stalled(TimePoint now);

  // Waits until something happened or `deadline` has come: then false.
  asio::awaitable<bool> wait_until(TimePoint deadline);
  // Something happened. From within a call of the coroutine's own, or of the exchange's: it goes on
  // later. From the strand's outermost call: it goes on here.
  void notify();
  void notify_here();
  void resume_if_due();
  void arm_timer();
  void arm_reads();
  void read_some();
  void watch_for_errors();
  void arm_write();
  // Writes what the socket takes.
  void push();
  void count_buffered();
  bool lost() const { return reset_ || aborted_; }

  const std::shared_ptr<ServerState> state_;
  Wire wire_;
  const std::size_t loop_;
  const Strand strand_;
  asio::steady_timer timer_;
  const std::size_t input_limit_;  // of unread bytes; above it the socket is left alone
  std::string client_address_;
  std::string client_;

  // All below: on the strand.
  std::string input_;                  // received, not consumed
  OutputQueue output_;                 // to be sent
  ExchangeState* exchange_ = nullptr;  // of the answer under way
  AnswerState* answer_ = nullptr;
  bool advancing_ = false;
  bool notified_ = false;
  bool resume_posted_ = false;
  // Of the coroutine where it waits, and until when.
  std::optional<asio::async_result<asio::use_awaitable_t<>, void()>::handler_type> waiter_;
  TimePoint deadline_ = TimePoint::max();
  bool timer_armed_ = false;
  bool read_armed_ = false;
  bool error_armed_ = false;
  bool error_watch_useless_ = false;
  bool write_armed_ = false;
  bool shaking_hands_ = false;     // what comes is TLS's own
  bool read_after_write_ = false;  // TLS has to write before it can read on
  bool peer_ended_ = false;        // FIN seen
  bool reset_ = false;             // nothing can be sent any more
  bool aborted_ = false;
  bool first_request_ = true;
  bool close_after_ = false;  // the current answer is the last
  bool request_is_head_ = false;
  bool request_is_1_0_ = false;
  bool request_keep_alive_ = false;
  std::size_t unauthenticated_requests_ = 0;
  std::size_t counted_bytes_ = 0;  // of output_, in ServerState::buffered_bytes

  // The write stall's window: since when, and what had been sent then.
  std::optional<TimePoint> stall_since_;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t stall_sent_bytes_ = 0;
};

}  // namespace tessera::http
