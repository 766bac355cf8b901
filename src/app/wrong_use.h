// What is said about a command line that cannot be read: what is wrong and where to look it up.
#pragma once

#include <CLI/CLI.hpp>

namespace tessera::app {

// On standard error; returns the exit status.
int report_wrong_use(const CLI::App& app, const CLI::ParseError& error);

}  // namespace tessera::app
