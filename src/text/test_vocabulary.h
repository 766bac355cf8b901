// A small vocabulary for the tests of this folder: the 256 bytes, what the given merges join, some
// added tokens.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace tessera::text {

struct TestVocabulary {
  std::vector<std::string> tokens;
  std::vector<TokenKind> kinds;
  std::vector<std::string> merges;
  PreTokenizer pre = PreTokenizer::kQwen35;
  bool nfc = true;

  // Pairs of byte strings, best first; what they join becomes a token where it is none yet.
  explicit TestVocabulary(const std::vector<std::pair<std::string, std::string>>& pairs = {}) {
    for (int byte = 0; byte < 256; ++byte) {
      add(spelling_of_bytes(std::string(1, static_cast<char>(byte))));
    }
    for (const auto& [left, right] : pairs) {
      const std::string joined = spelling_of_bytes(left + right);
      if (std::find(tokens.begin(), tokens.end(), joined) == tokens.end()) add(joined);
      merges.push_back(spelling_of_bytes(left) + ' ' + spelling_of_bytes(right));
    }
  }

  // Its id.
  TokenId add(std::string token, TokenKind kind = TokenKind::kNormal) {
    tokens.push_back(std::move(token));
    kinds.push_back(kind);
    return static_cast<TokenId>(tokens.size() - 1);
  }
  TokenizerData data() const {
    TokenizerData data;
    data.tokens.assign(tokens.begin(), tokens.end());
    data.kinds = kinds;
    data.merges.assign(merges.begin(), merges.end());
    data.pre = pre;
    data.nfc = nfc;
    return data;
  }
  std::shared_ptr<const Tokenizer> make() const {
    auto tokenizer = Tokenizer::create(data());
    EXPECT_TRUE(tokenizer) << tokenizer.error().message;
    return *std::move(tokenizer);
  }
};

inline std::vector<TokenId> encode_text(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> ids;
  tokenizer.encode_text(text, ids);
  return ids;
}

inline std::string repeat(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

// Code points from all over Unicode, those that matter to the patterns and to normalisation much
// more often.
inline std::string random_unicode(std::mt19937& random, std::size_t code_points) {
  static constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x20, 0x7E},     {0x20, 0x20},     {0x09, 0x0D},       {'a', 'z'},         {'\'', '\''},
      {'s', 't'},       {'0', '9'},       {0x80, 0x17F},      {0x300, 0x36F},     {0x590, 0x6FF},
      {0x900, 0xDFF},   {0xE00, 0xEFF},   {0x1100, 0x11FF},   {0x1E00, 0x1FFF},   {0x2000, 0x206F},
      {0x20D0, 0x20F0}, {0x3000, 0x30FF}, {0x4E00, 0x4EFF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
      {0xFB00, 0xFFFD}, {0x180E, 0x180E}, {0x1D100, 0x1D1FF}, {0x1F300, 0x1F6FF}, {0x0, 0x10FFFF}};
  std::string text;
  for (std::size_t i = 0; i < code_points; ++i) {
    const auto [low, high] = kRanges[random() % std::size(kRanges)];
    const char32_t c = low + static_cast<char32_t>(random() % (high - low + 1));
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    append_utf8(c, text);
  }
  return text;
}

}  // namespace tessera::text
