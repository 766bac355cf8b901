// The demo model inside the binary: a toy of a few million parameters (models/README.md).
#pragma once

#include <cstddef>
#include <span>

namespace tessera::app {

// A whole GGUF file, aligned to 64 bytes; lives as long as the process.
std::span<const std::byte> embedded_model();

}  // namespace tessera::app
