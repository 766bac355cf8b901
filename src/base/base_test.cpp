// The small words of base/: queue, hashes, UTF-8, Result.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace tessera {
namespace {

TEST(BoundedQueue, SaysNoWhenFullAndWhenClosed) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  EXPECT_EQ(queue.pop(), 1);
  queue.close();
  EXPECT_FALSE(queue.try_push(4));
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, WakesAWaitingConsumer) {
  BoundedQueue<int> queue(1);
  std::thread consumer([&] { EXPECT_EQ(queue.pop(), 7); });
  EXPECT_TRUE(queue.try_push(7));
  consumer.join();
}

TEST(Sha256, KnownDigest) {
  EXPECT_EQ(to_hex(sha256(std::string_view("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Random, AlphanumericHasTheLengthAndTheLetters) {
  const std::string text = random_alphanumeric(400);
  EXPECT_EQ(text.size(), 400u);
  for (const char c : text) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)));
  EXPECT_NE(text, random_alphanumeric(400));
}

TEST(Random, NoByteIsHandedOutTwice) {
  std::set<std::vector<std::uint8_t>> seen;
  for (const std::size_t bytes : {8, 500, 8, 512, 8, 513, 16, 5000, 8}) {
    for (int i = 0; i < 100; ++i) {
      std::vector<std::uint8_t> random(bytes, 0);
      fill_random(random);
      for (std::size_t at = 0; at + 8 <= bytes; at += 8) {
        const auto first = random.begin() + static_cast<std::ptrdiff_t>(at);
        EXPECT_TRUE(seen.emplace(first, first + 8).second);
      }
    }
  }
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_TRUE(is_valid_utf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and some more ASCII"));
  EXPECT_EQ(find_invalid_utf8("abc\x80"), 3u);
  EXPECT_EQ(find_invalid_utf8("12345678\xE2\x82"), 8u);  // cut
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(find_invalid_utf8("\xE0\x80\x80"), 0u);      // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0u);      // surrogate
}

TEST(Utf8, EveryCodePointGoesThereAndBack) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    append_utf8(code_point, text);
    ASSERT_TRUE(is_valid_utf8(text)) << std::hex << static_cast<std::uint32_t>(code_point);
    std::size_t offset = 0;
    ASSERT_EQ(static_cast<std::uint32_t>(next_code_point(text, offset)),
              static_cast<std::uint32_t>(code_point));
    ASSERT_EQ(offset, text.size());
  }
}

TEST(HumanBytes, AreInTheUnitThatFits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(21'160'000'000), "19.71 GiB");
  EXPECT_EQ(human_bytes(std::uint64_t{5} << 50), "5120.00 TiB");
}

Result<int> half(int value) {
  if (value % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return value / 2;
}
Result<int> quarter(int value) {
  TRY_ASSIGN(const int once, half(value));
  return half(once);
}

TEST(Result, CarriesValuesAndErrorsUp) {
  EXPECT_EQ(*quarter(8), 2);
  ASSERT_FALSE(quarter(6));
  EXPECT_EQ(quarter(6).error().message, "odd");
}

}  // namespace
}  // namespace tessera
