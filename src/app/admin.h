// The admin listener: figures about the running server, in Prometheus' text format, for the machine
// it runs on. It is apart from the public port, so that nothing there needs a rule for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/handler.h"
#include "base/result.h"
#include "engine/engine.h"
#include "http/server.h"

namespace tessera::app {

// GET /metrics, which calls the model `model`. Listens on 127.0.0.1 and runs; what it tells about
// outlives it.
Result<std::unique_ptr<http::Server>> start_admin(std::uint16_t port, const http::Server& server,
                                                  const api::ApiHandler& api,
                                                  const engine::Engine& engine,
                                                  const std::string& model);

}  // namespace tessera::app
