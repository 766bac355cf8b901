// The answering half of a connection: from the exchange to the wire.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <new>

#include "base/check.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/response_format.h"

namespace tessera::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kLowWaterBytes = 32768;
// When a peer that ended its side is asked whether it still reads: not at once, because most
// answers are faster than that; then ever more seldom, because one question suffices for a closed
// socket.
constexpr milliseconds kFirstProbe{100};
constexpr milliseconds kSecondProbe{500};
constexpr milliseconds kLongestProbeInterval{30'000};
constexpr std::size_t kMaxProbeZeros = 4;

}  // namespace

asio::awaitable<bool> Connection::answer(RequestHead head, std::string body) {
  const std::size_t low_water =
      std::min(kLowWaterBytes, state_->options.max_output_buffer_bytes / 2);
  const auto exchange = std::make_shared<ExchangeState>(state_->runtime, loop_, low_water,
                                                        [this] { on_answer_ready(); });
  AnswerState answer;
  exchange_ = exchange.get();
  answer_ = &answer;
  ++state_->active_exchanges;
  try {
    state_->handler->on_request(std::move(head), std::move(body), exchange->handle());
  } catch (const std::bad_alloc&) {  // unanswered, it gets the 500 of an abandoned exchange
    log_error("out of memory for a request from {}", client_address_);
  }
  Progress progress = Progress::kGone;
  try {
    while ((progress = advance(*exchange, answer)) == Progress::kGoOn)
      co_await wait_until(next_deadline(answer));
  } catch (const std::bad_alloc&) {
    log_error("out of memory for an answer to {}: it is cut", client_address_);
    progress = Progress::kGone;
  }
  --state_->active_exchanges;
  if (progress == Progress::kGone && answer.head_queued && !answer.chunked) {
    // Where the connection's end is the body's end, only a reset tells that the body was cut.
    boost::system::error_code ignored;
    wire_.socket().set_option(asio::socket_base::linger(true, 0), ignored);
  }
  if (progress == Progress::kGone) reset_ = true;
  exchange->detach(progress == Progress::kGone);
  exchange_ = nullptr;
  answer_ = nullptr;
  co_return progress == Progress::kDone && !close_after_;
}

// The handler queued something. A stream's token is written here, while the coroutine goes on
// waiting: resuming it costs more than the write. It is resumed at the end, and where the next
// deadline is earlier than what it waits for.
void Connection::on_answer_ready() {
  if (!waiter_ || advancing_) return notify();
  if (advance(*exchange_, *answer_) != Progress::kGoOn || next_deadline(*answer_) < deadline_)
    notify();
}

Connection::TimePoint Connection::next_deadline(const AnswerState& answer) const {
  TimePoint deadline = TimePoint::max();
  if (stall_since_) deadline = *stall_since_ + state_->options.write_stall_timeout;
  if (peer_ended_ && !answer.complete) deadline = std::min(deadline, answer.next_probe);
  if (answer.next_ping) deadline = std::min(deadline, *answer.next_ping);
  return deadline;
}

// One round: take what the handler queued, write, look after the peer.
Connection::Progress Connection::advance(ExchangeState& exchange, AnswerState& answer) {
  advancing_ = true;
  const Progress progress = advance_once(exchange, answer);
  advancing_ = false;
  return progress;
}

Connection::Progress Connection::advance_once(ExchangeState& exchange, AnswerState& answer) {
  if (lost()) return Progress::kGone;
  const auto now = steady_clock::now();
  take_answer(exchange, answer, now);
  if (answer.next_ping && now >= *answer.next_ping) ping_client(answer, now);
  if (peer_ended_ && !answer.complete) probe_peer(answer, now);
  push();
  if (lost() || answer.cut || output_stalled(now)) return Progress::kGone;
  if (answer.complete && output_.empty()) return Progress::kDone;
  exchange.set_unsent(output_.size());
  return Progress::kGoOn;
}

