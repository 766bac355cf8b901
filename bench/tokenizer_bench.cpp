// Bytes a second of the tokenizer on one thread: what prompts look like, and what an attacker would
// send.
//
// Uses the full Qwen2.5/Qwen3 vocabulary where ../shared has it, else the small one of tests/text
// (whose words are another language: its figures compare with themselves alone). Run from the
// project's root.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "text/detokenizer.h"
#include "text/nfc.h"
#include "text/pre_tokenizer.h"
#include "vocabulary_files.h"

namespace tessera::text {
namespace {

VocabularyFile read_vocabulary() {
  auto full = read_rank_file("../shared/data/qwen2_5-qwen3.vocab.quicktok.bin", {"<|im_end|>"});
  if (full) return *std::move(full);
  const auto fixture = read_json_file("tests/text/bpe_fixture.json");
  if (fixture) {
    auto small = read_fixture_vocabulary(*fixture);
    if (small) return *std::move(small);
  }
  fmt::print(stderr, "tokenizer_bench: no vocabulary; run it from the project's root\n");
  std::exit(1);
}

std::shared_ptr<const Tokenizer> tokenizer() {
  static const std::shared_ptr<const Tokenizer> kTokenizer =
      *Tokenizer::create(read_vocabulary().data(PreTokenizer::kQwen35));
  return kTokenizer;
}

constexpr std::size_t kBytes = 1 << 20;

// Words of the vocabulary, the earlier (commoner) ones more often: as good as text for the cache
// and the merges.
std::string prose() {
  std::vector<std::string_view> words;
  for (TokenId id = 256; id < tokenizer()->vocabulary_size(); ++id) {
    const std::string_view word = tokenizer()->bytes(id);
    const bool letters = word.size() > 1 && word[0] == ' ' &&
                         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz", 1) == word.npos;
    if (letters) words.push_back(word);
  }
  std::mt19937 random(1);
  std::string text;
  while (text.size() < kBytes) {
    const double uniform = static_cast<double>(random()) / 4294967296.0;
    text += words[static_cast<std::size_t>(static_cast<double>(words.size()) * uniform * uniform *
                                           uniform)];
    const auto mark = random() % 16;
    text += mark == 0 ? ".\n" : mark == 1 ? "," : mark == 2 ? " 42" : mark == 3 ? " caf\u00E9" : "";
  }
  return text;
}

std::string random_letters() {
  std::mt19937 random(2);
  std::string text(kBytes, ' ');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

std::string run_of(std::string_view unit) {
  std::string text;
  while (text.size() < kBytes) text += unit;
  return text;
}

void bench_encode(benchmark::State& state, const std::string& text) {
  std::vector<TokenId> ids;
  for (auto _ : state) {
    ids.clear();
    tokenizer()->encode_text(text, ids);
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["tokens"] = static_cast<double>(ids.size());
}

void bench_split(benchmark::State& state, const std::string& text) {
  const auto splitter = *PreTokenSplitter::create(PreTokenizer::kQwen35);
  for (auto _ : state) {
    for (std::size_t begin = 0; begin < text.size();) begin = splitter->find_end(text, begin);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void bench_nfc(benchmark::State& state, const std::string& text) {
  std::string buffer;
  for (auto _ : state) benchmark::DoNotOptimize(to_nfc(text, buffer).data());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void bench_detokenize(benchmark::State& state, const std::string& text) {
  std::vector<TokenId> ids;
  tokenizer()->encode_text(text, ids);
  for (auto _ : state) {
    Detokenizer detokenizer(tokenizer());
    for (const TokenId id : ids) benchmark::DoNotOptimize(detokenizer.append(id));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * ids.size()));
}

void bench_create(benchmark::State& state) {
  const VocabularyFile file = read_vocabulary();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Tokenizer::create(file.data(PreTokenizer::kQwen35)).has_value());
  }
}

void register_all() {
  const std::pair<const char*, std::string> texts[] = {
      {"prose", prose()},
      {"random_letters", random_letters()},
      {"one_letter", run_of("a")},
      {"spaces", run_of(" ")},
      {"digits", run_of("7")},
      {"emoji", run_of("\U0001F600")},
      {"cjk", run_of("\u4F60\u597D\u4E16\u754C")},
      {"unordered_marks", "e" + run_of("\u0301\u0316")},
      {"invalid_bytes", run_of("\xFF\x80")},
  };
  for (const auto& [name, text] : texts) {
    benchmark::RegisterBenchmark(("encode/" + std::string(name)).c_str(), bench_encode, text)
        ->Unit(benchmark::kMillisecond);
  }
  benchmark::RegisterBenchmark("split/prose", bench_split, texts[0].second);
  benchmark::RegisterBenchmark("nfc/prose", bench_nfc, texts[0].second);
  benchmark::RegisterBenchmark("nfc/unordered_marks", bench_nfc, texts[7].second);
  benchmark::RegisterBenchmark("detokenize/prose", bench_detokenize, texts[0].second);
  benchmark::RegisterBenchmark("create", bench_create)->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace tessera::text

int main(int argc, char** argv) {
  tessera::text::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
