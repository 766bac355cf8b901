// Remembers the tokens of short pre-tokens, since text repeats its words. One cache a thread, of
// fixed size, shared by all tokenizers: each entry names its owner, and owners' numbers are never
// given twice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace tessera::text {

class WordCache {
 public:
  static constexpr std::size_t kMaxBytes = 22;
  static constexpr std::size_t kMaxTokens = 8;

  // The calling thread's own.
  static WordCache& of_this_thread();
  // A number for a new owner. Any thread.
  static std::uint64_t new_owner();

  static bool takes(std::string_view word) { return word.size() <= kMaxBytes; }

  // One entry is one cache line.
  struct alignas(64) Entry {
    std::uint64_t owner = 0;  // 0: free
    std::array<char, kMaxBytes> bytes{};
    std::uint8_t byte_count = 0;
    std::uint8_t token_count = 0;
    std::array<TokenId, kMaxTokens> tokens{};

    bool holds(std::uint64_t who, std::string_view word) const {
      return owner == who && byte_count == word.size() &&
             std::memcmp(bytes.data(), word.data(), word.size()) == 0;
    }
    // Only words of at most kMaxTokens tokens are kept.
    void set(std::uint64_t who, std::string_view word, std::span<const TokenId> ids);
  };

  // Where `word` is, or would be.
  Entry& entry_for(std::uint64_t owner, std::string_view word) {
    return entries_[hash(owner, word) & (kEntries - 1)];
  }

 private:
  static constexpr std::size_t kEntries = 1 << 14;  // 1 MiB a thread

  WordCache() : entries_(kEntries) {}
  static std::uint64_t hash(std::uint64_t owner, std::string_view word) {
    // Multiply and fold, eight bytes a step; the last step's bytes may overlap those before.
    constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15u;
    std::uint64_t h = (owner ^ word.size()) * kFactor;
    const auto mix = [&h](std::uint64_t v) {
      h = (h ^ v) * kFactor;
      h ^= h >> 32;
    };
    const char* p = word.data();
    const std::size_t n = word.size();
    if (n >= 8) {
      for (std::size_t i = 0; i + 8 <= n; i += 8) mix(load<std::uint64_t>(p + i));
      mix(load<std::uint64_t>(p + n - 8));
    } else if (n >= 4) {
      mix(std::uint64_t{load<std::uint32_t>(p)} << 32 | load<std::uint32_t>(p + n - 4));
    } else if (n > 0) {
      const auto at = [p](std::size_t i) {
        return std::uint64_t{static_cast<unsigned char>(p[i])};
      };
      mix(at(0) << 16 | at(n / 2) << 8 | at(n - 1));
    }
    return h;
  }
  template <class T>
  static T load(const char* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
  }

  std::vector<Entry> entries_;
};

}  // namespace tessera::text
