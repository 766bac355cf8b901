// Which keys open a server that starts: the operator's, the database's, or one made here.
#pragma once

#include <string>
#include <vector>

#include "app/commands.h"
#include "base/result.h"
#include "base/sha256.h"

namespace tessera::app {

struct ServeKeys {
  std::string database;               // the file of accounts, keys and usage
  std::vector<Sha256> operator_keys;  // of --api-key
  std::string shown;                  // a key just made: shown once, then forgotten
  std::string origin;                 // where the keys come from, for the start-up lines
};

// Before anything is served: opens the database and looks which keys there are.
Result<ServeKeys> find_keys(const ServeOptions& options);

// Once nothing else can go wrong: fills in `origin`. Without a key of the operator's and without
// one in the database that works, account "default" gets one. --new-key makes one in any case, and
// revokes those that were made here before.
Result<void> complete_keys(const ServeOptions& options, ServeKeys& keys);

}  // namespace tessera::app
