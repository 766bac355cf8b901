// Who may call: API keys by hash, each belonging to an account. Keys look like sk-tessera- and 40
// of [A-Za-z0-9]; only their SHA-256 is kept, so that a lost key cannot be read back, only
// replaced.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/sha256.h"

namespace tessera::access {

// A new key from the system's cryptographic random source.
std::string make_key();

// Filled before the server starts, constant from then on; any thread may ask.
class KeyRing {
 public:
  void add(const Sha256& key_hash, AccountId account);

  // The account of a presented key. The time it takes depends on the number of keys alone, not on
  // which one comes near.
  std::optional<AccountId> find(std::string_view presented) const;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Sha256 key_hash;
    AccountId account;
  };
  std::vector<Entry> entries_;
};

// The key hash that `serve` keeps between starts when the operator gives no key: a text file of one
// line, mode 0600.
Result<std::optional<Sha256>> load_key_hash(const std::string& path);  // nothing: no such file
// Creates missing folders; replaces the file in one step.
Result<void> save_key_hash(const std::string& path, const Sha256& key_hash);

}  // namespace tessera::access
