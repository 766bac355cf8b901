// What the connections of one server share. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "http/runtime.h"
#include "http/server.h"

namespace tessera::http {

class Connection;

class ServerState {
 public:
  ServerState(ServerOptions server_options, std::shared_ptr<Handler> server_handler)
      : options(std::move(server_options)), handler(std::move(server_handler)) {}

  const ServerOptions options;
  const std::shared_ptr<Handler> handler;
  const std::shared_ptr<Runtime> runtime = std::make_shared<Runtime>();
  std::atomic<std::size_t> active_exchanges{0};
  std::atomic<bool> draining{false};  // no further request after the current one

  // Registers a connection; false after close_all(), then it must not be started. `count`: how many
  // there are with it.
  bool add(const std::shared_ptr<Connection>& connection, std::size_t& count);
  void remove(const std::shared_ptr<Connection>& connection);
  std::vector<std::shared_ptr<Connection>> connections();
  // Those there are; no more are let in.
  std::vector<std::shared_ptr<Connection>> close_all();

 private:
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  bool closed_ = false;
};

}  // namespace tessera::http
