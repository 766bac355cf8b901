// A small file or pipe that a command reads once, whole. What a server keeps reading is
// base/regular_file.h's.
#pragma once

#include <string>

#include "base/result.h"

namespace tessera::app {

// An error has the file's name and the system's reason.
Result<std::string> read_text(const std::string& path);

}  // namespace tessera::app
