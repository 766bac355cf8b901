// The flags of `serve` about its clients: addresses, connections, timeouts, and what the API takes.
#pragma once

#include <CLI/CLI.hpp>

#include "app/commands.h"

namespace tessera::app {

// CLI::Range lets "nan" pass.
CLI::Validator between(double least, double most);

void add_listener_flags(CLI::App& command, NetworkOptions& network, ApiOptions& api);

}  // namespace tessera::app