void Connection::take_answer(ExchangeState& exchange, AnswerState& answer, TimePoint now) {
  PendingAnswer taken = exchange.take();
  if (taken.abandoned && !answer.head_queued && !taken.stream)
    taken.response = state_->handler->error_response(500, "internal_error",
                                                     "The request could not be answered.", nullptr);
  if (taken.response) {
    queue_response(std::move(*taken.response));
    answer.head_queued = answer.complete = true;
    return;
  }
  if (taken.stream) queue_stream_head(*taken.stream, answer);
  if (!taken.frames.empty()) queue_chunk(taken.frames, answer);
  if (taken.stream || !taken.frames.empty())
    answer.next_ping = now + state_->options.stream_ping_interval;
  if (taken.finished) queue_end(taken.trailers, answer);
  answer.cut |= taken.abandoned;
}

// Decides about the connection's future, too: close_after_.
void Connection::queue_response(Response response) {
  if (response.status == 401)
    response.close |= ++unauthenticated_requests_ >= state_->options.max_unauthenticated_requests;
  close_after_ = response.close || !request_keep_alive_ || state_->draining;
  HeadFormat format;
  format.framing = status_has_body(response.status) ? BodyFraming::kLength : BodyFraming::kNone;
  format.content_length = response.body.size();
  format.close = close_after_;
  format.keep_alive = request_is_1_0_;
  output_.append(format_head(response.status, response.headers, format));
  if (format.framing == BodyFraming::kLength && !request_is_head_)
    output_.append(std::move(response.body));
}

void Connection::queue_error(const Rejection& rejection, const RequestHead* head) {
  Response response =
      state_->handler->error_response(rejection.status, rejection.code, rejection.message, head);
  response.close = true;
  queue_response(std::move(response));
}

void Connection::queue_stream_head(const StreamHead& stream, AnswerState& answer) {
  close_after_ = request_is_1_0_ || !request_keep_alive_ || state_->draining;
  HeadFormat format;
  format.framing = request_is_1_0_ ? BodyFraming::kUntilEnd : BodyFraming::kChunked;
  if (!status_has_body(stream.status)) format.framing = BodyFraming::kNone;
  format.close = close_after_;
  output_.append(format_head(stream.status, stream.headers, format));
  answer.head_queued = true;
  answer.chunked = format.framing == BodyFraming::kChunked;
}

void Connection::queue_chunk(std::string_view frames, AnswerState& answer) {
  if (request_is_head_) return;
  if (!answer.chunked) return output_.append(frames);
  std::array<char, 16> size;
  const auto end = std::to_chars(size.data(), size.data() + size.size(), frames.size(), 16).ptr;
  output_.append({std::string_view(size.data(), end), "\r\n", frames, "\r\n"});
  answer.probe_zeros = 0;
}

void Connection::queue_end(const std::vector<Header>& trailers, AnswerState& answer) {
  if (answer.chunked && !request_is_head_) output_.append(format_last_chunk(trailers));
  answer.complete = true;
  answer.next_ping.reset();
}

// Clients and proxies give up on a stream that is silent for long, as one is during a long prefill:
// a comment, which every reader of event streams skips, tells them that somebody is there.
void Connection::ping_client(AnswerState& answer, TimePoint now) {
  if (output_.empty()) queue_chunk(": ping\n\n", answer);
  answer.next_ping = now + state_->options.stream_ping_interval;
}

// A peer that ended its side is either waiting for the answer or closed altogether. A closed socket
// answers any byte with a reset, so a byte is sent that means nothing to one that reads: an interim
// response before the final one, a leading zero of the next chunk size within a stream.
void Connection::probe_peer(AnswerState& answer, TimePoint now) {
  if (answer.probe_interval.count() == 0) {
    answer.probe_interval = kSecondProbe;
    answer.next_probe = now + kFirstProbe;
  }
  if (now < answer.next_probe) return;
  answer.next_probe = now + answer.probe_interval;
  answer.probe_interval = std::min(answer.probe_interval * 2, kLongestProbeInterval);
  if (request_is_1_0_ || !output_.empty()) return;  // what waits to be sent asks as well
  if (!answer.head_queued) {
    output_.append("HTTP/1.1 102 Processing\r\n\r\n");
  } else if (answer.chunked && !request_is_head_ && answer.probe_zeros < kMaxProbeZeros) {
    ++answer.probe_zeros;
    output_.append("0");
  }
}

}  // namespace tessera::http
