#include "text/word_cache.h"

#include <algorithm>
#include <atomic>
#include <memory>

namespace tessera::text {

WordCache& WordCache::of_this_thread() {
  thread_local const std::unique_ptr<WordCache> cache(new WordCache);
  return *cache;
}

std::uint64_t WordCache::new_owner() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void WordCache::Entry::set(std::uint64_t who, std::string_view word, std::span<const TokenId> ids) {
  if (ids.size() > kMaxTokens || word.size() > kMaxBytes) return;
  owner = who;
  byte_count = static_cast<std::uint8_t>(word.size());
  token_count = static_cast<std::uint8_t>(ids.size());
  std::copy(word.begin(), word.end(), bytes.begin());
  std::copy(ids.begin(), ids.end(), tokens.begin());
}

}  // namespace tessera::text
