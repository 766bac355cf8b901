// Byte pair merging: the pair of neighbours of the best (lowest) rank is joined, the leftmost first
// among equals, until no pair of neighbours has a rank. A merge's result may have a better rank
// than the merge itself: vocabularies that were put together by hand do that, and the answer is
// then still the one of that definition. Immutable, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/ids.h"

namespace tessera::text {

struct Merge {
  TokenId left = 0;
  TokenId right = 0;
  TokenId merged = 0;
};

// (left, right) → (rank, merged): a hash table with open addressing.
class MergeTable {
 public:
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
  struct Hit {
    std::uint32_t rank = kNoRank;
    TokenId merged = -1;
  };

  MergeTable() : MergeTable(std::span<const Merge>()) {}
  // Best rank first. Token ids are not negative.
  explicit MergeTable(std::span<const Merge> merges);

  Hit find(TokenId left, TokenId right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t i = home_of(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return slots_[i].hit;
      if (slots_[i].key == kEmpty) return {};
    }
  }
  // The first merge whose pair was there before; merges.size() when all are distinct. Only the
  // first of equals counts.
  std::size_t first_duplicate() const { return first_duplicate_; }

 private:
  static constexpr std::uint64_t kEmpty =
      std::numeric_limits<std::uint64_t>::max();  // of ids -1, -1
  struct Slot {
    std::uint64_t key = kEmpty;
    Hit hit;
  };

  static std::uint64_t key_of(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }
  // Fibonacci hashing: the product's high bits.
  std::size_t home_of(std::uint64_t key) const { return (key * 0x9E3779B97F4A7C15u) >> shift_; }

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t mask_ = 0;
  int shift_ = 0;
  std::size_t first_duplicate_ = 0;
};

// Merges the tokens of one pre-token (at first one a byte, fewer than 2^31) and appends what
// remains to `out`. `ids` is used up. O(n log n) time, about 20 bytes of memory a token. Returns
// the pairs that were looked up or taken from a queue: a measure of the work that does not depend
// on the machine.
std::size_t merge_pairs(const MergeTable& merges, std::span<TokenId> ids,
                        std::vector<TokenId>& out);

}  // namespace tessera::text
