#include "text/byte_alphabet.h"

#include "base/utf8.h"

namespace tessera::text {
namespace {

constexpr char32_t kAlphabetEnd = 256 + 68;

bool stands_for_itself(char32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// Byte value by code point, -1 outside the alphabet.
std::array<std::int16_t, kAlphabetEnd> invert(const std::array<char32_t, 256>& alphabet) {
  std::array<std::int16_t, kAlphabetEnd> inverse;
  inverse.fill(-1);
  for (std::size_t byte = 0; byte < alphabet.size(); ++byte) {
    inverse[alphabet[byte]] = static_cast<std::int16_t>(byte);
  }
  return inverse;
}

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() {
  static const std::array<char32_t, 256> kAlphabet = [] {
    std::array<char32_t, 256> alphabet;
    char32_t next = 256;
    for (char32_t byte = 0; byte < 256; ++byte) {
      alphabet[byte] = stands_for_itself(byte) ? byte : next++;
    }
    return alphabet;
  }();
  return kAlphabet;
}

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  static const std::array<std::int16_t, kAlphabetEnd> kInverse = invert(byte_alphabet());
  if (!is_valid_utf8(spelling)) return std::nullopt;
  std::string bytes;
  bytes.reserve(spelling.size());
  for (std::size_t offset = 0; offset < spelling.size();) {
    const char32_t code_point = next_code_point(spelling, offset);
    if (code_point >= kAlphabetEnd || kInverse[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(kInverse[code_point]);
  }
  return bytes;
}

std::string spelling_of_bytes(std::string_view bytes) {
  std::string spelling;
  for (const char byte : bytes) {
    append_utf8(byte_alphabet()[static_cast<unsigned char>(byte)], spelling);
  }
  return spelling;
}

}  // namespace tessera::text
