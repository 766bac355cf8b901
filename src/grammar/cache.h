// Compiled grammars, kept for whoever asks for the same one again. Bounded in bytes; no account may
// fill more than a quarter of it, so that one customer's ever new schemas drive out only their own.
// A grammar that several ask for at once is compiled once: the first compiles on its own thread,
// the others wait for it. Errors are handed to all who wait and are not kept. Any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/ids.h"
#include "grammar/error.h"
#include "grammar/grammar.h"

namespace tessera::grammar {

class GrammarCache {
 public:
  using Compiled = Result<GrammarPtr, GrammarError>;

  explicit GrammarCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // `key` says all that the grammar depends on: the text of the schema with its keys in order, the
  // mode, the tools. It is shared among accounts; its bytes are charged to the one that came first.
  Compiled get(AccountId account, const std::string& key, const std::function<Compiled()>& compile);

  std::size_t bytes() const;
  std::size_t bytes_of(AccountId account) const;

 private:
  struct Entry {
    std::string key;
    GrammarPtr grammar;
    AccountId account;
    std::size_t bytes = 0;
  };
  struct Flight {
    bool done = false;
    std::unique_ptr<Compiled> result;
  };
  using Entries = std::list<Entry>;  // the last used first

  void keep(AccountId account, const std::string& key, const GrammarPtr& grammar);
  void drop(Entries::iterator entry);

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable landed_;
  Entries entries_;
  std::unordered_map<std::string, Entries::iterator> by_key_;
  std::unordered_map<AccountId, std::size_t> by_account_;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
  std::size_t bytes_ = 0;
};

}  // namespace tessera::grammar
