// What schemas that are written to cost much do cost: time of one thread and bytes of the heap, to
// compile or refuse each, and the dearest mask of an answer to those that are compiled.
//
//   build/bench/bench/hostile_bench [--tokens 200]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <random>
#include <vector>

#include "base/json.h"
#include "grammar/compile.h"
#include "grammar/hostile_schemas.h"
#include "grammar/matcher.h"
#include "made_vocabulary.h"

namespace {

std::atomic<std::size_t> live_bytes{0};
std::atomic<std::size_t> most_bytes{0};

// A block's size lies in front of it.
constexpr std::size_t kFront = alignof(std::max_align_t);

void* allocate(std::size_t bytes) {
  auto* const block = static_cast<std::byte*>(std::malloc(bytes + kFront));
  if (block == nullptr) std::abort();
  *reinterpret_cast<std::size_t*>(block) = bytes;
  const std::size_t live = live_bytes += bytes;
  if (live > most_bytes) most_bytes = live;
  return block + kFront;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  std::byte* const block = static_cast<std::byte*>(pointer) - kFront;
  live_bytes -= *reinterpret_cast<std::size_t*>(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes);
}
void operator delete(void* pointer) noexcept {
  release(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
  release(pointer);
}

namespace {

using namespace tessera;  // NOLINT(google-build-using-namespace): a program of its own
using bench::Clock;
using bench::microseconds_since;

// The dearest mask, microseconds, along an answer of random tokens.
double dearest_mask(const grammar::GrammarPtr& grammar, const grammar::VocabularyPtr& vocabulary,
                    int tokens) {
  std::mt19937 random(1);
  grammar::Matcher matcher(grammar, vocabulary);
  std::vector<std::uint32_t> mask(vocabulary->mask_words());
  double most = 0;
  for (int i = 0; i < tokens && !matcher.ended(); ++i) {
    const Clock::time_point start = Clock::now();
    const bool made = matcher.fill_mask(mask);
    most = std::max(most, microseconds_since(start));
    if (!made) break;  // the answer fails: its fuel is used up
    std::vector<TokenId> allowed;
    for (TokenId token = 0; token < static_cast<TokenId>(vocabulary->size()); ++token) {
      const auto at = static_cast<std::size_t>(token);
      if ((mask[at / 32] >> (at % 32) & 1) != 0) allowed.push_back(token);
    }
    matcher.accept(allowed[random() % allowed.size()]);
  }
  return most;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("schemas that are written to cost much");
  int tokens = 200;
  app.add_option("--tokens", tokens, "of an answer")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const bench::MadeVocabulary tokenizer(1);
  const TokenId end = *tokenizer.find_added("<|im_end|>");
  const auto vocabulary = grammar::Vocabulary::create(tokenizer, std::vector<TokenId>{end});
  grammar::warm_up(vocabulary);
  fmt::print("{:<42} {:>9} {:>9} {:>9} {:>9}  outcome\n", "", "text KB", "ms", "heap MB",
             "mask us");
  for (const grammar::HostileSchema& hostile : grammar::hostile_schemas()) {
    const auto schema = json::parse(hostile.text);
    const std::size_t before = live_bytes;
    most_bytes = before;
    const Clock::time_point start = Clock::now();
    const auto grammar = grammar::compile_schema(*schema);
    if (grammar) grammar::prepare_masks(**grammar, *vocabulary);
    const double compiling = microseconds_since(start) / 1000;
    const double mask = grammar ? dearest_mask(*grammar, vocabulary, tokens) : 0;
    fmt::print("{:<42} {:>9} {:>9.1f} {:>9.1f} {:>9.0f}  {}\n", hostile.name,
               hostile.text.size() / 1000, compiling,
               static_cast<double>(most_bytes - before) / 1e6, mask,
               grammar ? "compiled" : grammar.error().message);
  }
  return 0;
}
