// Any text as a pattern, with PCRE2 as the witness. Compiling must end within its steps; what is
// compiled must find a pattern in exactly the texts in which PCRE2 finds it: in random texts, and
// in such that the automaton itself writes. Where the two read a pattern differently (docs of both:
// white space beyond ASCII, escapes that only one knows), the comparison is left out.
//
// The input's first line is the pattern; the rest are texts, one a line.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "grammar/language.h"
#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

// Less than the server's, so that a run takes no second with the sanitizers.
constexpr CompileLimits kLimits{.steps = 300'000, .bytes = 4 << 20};
constexpr int kWalks = 4;
constexpr int kWalkCharacters = 40;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// PCRE2 with the options that come nearest to ECMA-262.
class Witness {
 public:
  explicit Witness(std::string_view pattern) {
    const std::unique_ptr<pcre2_compile_context, FreeContext> context(
        pcre2_compile_context_create(nullptr));
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_ANYCRLF);
    pcre2_set_compile_extra_options(context.get(), PCRE2_EXTRA_ALT_BSUX);
    int error = 0;
    PCRE2_SIZE place = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY |
                                  PCRE2_ALLOW_EMPTY_CLASS | PCRE2_NO_AUTO_CAPTURE,
                              &error, &place, context.get()));
    if (code_ == nullptr) return;
    data_.reset(pcre2_match_data_create(1, nullptr));
    limits_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(limits_.get(), 20'000);
  }

  bool knows() const { return code_ != nullptr; }
  // Nothing: it took too many steps.
  std::optional<bool> finds(std::string_view text) const {
    const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), 0, PCRE2_NO_UTF_CHECK, data_.get(), limits_.get());
    if (found >= 0) return true;
    if (found == PCRE2_ERROR_NOMATCH) return false;
    return std::nullopt;
  }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
  std::unique_ptr<pcre2_match_data, FreeContext> data_;
  std::unique_ptr<pcre2_match_context, FreeContext> limits_;
};

// Both read the pattern alike: no escape that means something in PCRE2 alone, no POSIX class, and
// no empty class, whose repeats PCRE2 ignores.
bool is_common(std::string_view pattern) {
  for (const std::string_view begin : {"[:", "[.", "[=", "[]"}) {
    if (pattern.find(begin) != std::string_view::npos) return false;
  }
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\') continue;
    ++i;
    constexpr std::string_view kEscapes = "dDwWsStnfrxucb^$\\.*+?()[]{}|/-";
    if (i == pattern.size() || kEscapes.find(pattern[i]) == std::string_view::npos) return false;
  }
  return true;
}

// White space beyond ASCII is \s and no part of . in ECMA-262 alone.
bool is_common_character(std::uint32_t c) {
  return c != 0x85 && c != 0xA0 && c != 0x1680 && !(c >= 0x2000 && c <= 0x205F) && c != 0x3000 &&
         c != 0xFEFF && !(c >= 0xD800 && c < 0xE000);
}

std::vector<std::uint32_t> characters_of(std::string_view text) {
  std::vector<std::uint32_t> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t c = next_code_point(text, at);
    if (is_common_character(c)) out.push_back(c);
  }
  return out;
}

std::string to_text(const std::vector<std::uint32_t>& characters) {
  std::string out;
  for (const std::uint32_t c : characters) append_utf8(c, out);
  return out;
}

void compare(const Language& language, const Witness& witness, const std::string& text) {
  // PCRE2 looks for no match that begins between these two.
  if (text.find("\r\n") != std::string::npos) return;
  const std::optional<bool> found = witness.finds(text);
  CHECK(!found || *found == language.matches(text));
}

// A text that the automaton writes: anything for a while, then towards an end.
std::vector<std::uint32_t> write_text(const Language& language,
                                      const std::vector<std::uint32_t>& alphabet,
                                      std::mt19937& random) {
  std::vector<std::uint32_t> out;
  Language::State state = language.start();
  const std::size_t wander = random() % kWalkCharacters;
  while (out.size() < 2 * kWalkCharacters) {
    const bool home = out.size() >= wander;
    if (home && language.accepts(state)) break;
    std::vector<std::uint32_t> steps;
    for (const std::uint32_t c : alphabet) {
      const Language::State next = language.next(state, c);
      if (next == Language::kDead) continue;
      if (!home || language.shortest(next) < language.shortest(state)) steps.push_back(c);
    }
    if (steps.empty()) break;
    out.push_back(steps[random() % steps.size()]);
    state = language.next(state, out.back());
  }
  return out;
}

void compare_texts(const Language& language, std::string_view pattern, std::string_view texts,
                   std::mt19937& random) {
  const Witness witness(pattern);
  if (!witness.knows()) return;
  std::vector<std::uint32_t> alphabet = characters_of(pattern);
  for (const char32_t c : std::u32string_view(U"aZ_7 \n\r-é日😀")) alphabet.push_back(c);
  compare(language, witness, "");
  while (!texts.empty()) {
    const std::string_view line = texts.substr(0, texts.find('\n'));
    compare(language, witness, to_text(characters_of(line)));
    texts.remove_prefix(std::min(line.size() + 1, texts.size()));
  }
  for (int i = 0; i < kWalks; ++i) {
    std::vector<std::uint32_t> text = write_text(language, alphabet, random);
    compare(language, witness, to_text(text));
    if (text.empty()) continue;
    text[random() % text.size()] = alphabet[random() % alphabet.size()];
    compare(language, witness, to_text(text));
    text.erase(text.begin() + static_cast<std::ptrdiff_t>(random() % text.size()));
    compare(language, witness, to_text(text));
  }
}

// What is derived from a language agrees with it.
void check_complement(const Language& language, std::string_view text, Budget& budget) {
  const LanguagePtr complement = Language::complement(language, budget);
  if (budget.exhausted() || complement == nullptr) return;
  CHECK(complement->matches(text) != language.matches(text));
  const LanguagePtr both = Language::intersection(language, *complement, budget);
  CHECK(budget.exhausted() || both == nullptr || both->empty());
}

}  // namespace
}  // namespace tessera::grammar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  using namespace tessera::grammar;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (!is_valid_utf8(input)) return 0;
  const std::string_view pattern = input.substr(0, input.find('\n'));
  const std::string_view texts = input.substr(std::min(pattern.size() + 1, input.size()));
  Budget budget(kLimits);
  const auto language = compile_regex(pattern, budget);
  if (!language) {
    CHECK(!language.error().message.empty() && is_valid_utf8(language.error().message));
    return 0;
  }
  if (budget.exhausted()) return 0;
  std::mt19937 random(static_cast<std::uint32_t>(std::hash<std::string_view>()(input)));
  if (is_common(pattern)) compare_texts(**language, pattern, texts, random);
  check_complement(**language, texts.substr(0, texts.find('\n')), budget);
  return 0;
}
