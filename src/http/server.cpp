#include "http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/connection.h"
#include "http/server_state.h"
#include "http/tls_files.h"

namespace tessera::http {

namespace {

// How many connections over the limit get a polite 503 at the same time; and of one client.
constexpr std::size_t kMaxRefusals = 256;
constexpr std::size_t kMaxRefusalsOfClient = 16;

}  // namespace

ServerState::Admission ServerState::add(const std::shared_ptr<Connection>& connection) {
  std::lock_guard lock(mutex_);
  const std::size_t all = connections_.size() + 1;
  std::size_t& of_client = of_client_[connection->client()];
  const std::size_t own_limit = options.max_connections_per_address;
  const bool over_own_limit = own_limit != 0 && of_client >= own_limit;
  if (closed_ || all > options.max_connections + kMaxRefusals ||
      (over_own_limit && of_client >= own_limit + kMaxRefusalsOfClient)) {
    if (of_client == 0) of_client_.erase(connection->client());
    return Admission::kDropped;
  }
  ++of_client;
  ++of_loop_[connection->loop()];
  connections_.insert(connection);
  return all > options.max_connections || over_own_limit ? Admission::kRefused : Admission::kServed;
}

void ServerState::remove(const std::shared_ptr<Connection>& connection) {
  std::lock_guard lock(mutex_);
  if (connections_.erase(connection) == 0) return;
  --of_loop_[connection->loop()];
  const auto of_client = of_client_.find(connection->client());
  if (--of_client->second == 0) of_client_.erase(of_client);
}

std::size_t ServerState::quietest_loop() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::min_element(of_loop_.begin(), of_loop_.end()) -
                                  of_loop_.begin());
}

std::size_t ServerState::connection_count() const {
  std::lock_guard lock(mutex_);
  return connections_.size();
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

// After a failed accept (no descriptors, no memory) the listener rests, instead of spinning.
constexpr std::chrono::milliseconds kAcceptRest{100};
constexpr int kFailuresALogLine = 100;

// An I/O thread. What a lack of memory cuts short is one piece of work: the others go on.
void run_events(asio::io_context& context) {
  for (;;) {
    try {
      context.run();
      return;
    } catch (const std::bad_alloc&) {
      log_error("out of memory: a piece of work is dropped");
    }
  }
}

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
        strand_(state_->runtime->loop(0).get_executor()),
        acceptor_(strand_),
        rest_timer_(strand_),
        certificate_timer_(strand_) {}
  ~AsioServer() override { shutdown(); }

  Result<void> open();
  std::uint16_t port() const override { return port_; }
  void start() override;
  void stop_accepting() override;
  ServerStats stats() const override {
    return {state_->connection_count(), state_->active_exchanges, state_->buffered_bytes,
            state_->body_memory->bytes()};
  }
  void shutdown() override;

 private:
  asio::awaitable<void> accept_loop();
  asio::awaitable<void> watch_certificate();
  void take(tcp::socket socket, std::size_t loop, Strand strand);
  void close_acceptor();

  const std::shared_ptr<ServerState> state_;
  const Strand strand_;  // of the acceptor
  tcp::acceptor acceptor_;
  asio::steady_timer rest_timer_;
  asio::steady_timer certificate_timer_;
  std::unique_ptr<TlsFiles> tls_;  // null: plain. On strand_ once the threads run.
  std::uint16_t port_ = 0;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;  // one a loop
  std::vector<std::thread> threads_;
};

Result<void> AsioServer::open() {
  const ServerOptions& options = state_->options;
  if (options.tls_certificate_file.empty() != options.tls_key_file.empty())
    return fail(ErrorCode::kInvalidArgument, "TLS needs a certificate file and a key file");
  if (!options.tls_key_file.empty()) {
    TRY_ASSIGN(tls_, TlsFiles::open(options.tls_certificate_file, options.tls_key_file,
                                    Clock::real().unix_seconds()));
  }
  tcp::resolver resolver(state_->runtime->loop(0));
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
  CHECK(threads_.empty());
  const auto rethrow = [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  };
  asio::co_spawn(strand_, accept_loop(), rethrow);
  if (tls_) asio::co_spawn(strand_, watch_certificate(), rethrow);
  for (std::size_t i = 0; i < state_->runtime->size(); ++i) {
    asio::io_context& loop = state_->runtime->loop(i);
    work_.emplace_back(loop.get_executor());
    threads_.emplace_back([&loop] { run_events(loop); });
  }
}

asio::awaitable<void> AsioServer::accept_loop() {
  int failures = 0;
  while (acceptor_.is_open()) {
    const std::size_t loop = state_->quietest_loop();
    const Strand strand = state_->runtime->loop(loop).get_executor();
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(strand, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      failures = 0;
      take(std::move(socket), loop, strand);
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

asio::awaitable<void> AsioServer::watch_certificate() {
  while (acceptor_.is_open()) {
    boost::system::error_code ignored;
    certificate_timer_.expires_after(state_->options.tls_check_interval);
    co_await certificate_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (acceptor_.is_open()) tls_->refresh(Clock::real().unix_seconds());
  }
}

void AsioServer::take(tcp::socket socket, std::size_t loop, Strand strand) try {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  const auto connection =
      std::make_shared<Connection>(state_, std::move(socket), peer.address(),
                                   tls_ ? tls_->current() : nullptr, loop, std::move(strand));
  const auto admission = state_->add(connection);
  if (admission != ServerState::Admission::kDropped)
    connection->start(admission == ServerState::Admission::kRefused);
} catch (const std::bad_alloc&) {
  log_error("out of memory for a connection");
}

void AsioServer::close_acceptor() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  rest_timer_.cancel();
  certificate_timer_.cancel();
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
  work_.clear();
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
