// For this room's tests: a client that is a bare socket, so that it can be as wrong as it likes,
// and a server with a scripted handler. Test code alone includes this.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "http/request_parser.h"
#include "http/server.h"

namespace tessera::http {

struct Reply {
  unsigned status = 0;  // 0: the connection ended before a whole head
  std::vector<unsigned> interim;
  std::string head;  // of the final response
  std::string body;
  bool whole = false;  // the body is as long as the head says, or ends with the last chunk

  std::string header(std::string_view name) const {
    RequestHead fields;
    for (std::size_t begin = head.find("\r\n") + 2; begin < head.size();) {
      const auto end = std::min(head.find("\r\n", begin), head.size());
      parse_field_line(std::string_view(head).substr(begin, end - begin),
                       fields.headers.emplace_back());
      begin = end + 2;
    }
    return std::string(fields.header(name));
  }
};

class Peer {
 public:
  // `from`: an address of this machine's.
  explicit Peer(std::uint16_t port, int receive_buffer = 0, const char* from = "127.0.0.1")
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    CHECK(socket_ >= 0);
    if (receive_buffer != 0)
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, from, &address.sin_addr);
    CHECK(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  Peer(Peer&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        connected_(other.connected_),
        received_(std::move(other.received_)) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  Peer& operator=(Peer&&) = delete;
  ~Peer() { close(); }

  bool connected() const { return connected_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void send_urgent() { ::send(socket_, "!", 1, MSG_OOB | MSG_NOSIGNAL); }
  void end() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close();
  }

  enum class Read { kBytes, kEnd, kReset, kTimeout };
  Read read_more(int timeout_ms = 10'000) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, timeout_ms) <= 0) return Read::kTimeout;
    char bytes[65536];
    const ssize_t count = ::recv(socket_, bytes, sizeof(bytes), 0);
    if (count < 0) return Read::kReset;
    if (count == 0) return Read::kEnd;
    received_.append(bytes, static_cast<std::size_t>(count));
    return Read::kBytes;
  }
  // What came up to the connection's end.
  std::string read_to_end() {
    while (read_more() == Read::kBytes) {
    }
    return std::exchange(received_, {});
  }
  // Waits until `text` has come.
  bool wait_for(std::string_view text) {
    while (received_.find(text) == std::string::npos) {
      if (read_more() != Read::kBytes) return false;
    }
    return true;
  }
  bool ended(int timeout_ms = 10'000) {
    const Read result = read_more(timeout_ms);
    return result == Read::kEnd || result == Read::kReset;
  }
  const std::string& received() const { return received_; }

  // The next response. `of_head`: it answers a HEAD request.
  Reply read_reply(bool of_head = false) {
    Reply reply;
    do {
      std::size_t end = 0;
      while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
        if (read_more() != Read::kBytes) return reply;
      }
      reply.head = received_.substr(0, end + 2);
      received_.erase(0, end + 4);
      reply.status = static_cast<unsigned>(std::stoul(reply.head.substr(9, 3)));
      if (reply.status < 200) reply.interim.push_back(reply.status);
    } while (reply.status < 200);
    const std::string length = reply.header("Content-Length");
    if (of_head || reply.status == 204) {
      reply.whole = true;
    } else if (!length.empty()) {
      while (received_.size() < std::stoul(length) && read_more() == Read::kBytes) {
      }
      reply.body = received_.substr(0, std::stoul(length));
      received_.erase(0, reply.body.size());
      reply.whole = reply.body.size() == std::stoul(length);
    } else if (reply.header("Transfer-Encoding") == "chunked") {
      reply.whole = read_chunks(reply.body);
    } else {
      reply.body = read_to_end();
    }
    return reply;
  }

  // One chunk's data, "" for the last; false when the connection ended before.
  bool read_chunk(std::string& data) {
    std::size_t line = 0;
    while ((line = received_.find("\r\n")) == std::string::npos) {
      if (read_more() != Read::kBytes) return false;
    }
    const std::size_t size = std::stoul(received_.substr(0, line), nullptr, 16);
    while (received_.size() < line + 2 + size + 2) {
      if (read_more() != Read::kBytes) return false;
    }
    data = received_.substr(line + 2, size);
    received_.erase(0, line + 2 + size + 2);
    return true;
  }

 private:
  bool read_chunks(std::string& body) {
    std::string data;
    while (read_chunk(data)) {
      if (data.empty()) return true;
      body += data;
    }
    return false;
  }

  int socket_;
  bool connected_ = false;
  std::string received_;
};

// Set by one thread, awaited by another.
class Event {
 public:
  void set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool wait(std::chrono::milliseconds limit = std::chrono::seconds(10)) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// Answers with "METHOD path?query|body" unless told otherwise.
class ScriptedHandler final : public Handler {
 public:
  using Exchanged = std::function<void(RequestHead, std::string, std::shared_ptr<Exchange>)>;
  std::function<std::unique_ptr<Response>(const RequestHead&, std::int64_t)> head_hook;
  Exchanged request_hook;
  std::atomic<int> heads{0};
  std::atomic<int> requests{0};

  std::unique_ptr<Response> on_head(const RequestHead& head, std::int64_t length) override {
    ++heads;
    return head_hook ? head_hook(head, length) : nullptr;
  }
  void on_request(RequestHead head, std::string body, std::shared_ptr<Exchange> exchange) override {
    ++requests;
    if (request_hook) return request_hook(std::move(head), std::move(body), std::move(exchange));
    Response response;
    response.headers.emplace_back("Content-Type", "text/plain");
    response.body = head.method + " " + head.path + "?" + head.query + "|" + body;
    exchange->respond(std::move(response));
  }
  Response error_response(unsigned status, std::string_view code, std::string_view,
                          const RequestHead*) override {
    Response response;
    response.status = status;
    response.body = code;
    return response;
  }
};

struct TestServer {
  explicit TestServer(ServerOptions options = {},
                      std::shared_ptr<ScriptedHandler> given = std::make_shared<ScriptedHandler>())
      : handler(std::move(given)) {
    options.port = 0;
    auto listening = Server::listen(options, handler);
    CHECK(listening.has_value());
    server = std::move(*listening);
    server->start();
  }
  Peer peer(int receive_buffer = 0) const { return Peer(server->port(), receive_buffer); }
  // The reply to `bytes` on a connection of its own.
  Reply exchange(std::string_view bytes) const {
    Peer one = peer();
    one.send(bytes);
    return one.read_reply();
  }

  std::shared_ptr<ScriptedHandler> handler;
  std::unique_ptr<Server> server;
};

inline std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: here\r\n" + std::string(fields) + "\r\n";
}
inline std::string post(std::string_view body, std::string_view fields = "") {
  return "POST /p HTTP/1.1\r\nHost: here\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string chunked_post(std::string_view chunks) {
  return "POST /p HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n" +
         std::string(chunks);
}

}  // namespace tessera::http
