#include "text/pre_tokenizer.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/check.h"

namespace tessera::text {
namespace {

// The alternatives, in their order: English contractions; a word, with one other character before
// it; one digit; punctuation, with a space before and newlines behind; newlines, with white space
// before; white space up to the last one before a word; white space. White space is Unicode's
// property of that name: PCRE2's \s would add U+180E, which the checkpoint's own tokenizer counts
// as punctuation. Case folding lets U+017F (long s) stand for s in both.
constexpr const char* kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|)"
    R"(\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";
// Since Qwen3.5 combining marks are part of words.
constexpr const char* kQwen35Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
    R"( ?[^\p{White_Space}\p{L}\p{M}\p{N}]+[\r\n]*|)"
    R"(\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string message_of(int pcre2_error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(pcre2_error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

// For machines without JIT: PCRE2's default limit counts backtracking steps, and a long run of
// spaces takes one a space.
pcre2_match_context* unlimited_match() {
  static const std::unique_ptr<pcre2_match_context, FreeMatchContext> kContext = [] {
    std::unique_ptr<pcre2_match_context, FreeMatchContext> context(
        pcre2_match_context_create(nullptr));
    CHECK(context != nullptr);
    pcre2_set_match_limit(context.get(), std::numeric_limits<std::uint32_t>::max());
    return context;
  }();
  return kContext.get();
}

// Room for the one pair of offsets that we ask for; one a thread, because a match writes to it.
pcre2_match_data* thread_match_data() {
  thread_local const std::unique_ptr<pcre2_match_data, FreeMatchData> data(
      pcre2_match_data_create(1, nullptr));
  CHECK(data != nullptr);
  return data.get();
}

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Where both patterns cannot but end a pre-token that begins with an ASCII digit, or is ASCII
// letters with at most a space before; 0 elsewhere. A byte outside ASCII behind the letters may be
// one more letter, or a mark.
std::size_t find_plain_end(std::string_view text, std::size_t begin) {
  if (text[begin] >= '0' && text[begin] <= '9') return begin + 1;
  const std::size_t first = begin + (text[begin] == ' ' ? 1 : 0);
  std::size_t end = first;
  while (end < text.size() && is_ascii_letter(text[end])) ++end;
  if (end == first) return 0;
  return end == text.size() || static_cast<unsigned char>(text[end]) < 0x80 ? end : 0;
}

class PcreSplitter final : public PreTokenSplitter {
 public:
  PcreSplitter(std::unique_ptr<pcre2_code, FreeCode> code, Engine engine)
      : code_(std::move(code)),
        shortcuts_(engine == Engine::kFast),
        jit_(engine == Engine::kFast && pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0) {}

  std::size_t find_end(std::string_view text, std::size_t begin) const override {
    if (shortcuts_) {
      if (const std::size_t end = find_plain_end(text, begin); end > 0) return end;
    }
    pcre2_match_data* data = thread_match_data();
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int matches = PCRE2_ERROR_JIT_STACKLIMIT;
    if (jit_) {
      matches = pcre2_jit_match(code_.get(), subject, text.size(), begin, 0, data, nullptr);
    }
    if (matches < 0) {  // no JIT; with it the patterns need no stack that could run out
      matches = pcre2_match(code_.get(), subject, text.size(), begin,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, unlimited_match());
    }
    CHECK(matches > 0);
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data);
    DCHECK(offsets[0] == begin && offsets[1] > begin && offsets[1] <= text.size());
    return offsets[1];
  }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
  bool shortcuts_;
  bool jit_;
};

}  // namespace

Result<std::shared_ptr<const PreTokenSplitter>> PreTokenSplitter::create(PreTokenizer kind,
                                                                         Engine engine) {
  const char* pattern = kind == PreTokenizer::kQwen2 ? kQwen2Pattern : kQwen35Pattern;
  int error = 0;
  PCRE2_SIZE offset = 0;
  std::unique_ptr<pcre2_code, FreeCode> code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                    PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr));
  if (code == nullptr) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("this PCRE2 library cannot compile the pre-tokenizer's pattern (at "
                            "offset {}: {}); version 10.40 or later with Unicode is needed",
                            offset, message_of(error)));
  }
  return std::shared_ptr<const PreTokenSplitter>(
      std::make_shared<PcreSplitter>(std::move(code), engine));
}

}  // namespace tessera::text
