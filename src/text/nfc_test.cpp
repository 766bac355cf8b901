#include "text/nfc.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <cstdlib>
#include <random>

#include "base/utf8.h"
#include "text/test_vocabulary.h"

namespace tessera::text {
namespace {

std::string nfc(std::string_view text) {
  std::string buffer = "left over";
  return std::string(to_nfc(text, buffer));
}

// utf8proc's own normalisation of the whole text.
std::string oracle(const std::string& text) {
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &result,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  EXPECT_GE(length, 0);
  std::string normalised(reinterpret_cast<const char*>(result), static_cast<std::size_t>(length));
  std::free(result);
  return normalised;
}

TEST(Nfc, KnownForms) {
  EXPECT_EQ(nfc(""), "");
  EXPECT_EQ(nfc("cafe\u0301"), "caf\u00E9");
  EXPECT_EQ(nfc("\u212B A\u030A"), "\u00C5 \u00C5");
  EXPECT_EQ(nfc("s\u0307\u0323"), "\u1E69");           // ordered, then composed twice
  EXPECT_EQ(nfc("q\u0307\u0323x"), "q\u0323\u0307x");  // ordered only
  EXPECT_EQ(nfc("\u1100\u1161\u11A8"), "\uAC01");      // Hangul
  EXPECT_EQ(nfc("\uAC00\u11A8"), "\uAC01");
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093C");  // excluded from composition
  EXPECT_EQ(nfc("\u0344"), "\u0308\u0301");
  EXPECT_EQ(nfc("e\u0301\u0301"), "\u00E9\u0301");  // the second one stays
  EXPECT_EQ(nfc("\u0301e"), "\u0301e");             // nothing before it to compose with
  EXPECT_EQ(nfc("\uF900"), "\u8C48");
  EXPECT_EQ(nfc("\uFB01"), "\uFB01");  // compatibility forms stay
}

TEST(Nfc, NormalTextIsReturnedItself) {
  for (const std::string text :
       {"plain ASCII, long enough for eight at a time", "caf\u00E9 \u4F60\u597D",
        "\u0645\u064E\u0631\u0652", "\u05E9\u05C1"}) {
    std::string buffer;
    EXPECT_EQ(to_nfc(text, buffer).data(), text.data()) << text;
  }
}

TEST(Nfc, EveryCodePointAloneAndBetweenOthers) {
  for (char32_t c = 0; c < 0x32000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string alone;
    append_utf8(c, alone);
    for (const std::string& text :
         {alone, "e" + alone + "\u0301", "\u1100" + alone + "\u11A8x", "o\u0315" + alone}) {
      ASSERT_EQ(nfc(text), oracle(text)) << std::hex << static_cast<unsigned>(c);
    }
  }
}

TEST(Nfc, NothingToDoAboveTheTable) {
  for (char32_t c = 0x30000; c <= 0x10FFFF; ++c) {
    utf8proc_int32_t part = 0;
    int boundary_class = 0;
    const auto code_point = static_cast<utf8proc_int32_t>(c);
    ASSERT_EQ(utf8proc_get_property(code_point)->combining_class, 0) << std::hex << code_point;
    ASSERT_EQ(utf8proc_decompose_char(code_point, &part, 1, UTF8PROC_DECOMPOSE, &boundary_class),
              1);
    ASSERT_EQ(part, code_point);
  }
}

TEST(Nfc, RandomTextAgreesWithUtf8proc) {
  std::mt19937 random(1);
  std::size_t changed = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random_unicode(random, random() % 12);
    const std::string normalised = nfc(text);
    ASSERT_EQ(normalised, oracle(text)) << text;
    ASSERT_EQ(nfc(normalised), normalised);
    changed += normalised != text ? 1 : 0;
  }
  EXPECT_GT(changed, 1000u);
}

TEST(Nfc, LongRunsOfMarksAreNotQuadratic) {
  // Half a million marks in the wrong order: insertion would move each past all others.
  const std::string text = "e" + repeat("\u0301", 1 << 19) + repeat("\u0316", 1 << 19);
  const std::string expected = "e" + repeat("\u0316", 1 << 19) + repeat("\u0301", 1 << 19);
  // The first acute is still blocked by nothing: marks below do not stand in its way.
  EXPECT_EQ(nfc(text), "\u00E9" + expected.substr(1, expected.size() - 3));
  EXPECT_EQ(nfc(repeat("\u0301\u0316", 1 << 20)).size(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace tessera::text
