#include "serve/echo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace tessera::bench {

Result<std::unique_ptr<Echo>> Echo::start(std::size_t request_bytes, std::string reply) {
  std::unique_ptr<Echo> echo(new Echo(request_bytes, std::move(reply)));
  TRY(echo->listen());
  Echo& started = *echo;
  started.thread_ = std::jthread([&started](const std::stop_token& stop) { started.run(stop); });
  return echo;
}

Echo::~Echo() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  for (const auto& [fd, bytes] : received_) ::close(fd);
  if (listener_ >= 0) ::close(listener_);
  if (poll_ >= 0) ::close(poll_);
}

Result<void> Echo::listen() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  epoll_event event{};
  event.events = EPOLLIN;
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  event.data.fd = listener_;
  if (listener_ < 0 || poll_ < 0 ||
      ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, SOMAXCONN) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      epoll_ctl(poll_, EPOLL_CTL_ADD, listener_, &event) != 0)
    return fail(ErrorCode::kIo, std::string("no echo: ") + std::strerror(errno));
  port_ = ntohs(address.sin_port);
  return {};
}

void Echo::run(const std::stop_token& stop) {
  std::array<epoll_event, 64> events;
  while (!stop.stop_requested()) {
    const int n = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      fd == listener_ ? accept_all() : answer(fd);
    }
  }
}

void Echo::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    (void)epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
    received_[fd] = 0;
  }
}

void Echo::answer(int fd) {
  const ssize_t n = ::recv(fd, buffer_.data(), buffer_.size(), 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    received_.erase(fd);
    ::close(fd);
    return;
  }
  std::size_t& received = received_[fd];
  received += static_cast<std::size_t>(n);
  for (; received >= request_bytes_; received -= request_bytes_)
    (void)::send(fd, reply_.data(), reply_.size(), MSG_NOSIGNAL);
}

}  // namespace tessera::bench
