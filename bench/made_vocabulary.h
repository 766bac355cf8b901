// A made vocabulary of a large model's size, and the thread's own clock, for the benchmarks of
// grammars.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "text/tokenizer.h"

namespace tessera::bench {

// The thread's own time: what others do on the machine is not counted.
struct Clock {
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<Clock, duration>;
  static time_point now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

inline double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

inline constexpr std::size_t kTokens = 248'320;
inline constexpr std::string_view kControls[] = {"</think>", "<tool_call>", "</tool_call>",
                                                 "<|im_end|>"};

// A tokenizer of which only the vocabulary is asked.
class MadeVocabulary final : public text::Tokenizer {
 public:
  explicit MadeVocabulary(std::uint32_t seed) : random_(seed) {
    for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
    for (int blanks = 2; blanks <= 128; ++blanks) {
      add(std::string(blanks, ' '));
      add(std::string(blanks, '\n'));
      add('\n' + std::string(blanks, ' '));
    }
    while (tokens_.size() < kTokens - std::size(kControls)) add(made());
    for (const std::string_view control : kControls) add(std::string(control));
  }

  std::int32_t vocabulary_size() const override { return static_cast<std::int32_t>(kTokens); }
  void encode_text(std::string_view, std::vector<TokenId>&) const override {}
  void encode_with_added_tokens(std::string_view, std::vector<TokenId>&) const override {}
  std::string_view bytes(TokenId token) const override {
    return tokens_[static_cast<std::size_t>(token)];
  }
  text::TokenKind kind(TokenId token) const override {
    const bool control = static_cast<std::size_t>(token) >= kTokens - std::size(kControls);
    return control ? text::TokenKind::kControl : text::TokenKind::kNormal;
  }
  std::optional<TokenId> find_added(std::string_view literal) const override {
    for (std::size_t i = 0; i < std::size(kControls); ++i) {
      if (kControls[i] != literal) continue;
      return static_cast<TokenId>(kTokens - std::size(kControls) + i);
    }
    return std::nullopt;
  }

 private:
  void add(std::string token) {
    if (seen_.insert(token).second) tokens_.push_back(std::move(token));
  }
  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  std::string word() {
    constexpr std::string_view kStarts = "bcdfghklmnprstvw";
    constexpr std::string_view kVowels = "aeiou";
    constexpr std::string_view kEnds = "nrstlm";
    std::string out;
    for (std::uint32_t i = pick(4) + 1; i > 0; --i) {
      if (pick(8) != 0) out += kStarts[pick(kStarts.size())];
      out += kVowels[pick(kVowels.size())];
      if (pick(3) == 0) out += kEnds[pick(kEnds.size())];
    }
    if (pick(4) == 0) out[0] = static_cast<char>(out[0] - 'a' + 'A');
    return out;
  }

  std::string marks() {
    constexpr std::string_view kMarks = "()[]{}<>.,:;=+-*/\\|&%$#@!?'_\n\t ";
    std::string out;
    for (std::uint32_t i = pick(5) + 1; i > 0; --i) out += kMarks[pick(kMarks.size())];
    return out;
  }

  std::string script() {
    constexpr std::pair<char32_t, char32_t> kRanges[] = {
        {0x4E00, 0x9FFF}, {0x400, 0x4FF}, {0xC0, 0x17F}, {0x3040, 0x30FF}, {0xAC00, 0xD7A3}};
    const auto [low, high] = kRanges[pick(std::size(kRanges))];
    std::string out;
    for (std::uint32_t i = pick(4) + 1; i > 0; --i) append_utf8(low + pick(high - low), out);
    return out;
  }

  std::string made() {
    const std::uint32_t kind = pick(1000);
    std::string out;
    if (kind < 7) {  // with a quote
      out = marks() + '"';
      if (pick(2) == 0) out += pick(2) == 0 ? marks() : word();
    } else if (kind < 50) {
      out = marks() + (pick(2) == 0 ? word() : "");
    } else if (kind < 60) {  // a character's part
      out = script();
      out.pop_back();
    } else if (kind < 330) {
      out = script();
    } else {
      out = word();
    }
    return pick(5) < 2 ? ' ' + out : out;
  }

  std::mt19937 random_;
  std::vector<std::string> tokens_;
  std::unordered_set<std::string> seen_;
};

}  // namespace tessera::bench
