#include "app/state_files.h"

#include <cstdlib>

namespace tessera::app {

std::string default_database() {
  // The convention wants an absolute path and ignores others.
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state == '/') return std::string(state) + "/tessera/tessera.db";
  const char* home = std::getenv("HOME");
  return std::string(home == nullptr || *home == '\0' ? "." : home) +
         "/.local/state/tessera/tessera.db";
}

}  // namespace tessera::app
