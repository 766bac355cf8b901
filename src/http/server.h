// Sockets to requests, responses and event streams: a thin layer on Boost.Asio and Beast
// coroutines. No OpenAI, no JSON in here, and no coroutine outside of here.
//
// Handlers run on I/O threads, never two at once for one connection. A handler must not block; it
// answers through the Exchange, at once or later, from any thread.
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

// One request's answer. Thread-safe. Calls after the connection is gone do nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;
  // The whole answer. Once, and not together with start_stream().
  virtual void respond(Response response) = 0;
  // An event stream: status and headers now (chunked), then frames, then finish().
  virtual void start_stream(unsigned status, std::vector<Header> headers) = 0;
  // Queues bytes behind those that wait; `buffered()` tells how many wait.
  virtual void write(std::string frame) = 0;
  virtual void finish_stream() = 0;
  virtual std::size_t buffered() const = 0;
  // Runs `work` on this connection's strand: how other threads get back onto it.
  virtual void post(std::function<void()> work) = 0;
  // Called once, on the strand, when the client is gone (closed, reset, stalled) before the answer
  // was whole.
  virtual void on_disconnect(std::function<void()> callback) = 0;
  // Called on the strand whenever `buffered()` fell below the low-water mark after having been
  // above the high-water mark.
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
  // What the server itself refuses before a handler can: 400 bad_http, 408, 413, 414, 417, 431, 503
  // (too many connections).
  virtual Response error_response(unsigned status, std::string_view code,
                                  std::string_view message) = 0;
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  // 0: any free one
  int io_threads = 2;
  std::size_t max_connections = 12'000;
  std::size_t max_body_bytes = std::size_t{16} << 20;
  std::size_t max_request_line_bytes = 8192;
  std::size_t max_header_bytes = 32768;
  std::size_t max_header_fields = 100;
  std::size_t max_output_buffer_bytes = std::size_t{1} << 20;  // of one connection; high-water mark
  std::chrono::seconds header_timeout{10};
  std::chrono::seconds body_timeout{60};
  std::chrono::seconds keep_alive_timeout{60};
  std::chrono::seconds write_stall_timeout{30};
};

class Server {
 public:
  // Binds and listens. kIo with the address and the system's reason otherwise.
  static Result<std::unique_ptr<Server>> listen(ServerOptions options,
                                                std::shared_ptr<Handler> handler);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;
  // Starts the I/O threads; returns at once.
  virtual void start() = 0;
  // Stops accepting; connections close after their current answer.
  virtual void stop_accepting() = 0;
  // Number of connections with an answer under way.
  virtual std::size_t active_exchanges() const = 0;
  // Closes everything and joins the I/O threads.
  virtual void shutdown() = 0;
};

}  // namespace tessera::http
