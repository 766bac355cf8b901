// Where this program keeps what it must remember, when no flag says otherwise.
#pragma once

#include <string>

namespace tessera::app {

// Accounts, keys and usage: $XDG_STATE_HOME/tessera/tessera.db, or
// ~/.local/state/tessera/tessera.db.
std::string default_database();

}  // namespace tessera::app
