#include "grammar/cache.h"

#include <iterator>
#include <utility>

namespace tessera::grammar {

GrammarCache::Compiled GrammarCache::get(AccountId account, const std::string& key,
                                         const std::function<Compiled()>& compile) {
  std::unique_lock lock(mutex_);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return known->second->grammar;
  }
  const auto flying = flights_.find(key);
  if (flying != flights_.end()) {
    const std::shared_ptr<Flight> flight = flying->second;
    landed_.wait(lock, [&] { return flight->done; });
    return *flight->result;
  }
  const auto flight = std::make_shared<Flight>();
  flights_.emplace(key, flight);
  lock.unlock();
  auto result = std::make_unique<Compiled>(compile());
  lock.lock();
  if (*result) keep(account, key, **result);
  flight->result = std::move(result);
  flight->done = true;
  flights_.erase(key);
  landed_.notify_all();
  return *flight->result;
}

void GrammarCache::keep(AccountId account, const std::string& key, const GrammarPtr& grammar) {
  // The key lies here twice.
  const std::size_t bytes = grammar->bytes() + 2 * key.size() + 512;
  const std::size_t share = max_bytes_ / 4;
  if (bytes > share) return;
  for (auto entry = entries_.end();
       entry != entries_.begin() && by_account_[account] + bytes > share;) {
    --entry;
    if (entry->account == account) drop(entry++);
  }
  while (bytes_ + bytes > max_bytes_) drop(std::prev(entries_.end()));
  entries_.push_front({key, grammar, account, bytes});
  by_key_.emplace(key, entries_.begin());
  by_account_[account] += bytes;
  bytes_ += bytes;
}

void GrammarCache::drop(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  const auto account = by_account_.find(entry->account);
  account->second -= entry->bytes;
  if (account->second == 0) by_account_.erase(account);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

std::size_t GrammarCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

std::size_t GrammarCache::bytes_of(AccountId account) const {
  const std::scoped_lock lock(mutex_);
  const auto found = by_account_.find(account);
  return found == by_account_.end() ? 0 : found->second;
}

}  // namespace tessera::grammar
