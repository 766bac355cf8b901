// The flags of `serve` about its clients: addresses, connections, timeouts, and what the API takes.
#pragma once

#include <CLI/CLI.hpp>

#include "app/commands.h"

namespace tessera::app {

void add_listener_flags(CLI::App& command, NetworkOptions& network, ApiOptions& api);

}  // namespace tessera::app
