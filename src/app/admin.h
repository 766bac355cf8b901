// The admin listener: figures about the running server, in Prometheus' text format, for the machine
// it runs on. It is apart from the public port, so that nothing there needs a rule for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "engine/engine.h"
#include "http/server.h"

namespace tessera::app {

// GET /metrics. Names and values are ours alone: nothing that a client sent.
std::string format_metrics(const engine::EngineStats& engine, const http::ServerStats& http,
                           std::int64_t start_unix_seconds);

// Listens on 127.0.0.1 and runs; `server` and `engine` outlive it.
Result<std::unique_ptr<http::Server>> start_admin(std::uint16_t port, const http::Server& server,
                                                  const engine::Engine& engine);

}  // namespace tessera::app
