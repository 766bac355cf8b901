#include "base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tessera {

Sha256 sha256(std::span<const std::uint8_t> bytes) {
  Sha256 digest;
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

Sha256 sha256(std::string_view bytes) {
  return sha256(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// The generator is asked for a pool at a time: a request needs a few bytes at several places, and
// each call of it costs more than its bytes. What was handed out is forgotten here.
void fill_random(std::span<std::uint8_t> bytes) {
  constexpr std::size_t kPoolBytes = 512;
  struct Pool {
    std::array<std::uint8_t, kPoolBytes> bytes;
    std::size_t used = kPoolBytes;
  };
  thread_local Pool pool;
  if (bytes.size() > kPoolBytes) {
    CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
    return;
  }
  if (kPoolBytes - pool.used < bytes.size()) {
    CHECK(RAND_bytes(pool.bytes.data(), kPoolBytes) == 1);
    pool.used = 0;
  }
  const auto taken = std::span(pool.bytes).subspan(pool.used, bytes.size());
  std::copy(taken.begin(), taken.end(), bytes.begin());
  OPENSSL_cleanse(taken.data(), taken.size());
  pool.used += bytes.size();
}

std::string random_alphanumeric(std::size_t length) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  constexpr unsigned kFair =
      256 / kAlphabet.size() * kAlphabet.size();  // above it, a remainder would be biased
  std::string text;
  std::array<std::uint8_t, 64> pool;
  while (text.size() < length) {
    fill_random(pool);
    for (const std::uint8_t byte : pool) {
      if (byte < kFair && text.size() < length) text += kAlphabet[byte % kAlphabet.size()];
    }
  }
  return text;
}

}  // namespace tessera
