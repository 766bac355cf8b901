// What the connections of one server share. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "http/body_memory.h"
#include "http/runtime.h"
#include "http/server.h"

namespace tessera::http {

class Connection;

class ServerState {
 public:
  ServerState(ServerOptions server_options, std::shared_ptr<Handler> server_handler)
      : options(std::move(server_options)),
        handler(std::move(server_handler)),
        runtime(
            std::make_shared<Runtime>(static_cast<std::size_t>(std::max(1, options.io_threads)))),
        body_memory(std::make_shared<BodyMemory>(options.max_body_memory_bytes)),
        of_loop_(runtime->size()) {}

  const ServerOptions options;
  const std::shared_ptr<Handler> handler;
  const std::shared_ptr<Runtime> runtime;
  const std::shared_ptr<BodyMemory> body_memory;
  std::atomic<std::size_t> active_exchanges{0};
  std::atomic<std::size_t> buffered_bytes{0};
  std::atomic<bool> draining{false};  // no further request after the current one

  enum class Admission {
    kServed,
    kRefused,  // over a limit: it gets a 503
    kDropped,  // so many are being refused that this one is not registered, nor must it be started
  };
  Admission add(const std::shared_ptr<Connection>& connection);
  // The loop with the fewest connections.
  std::size_t quietest_loop() const;
  void remove(const std::shared_ptr<Connection>& connection);
  std::size_t connection_count() const;
  std::vector<std::shared_ptr<Connection>> connections();
  // Those there are; no more are let in.
  std::vector<std::shared_ptr<Connection>> close_all();

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  std::unordered_map<std::string, std::size_t> of_client_;  // connections, by Connection::client()
  std::vector<std::size_t> of_loop_;                        // connections, by Connection::loop()
  bool closed_ = false;
};

}  // namespace tessera::http
