// SHA-256 (FIPS 180-4) by OpenSSL: key hashes, cache keys, output digests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::span<const std::uint8_t> bytes);
Sha256 sha256(std::string_view bytes);

// 64 lower-case hexadecimal digits.
std::string to_hex(std::span<const std::uint8_t> bytes);

// Equal or not, in time that depends on the length alone.
bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

// `n` bytes from the system's cryptographic random source.
void fill_random(std::span<std::uint8_t> bytes);

// `length` characters, uniformly from [A-Za-z0-9], from the cryptographic source: for keys and ids.
std::string random_alphanumeric(std::size_t length);

}  // namespace tessera
