// SHA-256 over token ids, each as four bytes, little-endian. One object a digest; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/sha256.h"

namespace tessera::local {

class TokenDigest {
 public:
  void add(std::span<const TokenId> tokens) {
    bytes_.reserve(bytes_.size() + tokens.size() * sizeof(TokenId));
    for (const TokenId token : tokens) add(token);
  }
  void add(TokenId token) {
    const auto bits = static_cast<std::uint32_t>(token);
    for (int shift = 0; shift < 32; shift += 8)
      bytes_.push_back(static_cast<std::uint8_t>(bits >> shift));
  }
  // 64 lower-case hexadecimal digits.
  std::string hex() const { return to_hex(sha256(bytes_)); }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace tessera::local
