#include "serve/load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>

#include "serve/http_reader.h"

namespace tessera::bench {
namespace {

using Clock = std::chrono::steady_clock;

float milliseconds(Clock::duration time) {
  return std::chrono::duration<float, std::milli>(time).count();
}

struct Connection {
  int fd = -1;
  bool busy = false;
  bool measured = false;  // its request was due after the warm-up
  std::size_t sent = 0;
  std::int32_t events = 0;
  Clock::time_point due;
  Clock::time_point first_event;
  Clock::time_point last_event;
  HttpReader reader;
};

class Load {
 public:
  explicit Load(const LoadOptions& options) : options_(options) {}
  ~Load() {
    for (const Connection& connection : connections_)
      if (connection.fd >= 0) ::close(connection.fd);
    if (poll_ >= 0) ::close(poll_);
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  Result<LoadResult> run();

 private:
  Result<void> open(Connection& connection);
  void start(Connection& connection, Clock::time_point due);
  void start_due(Clock::time_point now);
  void write(Connection& connection);
  void read(Connection& connection);
  void take(Connection& connection, std::string_view bytes);
  void finish(Connection& connection);
  void lose(Connection& connection);
  bool over(Clock::time_point now) const;
  int timeout_ms(Clock::time_point now) const;

  const LoadOptions& options_;
  int poll_ = -1;
  std::vector<Connection> connections_;
  std::deque<Connection*> idle_;
  std::size_t busy_ = 0;
  Clock::time_point measured_from_;
  Clock::time_point end_;
  Clock::time_point next_due_;
  LoadResult result_;
  std::vector<char> buffer_ = std::vector<char>(std::size_t{1} << 16);
};

Result<void> Load::open(Connection& connection) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1)
    return fail(ErrorCode::kInvalidArgument, "the host must be an IPv4 address");
  connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection.fd < 0 ||
      ::connect(connection.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(ErrorCode::kIo, std::string("cannot connect: ") + std::strerror(errno));
  const int on = 1;
  (void)setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)fcntl(connection.fd, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.ptr = &connection;
  if (epoll_ctl(poll_, EPOLL_CTL_ADD, connection.fd, &event) != 0)
    return fail(ErrorCode::kIo, "epoll refused a socket");
  connection.reader = {};
  idle_.push_back(&connection);
  return {};
}

void Load::start(Connection& connection, Clock::time_point due) {
  connection.busy = true;
  connection.sent = 0;
  connection.events = 0;
  connection.due = due;
  connection.measured = due >= measured_from_;
  ++busy_;
  write(connection);
}

void Load::start_due(Clock::time_point now) {
  if (options_.once) return;
  if (options_.rate <= 0) {
    while (!idle_.empty() && now < end_) {
      Connection* connection = idle_.front();
      idle_.pop_front();
      start(*connection, now);
    }
    return;
  }
  const auto step =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options_.rate));
  for (; next_due_ <= now && next_due_ < end_; next_due_ += step) {
    if (idle_.empty()) {
      if (next_due_ >= measured_from_) ++result_.late;
      continue;
    }
    Connection* connection = idle_.front();
    idle_.pop_front();
    start(*connection, next_due_);
  }
}

void Load::write(Connection& connection) {
  while (connection.busy && connection.sent < options_.request.size()) {
    const ssize_t n = ::send(connection.fd, options_.request.data() + connection.sent,
                             options_.request.size() - connection.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return lose(connection);
    connection.sent += static_cast<std::size_t>(n);
  }
}

void Load::read(Connection& connection) {
  while (connection.fd >= 0) {
    const ssize_t n = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return lose(connection);
    take(connection, {buffer_.data(), static_cast<std::size_t>(n)});
    if (static_cast<std::size_t>(n) < buffer_.size()) return;  // edge-triggered: more rings again
  }
}

void Load::take(Connection& connection, std::string_view bytes) {
  if (!connection.busy) return lose(connection);  // nothing was asked for
  const HttpReader::Seen seen = connection.reader.feed(bytes);
  if (seen.broken) return lose(connection);
  if (seen.events > 0) {
    const Clock::time_point now = Clock::now();
    if (connection.measured) {
      result_.events += seen.events;
      if (connection.events == 0) {
        result_.first_event.push_back(milliseconds(now - connection.due));
        connection.first_event = now;
      } else {
        result_.gaps.push_back(milliseconds(now - connection.last_event));
      }
      // Further events of the same read came at the same moment: no gap that a user would see.
      result_.gaps.insert(result_.gaps.end(), static_cast<std::size_t>(seen.events - 1), 0.0F);
    }
    connection.events += seen.events;
    connection.last_event = now;
  }
  if (seen.finished) finish(connection);
}

void Load::finish(Connection& connection) {
  connection.busy = false;
  --busy_;
  idle_.push_back(&connection);
  if (!connection.measured) return;
  if (connection.reader.status() != 200) {
    ++result_.refused;
    result_.refusal.push_back(milliseconds(Clock::now() - connection.due));
    result_.last_status = connection.reader.status();
  } else if (connection.events > 0 && !connection.reader.saw_done()) {
    ++result_.broken;
  } else {
    ++result_.requests;
    result_.latency.push_back(milliseconds(Clock::now() - connection.due));
    const float lasted_ms = milliseconds(connection.last_event - connection.first_event);
    if (connection.events > 1 && lasted_ms > 0)
      result_.rates.push_back(static_cast<float>(connection.events - 1) * 1000 / lasted_ms);
  }
}

void Load::lose(Connection& connection) {
  if (connection.busy) --busy_;
  if (connection.measured || connection.busy) ++result_.broken;
  connection.busy = false;
  ::close(connection.fd);
  connection.fd = -1;
  std::erase(idle_, &connection);
  if (!options_.once) (void)open(connection);  // a server that is gone shows in `broken`
}

bool Load::over(Clock::time_point now) const {
  if (options_.once) return busy_ == 0 || now > end_;
  return now >= end_ && (busy_ == 0 || now > end_ + std::chrono::seconds(10));
}

int Load::timeout_ms(Clock::time_point now) const {
  if (options_.rate <= 0 || options_.once) return 50;
  return next_due_ - now > std::chrono::milliseconds(1) ? 1 : 0;
}

Result<LoadResult> Load::run() {
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  connections_ = std::vector<Connection>(static_cast<std::size_t>(options_.connections));
  for (Connection& connection : connections_) TRY(open(connection));
  const Clock::time_point begin = Clock::now();
  measured_from_ = options_.once ? begin : begin + options_.warm_up;
  end_ = measured_from_ + options_.duration;
  next_due_ = begin;
  if (options_.once) {
    idle_.clear();
    for (Connection& connection : connections_) start(connection, Clock::now());
  }
  std::vector<epoll_event> events(1024);
  for (Clock::time_point now = begin; !over(now); now = Clock::now()) {
    start_due(now);
    const int n =
        epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout_ms(now));
    for (int i = 0; i < n; ++i) {
      Connection& connection =
          *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if ((events[static_cast<std::size_t>(i)].events & EPOLLOUT) != 0) write(connection);
      if ((events[static_cast<std::size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read(connection);
    }
  }
  for (const Connection& connection : connections_) result_.broken += connection.busy ? 1 : 0;
  result_.seconds = options_.once ? std::chrono::duration<double>(Clock::now() - begin).count()
                                  : std::chrono::duration<double>(options_.duration).count();
  return std::move(result_);
}

}  // namespace

Result<LoadResult> run_load(const LoadOptions& options) {
  return Load(options).run();
}

float percentile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  const auto at = std::min(values.size() - 1,
                           static_cast<std::size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace tessera::bench
