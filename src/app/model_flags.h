// The flags that commands with a model share: where it is, and what computes with it.
#pragma once

#include <CLI/CLI.hpp>

#include "app/commands.h"

namespace tessera::app {

void add_model_flags(CLI::App& command, ModelOptions& model);
void add_context_flag(CLI::App& command, ModelOptions& model);
void add_kv_flag(CLI::App& command, ModelOptions& model);
void add_activations_flag(CLI::App& command, ModelOptions& model);
void add_memory_flag(CLI::App& command, ModelOptions& model);

}  // namespace tessera::app
