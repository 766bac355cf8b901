#include "serve/talk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "serve/http_reader.h"

namespace tessera::bench {
namespace {

double milliseconds(Talk::Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// A socket that waits for nothing longer than that is asked to look at `stop`.
constexpr timeval kPatience{.tv_sec = 0, .tv_usec = 20'000};

void read_answer(int fd, Talk& talk, const std::stop_token& stop) {
  HttpReader reader;
  std::vector<char> buffer(std::size_t{1} << 16);
  for (;;) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (stop.stop_requested()) return;
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return;
    const auto now = Talk::Clock::now();
    const HttpReader::Seen seen = reader.feed({buffer.data(), static_cast<std::size_t>(n)});
    talk.events.insert(talk.events.end(), static_cast<std::size_t>(seen.events), now);
    if (seen.broken) return;
    if (!seen.finished) continue;
    talk.status = reader.status();
    talk.whole = talk.status == 200 && (talk.events.empty() || reader.saw_done());
    return;
  }
}

}  // namespace

double Talk::first_event_ms() const {
  return events.empty() ? 0 : milliseconds(events.front() - sent);
}

std::vector<double> Talk::gaps_ms() const {
  std::vector<double> gaps;
  for (std::size_t i = 1; i < events.size(); ++i)
    gaps.push_back(milliseconds(events[i] - events[i - 1]));
  return gaps;
}

Talk talk(std::uint16_t port, const std::string& request, const std::stop_token& stop) {
  Talk result;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (stop.stop_possible())
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  result.sent = Talk::Clock::now();
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send_all(fd, request))
    read_answer(fd, result, stop);
  ::close(fd);
  return result;
}

}  // namespace tessera::bench
