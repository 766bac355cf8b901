// CLI::Range for numbers with a fraction: CLI11's own lets "nan" pass.
#pragma once

#include <CLI/CLI.hpp>

namespace tessera::app {

CLI::Validator between(double least, double most);

}  // namespace tessera::app
