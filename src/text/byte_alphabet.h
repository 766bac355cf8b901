// How byte-level BPE vocabularies spell bytes: GPT-2's map of the 256 byte values to printable code
// points. Bytes that print (0x21..0x7E, 0xA1..0xAC, 0xAE..0xFF) stand for themselves as Latin-1;
// the other 68 get U+0100, U+0101, … in their order. A space is U+0120, a newline U+010A. Pure
// functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::text {

// The code point of each byte value.
const std::array<char32_t, 256>& byte_alphabet();

// The bytes that `spelling` stands for; nothing when it is invalid UTF-8 or has a code point
// outside the alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

// The other way: any bytes to their spelling.
std::string spelling_of_bytes(std::string_view bytes);

}  // namespace tessera::text
