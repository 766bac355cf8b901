#include "text/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

namespace tessera::text {
namespace {

TEST(ByteAlphabet, IsGpt2s) {
  const auto& alphabet = byte_alphabet();
  EXPECT_EQ(alphabet[' '], 0x120u);
  EXPECT_EQ(alphabet['\n'], 0x10Au);
  EXPECT_EQ(alphabet['\t'], 0x109u);
  EXPECT_EQ(alphabet[0x00], 0x100u);
  EXPECT_EQ(alphabet[0x7F], 0x121u);
  EXPECT_EQ(alphabet[0xA0], 0x142u);
  EXPECT_EQ(alphabet[0xAD], 0x143u);
  EXPECT_EQ(alphabet['!'], U'!');
  EXPECT_EQ(alphabet[0xFF], 0xFFu);
  EXPECT_EQ(std::set<char32_t>(alphabet.begin(), alphabet.end()).size(), 256u);
}

TEST(ByteAlphabet, SpellsThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(bytes_of_spelling(spelling_of_bytes(all)), all);
  EXPECT_EQ(spelling_of_bytes(" a\n"), "\u0120a\u010A");
  EXPECT_EQ(bytes_of_spelling(""), "");
}

TEST(ByteAlphabet, RefusesWhatIsOutside) {
  EXPECT_FALSE(bytes_of_spelling("\u2581word"));  // SentencePiece's space
  EXPECT_FALSE(bytes_of_spelling("a b"));         // a space is spelt U+0120
  EXPECT_FALSE(bytes_of_spelling("\u0144"));      // the first code point behind the alphabet
  EXPECT_FALSE(bytes_of_spelling("\u00AD"));
  EXPECT_FALSE(bytes_of_spelling("\xC4"));  // no UTF-8
}

}  // namespace
}  // namespace tessera::text
