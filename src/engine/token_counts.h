// How often each token of a sequence was generated, for the penalties: a list of the distinct
// tokens and a hash index into it (open addressing, linear probing, never over half full).
// Insertions are amortised O(1); what is allocated grows with the distinct tokens, not with the
// vocabulary. Owned by one Sampler; the engine thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"

namespace tessera::engine {

class TokenCounts {
 public:
  struct Entry {
    TokenId token = 0;
    std::int32_t generated = 0;  // 0: it stands in the prompt only
  };

  // Room for so many distinct tokens without another allocation.
  void reserve(std::size_t distinct) {
    entries_.reserve(distinct);
    if (distinct * 2 > index_.size()) rebuild(distinct * 2);
  }

  // Adds `generated` to the token's count; 0 notes that it is there.
  void add(TokenId token, std::int32_t generated) {
    if ((entries_.size() + 1) * 2 > index_.size()) rebuild((entries_.size() + 1) * 4);
    std::int32_t& slot = index_[find_slot(token)];
    if (slot == kFree) {
      slot = static_cast<std::int32_t>(entries_.size());
      entries_.push_back({token, 0});
    }
    entries_[static_cast<std::size_t>(slot)].generated += generated;
  }

  // In order of first appearance.
  std::span<const Entry> entries() const { return entries_; }

 private:
  static constexpr std::int32_t kFree = -1;

  std::size_t find_slot(TokenId token) const {
    const std::size_t mask = index_.size() - 1;
    std::size_t slot = (static_cast<std::uint32_t>(token) * 0x9E3779B1U) & mask;
    while (index_[slot] != kFree && entries_[static_cast<std::size_t>(index_[slot])].token != token)
      slot = (slot + 1) & mask;
    return slot;
  }

  void rebuild(std::size_t slots) {
    index_.assign(std::bit_ceil(slots < 16 ? std::size_t{16} : slots), kFree);
    for (std::size_t i = 0; i < entries_.size(); ++i)
      index_[find_slot(entries_[i].token)] = static_cast<std::int32_t>(i);
  }

  std::vector<Entry> entries_;
  std::vector<std::int32_t> index_;  // a power of two of slots: index into entries_, or kFree
};

}  // namespace tessera::engine
