#include "http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/server_state.h"

namespace tessera::http {

bool ServerState::add(const std::shared_ptr<Connection>& connection, std::size_t& count) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  connections_.insert(connection);
  count = connections_.size();
  return true;
}

void ServerState::remove(const std::shared_ptr<Connection>& connection) {
  std::lock_guard lock(mutex_);
  connections_.erase(connection);
}

std::vector<std::shared_ptr<Connection>> ServerState::connections() {
  std::lock_guard lock(mutex_);
  return {connections_.begin(), connections_.end()};
}

std::vector<std::shared_ptr<Connection>> ServerState::close_all() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  return {connections_.begin(), connections_.end()};
}

namespace {

using asio::ip::tcp;

// How many connections over the limit get a polite 503 at the same time.
constexpr std::size_t kMaxRefusals = 256;
// After a failed accept (no descriptors, no memory) the listener rests, instead of spinning.
constexpr std::chrono::milliseconds kAcceptRest{100};
constexpr int kFailuresALogLine = 100;

// The host as an address; a name is resolved, IPv4 first. "localhost" is the loopback address
// without asking anybody (RFC 6761, 6.3): a bare container may have no hosts file.
Result<tcp::endpoint> resolve(tcp::resolver& resolver, const ServerOptions& options) {
  boost::system::error_code error;
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  const auto address = asio::ip::make_address(host, error);
  if (!error) return tcp::endpoint(address, options.port);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || found.empty())
    return fail(ErrorCode::kIo, fmt::format("cannot resolve the host \"{}\" to listen on: {}",
                                            options.host, error.message()));
  const auto v4 = std::find_if(found.begin(), found.end(), [](const auto& entry) {
    return entry.endpoint().address().is_v4();
  });
  return (v4 != found.end() ? v4 : found.begin())->endpoint();
}

class AsioServer final : public Server {
 public:
  AsioServer(ServerOptions options, std::shared_ptr<Handler> handler)
      : state_(std::make_shared<ServerState>(std::move(options), std::move(handler))),
        strand_(asio::make_strand(state_->runtime->context())),
        acceptor_(strand_),
        rest_timer_(strand_) {}
  ~AsioServer() override { shutdown(); }

  Result<void> open();
  std::uint16_t port() const override { return port_; }
  void start() override;
  void stop_accepting() override;
  std::size_t active_exchanges() const override { return state_->active_exchanges; }
  void shutdown() override;

 private:
  asio::awaitable<void> accept_loop();
  void take(tcp::socket socket, Strand strand);
  void close_acceptor();

  const std::shared_ptr<ServerState> state_;
  const Strand strand_;  // of the acceptor
  tcp::acceptor acceptor_;
  asio::steady_timer rest_timer_;
  std::uint16_t port_ = 0;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::vector<std::thread> threads_;
};

Result<void> AsioServer::open() {
  tcp::resolver resolver(state_->runtime->context());
  TRY_ASSIGN(const tcp::endpoint endpoint, resolve(resolver, state_->options));
  boost::system::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) port_ = acceptor_.local_endpoint(error).port();
  if (error)
    return fail(ErrorCode::kIo, fmt::format("cannot listen on {}:{}: {}", state_->options.host,
                                            state_->options.port, error.message()));
  return {};
}

void AsioServer::start() {
  CHECK(threads_.empty() && !work_);
  work_.emplace(state_->runtime->context().get_executor());
  asio::co_spawn(strand_, accept_loop(), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  for (int i = 0; i < std::max(1, state_->options.io_threads); ++i)
    threads_.emplace_back([runtime = state_->runtime] { runtime->context().run(); });
}

asio::awaitable<void> AsioServer::accept_loop() {
  int failures = 0;
  while (acceptor_.is_open()) {
    const Strand strand = asio::make_strand(state_->runtime->context());
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(strand, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      failures = 0;
      take(std::move(socket), strand);
      continue;
    }
    if (!acceptor_.is_open() || error == asio::error::connection_aborted) continue;
    if (failures++ % kFailuresALogLine == 0)
      log_warning("cannot accept connections: {} (trying again every {} ms)", error.message(),
                  kAcceptRest.count());
    rest_timer_.expires_after(kAcceptRest);
    co_await rest_timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }
}

void AsioServer::take(tcp::socket socket, Strand strand) {
  const auto connection =
      std::make_shared<Connection>(state_, std::move(socket), std::move(strand));
  std::size_t count = 0;
  if (!state_->add(connection, count)) return;
  const std::size_t limit = state_->options.max_connections;
  if (count > limit + kMaxRefusals) {
    state_->remove(connection);
  } else {
    connection->start(count > limit);
  }
}

void AsioServer::close_acceptor() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  rest_timer_.cancel();
}

void AsioServer::stop_accepting() {
  state_->draining = true;
  if (threads_.empty()) return close_acceptor();
  state_->runtime->post(strand_,
                        [this] { close_acceptor(); });  // shutdown() joins before `this` ends
  for (const auto& connection : state_->connections()) connection->reconsider();
}

void AsioServer::shutdown() {
  stop_accepting();
  for (const auto& connection : state_->close_all()) connection->abort();
  work_.reset();
  for (std::thread& thread : threads_) {
    CHECK(thread.get_id() !=
          std::this_thread::get_id());  // a handler must not shut its server down
    thread.join();
  }
  threads_.clear();
  state_->runtime->end();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options,
                                               std::shared_ptr<Handler> handler) {
  CHECK(handler != nullptr);
  auto server = std::make_unique<AsioServer>(std::move(options), std::move(handler));
  TRY(server->open());
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace tessera::http
