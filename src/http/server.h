// Sockets to requests, responses and event streams: HTTP/1.1 (RFC 9110, 9112) on Boost.Asio
// coroutines. No OpenAI, no JSON in here, and no coroutine outside of here.
//
// Handlers run on I/O threads, never two at once for one connection. A handler must not block; it
// answers through the Exchange, at once or later, from any thread.
//
// The next request of a connection is read only after the answer to the current one is whole. A
// peer that resets is gone at once. A peer that ends its sending side (FIN) may still read, so it
// gets its answer, and is probed meanwhile: before the response with an interim 102, between chunks
// with a leading zero of the next chunk size; a closed socket answers either with a reset. HTTP/1.0
// has no room for a probe: there the next write finds out.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tessera::http {

using Header = std::pair<std::string, std::string>;

struct RequestHead {
  std::string method;           // as sent; case-sensitive
  std::string path;             // as sent, up to '?'; an absolute form is reduced to its path
  std::string query;            // behind '?', undecoded
  std::vector<Header> headers;  // in order
  std::string client_address;   // without the port
  // Counts the body among all that are in memory; lives as long as the body does.
  std::shared_ptr<const void> body_share;

  // The value of a header that occurs exactly once, by case-insensitive name; empty when absent or
  // repeated.
  std::string_view header(std::string_view name) const;
  std::size_t header_count(std::string_view name) const;
};

struct Response {
  unsigned status = 200;
  std::vector<Header> headers;  // Content-Length, Date and Connection are the server's
  std::string body;
  bool close = false;  // close the connection afterwards
};

// One request's answer. Thread-safe. After the answer is whole or the client is gone, calls do
// nothing, except post(). An exchange that its handler lets go of unanswered is answered with a
// 500; an unfinished stream is cut.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // The whole answer. Once, and not together with start_stream().
  virtual void respond(Response response) = 0;
  // An event stream: status and headers now (chunked), then frames, then finish().
  virtual void start_stream(unsigned status, std::vector<Header> headers) = 0;
  // Queues bytes behind those that wait; `buffered()` tells how many wait.
  virtual void write(std::string frame) = 0;
  // `trailers` stand behind the last chunk (RFC 9112, 7.1.2); HTTP/1.0 clients do not get them.
  virtual void finish_stream(std::vector<Header> trailers = {}) = 0;
  virtual std::size_t buffered() const = 0;
  // Runs `work` on this connection's strand, never inside this call: how other threads get back
  // onto it. Works as long as the server has not been shut down, also when the client is gone.
  virtual void post(std::function<void()> work) = 0;
  // The same for work that is wanted again and again, set before the first ring(): rings that come
  // before it runs are one, and cost next to nothing. Any thread rings; it may throw
  // std::bad_alloc. Dropped once the answer is whole or the client gone.
  virtual void on_ring(std::function<void()> work) = 0;
  virtual void ring() = 0;
  // Called once, on the strand, when the client is gone (closed, reset, stalled) before the answer
  // was whole, or the server shuts down. Called soon, when the client is gone already; dropped
  // unused, once the answer is whole.
  virtual void on_disconnect(std::function<void()> callback) = 0;
  // Called on the strand whenever `buffered()` comes down to the low-water mark (32 KiB, or half of
  // max_output_buffer_bytes if that is less): a writer that pauses at a higher mark is called
  // again.
  virtual void on_writable(std::function<void()> callback) = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Before the body is read: a refusal (401, 404, 405, 413, …) or nothing. `content_length` is -1
  // when unknown. A refused request's body is not read; the connection closes when a body was
  // announced.
  virtual std::unique_ptr<Response> on_head(const RequestHead& head,
                                            std::int64_t content_length) = 0;
  // The whole request.
  virtual void on_request(RequestHead head, std::string body,
                          std::shared_ptr<Exchange> exchange) = 0;
  // What the server itself refuses before a handler can: 400 bad_http, 408 request_timeout,
  // 413 request_too_large, 414 uri_too_long, 417 expectation_failed, 431 headers_too_large,
  // 500 internal_error (an exchange was let go of), 503 server_overloaded (too many connections, or
  // too much memory in bodies).
  // `head`: of the request, where on_head() let it pass; null otherwise. Any I/O thread.
  virtual Response error_response(unsigned status, std::string_view code, std::string_view message,
                                  const RequestHead* head) = 0;
  // Whose the memory is that the body takes, of a request that on_head() let pass.
  virtual std::string body_owner(const RequestHead& head) const { return head.client_address; }
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: any free one
  int io_threads = 2;
  // Both or neither: PEM files; with them the server speaks TLS alone. Files that change are read
  // again, for new connections.
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::chrono::milliseconds tls_check_interval{2'000};
  std::chrono::milliseconds handshake_timeout{5'000};
  std::size_t max_connections = 12'000;
  // Of one client address; an IPv6 client has a whole /64. 0: no limit of its own.
  std::size_t max_connections_per_address = 1'000;
  // The answer to the last of so many requests of a connection that got a 401 closes it.
  std::size_t max_unauthenticated_requests = 10;
  std::size_t max_body_bytes = std::size_t{16} << 20;
  // Of a method whose body means nothing, as GET's: it is read to get to the next request.
  std::size_t max_ignored_body_bytes = std::size_t{64} << 10;
  // Of all connections' bodies over 64 KiB together, from their first byte to the end of their
  // RequestHead::body_share; one owner's have at most as much as they leave free.
  std::size_t max_body_memory_bytes = std::size_t{512} << 20;
  std::size_t max_request_line_bytes = 8192;  // without its CRLF
  std::size_t max_header_bytes = 32768;       // all field lines with their CRLFs
  std::size_t max_header_fields = 100;
  // Unsent bytes of one connection from which on writers should pause.
  std::size_t max_output_buffer_bytes = std::size_t{1} << 20;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{60'000};  // for the whole body
  // After the grace a body must have come at this average rate; 0: no minimum.
  std::chrono::milliseconds body_rate_grace{5'000};
  std::size_t min_body_bytes_per_second = 1024;
  std::chrono::milliseconds keep_alive_timeout{60'000};
  // In this time the peer has to take 1 KiB/s of what waits for it.
  std::chrono::milliseconds write_stall_timeout{30'000};
  // A stream to which nothing was written for so long gets a comment line (": ping").
  std::chrono::milliseconds stream_ping_interval{5'000};
  // How long a closed connection may stay silent before the peer's end, so that it can read our
  // answer; five times this, in all.
  std::chrono::milliseconds linger_timeout{2'000};
};

struct ServerStats {
  std::size_t connections = 0;
  std::size_t active_exchanges = 0;  // connections with an answer under way
  std::size_t buffered_bytes = 0;    // of answers, taken from their handlers and not sent yet
  std::size_t body_bytes = 0;        // of requests, as max_body_memory_bytes counts them
};

class Server {
 public:
  // Binds and listens. kIo with the address and the system's reason otherwise, or with the file
  // that is of no use for TLS.
  static Result<std::unique_ptr<Server>> listen(ServerOptions options,
                                                std::shared_ptr<Handler> handler);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  // Starts the I/O threads; returns at once.
  virtual void start() = 0;
  // Stops accepting; connections close after their current answer.
  virtual void stop_accepting() = 0;
  // Any thread; a snapshot.
  virtual ServerStats stats() const = 0;
  std::size_t active_exchanges() const { return stats().active_exchanges; }
  // Closes everything and joins the I/O threads.
  virtual void shutdown() = 0;
};

}  // namespace tessera::http
