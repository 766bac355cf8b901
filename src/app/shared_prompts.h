// The operator's list of system prompts whose state all accounts may share in the prefix cache: a
// text file with the SHA-256 of one prompt's text on each line, as sha256sum prints it; what
// follows the 64 digits is left to the reader, and so are lines that begin with '#'.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace tessera::app {

// An empty path: none. kIo, or kInvalidArgument with the line.
Result<std::vector<Sha256>> read_shared_prompts(const std::string& path);

}  // namespace tessera::app
