// A new key: what its holder is told once, and what the store keeps of it.
#pragma once

#include <cstdint>
#include <string>

#include "access/store.h"

namespace tessera::access {

struct NewKey {
  std::string text;  // "sk-tessera-" and 40 of [A-Za-z0-9]: to be shown once, then forgotten
  KeyRow row;
};

// From the system's cryptographic random source.
NewKey issue_key(AccountId account, std::string label, std::int64_t created);

}  // namespace tessera::access
