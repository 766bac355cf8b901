// What structured output costs on one thread: compiling schemas, and the masks along random answers
// to them, over a made vocabulary of 248,320 tokens. Everything is cold but what the server warms
// up when it starts: each schema is compiled once and each answer has a matcher of its own.
//
//   build/bench/bench/grammar_bench [--answers 5] [--seed 1] [--slow 100] [--ranks FILE]
//
// The vocabulary is random, its make-up that of a large model's: many of the tokens begin with a
// blank, words are built of syllables, some are not of Latin script, some end inside a character.
// It is harder than a true one where such tokens are learnt and not mixed: its trie has 0.9 million
// nodes rather than 0.55. With a file of ranks (tests/text/vocabulary_files.h) a true one is taken.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/heap.h"
#include "base/json.h"
#include "grammar/compile.h"
#include "grammar/matcher.h"
#include "grammar_schemas.h"
#include "made_vocabulary.h"
#include "vocabulary_files.h"

namespace {

using namespace tessera;  // NOLINT(google-build-using-namespace): a program of its own
using bench::Clock;
using bench::kControls;
using bench::MadeVocabulary;
using bench::microseconds_since;

void print(std::string_view name, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  double sum = 0;
  for (const double time : times) sum += time;
  fmt::print("{:<20} {:>7} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f}\n", name,
             times.size(), sum / static_cast<double>(times.size()), at(0.5), at(0.9), at(0.99),
             at(0.999), at(1));
}

void show(double time, std::string_view text) {
  std::string shown;
  for (const char c : text) shown += c >= ' ' && c < 127 ? c : c == '\n' ? '~' : '?';
  fmt::print("  {:.0f} us behind {}\n", time, shown);
}

struct Words {
  explicit Words(const text::Tokenizer& tokenizer)
      : end(*tokenizer.find_added("<|im_end|>")),
        vocabulary(grammar::Vocabulary::create(tokenizer, std::vector<TokenId>{end})),
        bytes(256, -1) {
    for (TokenId token = 0; token < tokenizer.vocabulary_size(); ++token) {
      const std::string_view text = vocabulary->bytes(token);
      if (text.size() == 1) bytes[static_cast<std::uint8_t>(text[0])] = token;
    }
  }
  TokenId end;
  grammar::VocabularyPtr vocabulary;
  std::vector<TokenId> bytes;  // the tokens of single ones
};

// The times of an answer's masks. Tokens are random, every fourth one that closes something where
// one may come: answers come to an end.
void answer(const grammar::GrammarPtr& grammar, const Words& words, std::mt19937& random,
            double slow, std::vector<double>& times) {
  constexpr int kMaxSteps = 200;
  constexpr std::string_view kClosing = "}]\":,";
  constexpr std::string_view kInText = "\"";
  constexpr std::string_view kBehindParameter = "\n</parameter>\n";
  const grammar::Vocabulary& vocabulary = *words.vocabulary;
  grammar::Matcher matcher(grammar, words.vocabulary);
  std::vector<std::uint32_t> mask(vocabulary.mask_words());
  std::string text;
  const auto may_come = [&](TokenId token) {
    const auto at = static_cast<std::size_t>(token);
    return (mask[at / 32] >> (at % 32) & 1) != 0;
  };
  const auto byte_may = [&](char c) { return may_come(words.bytes[static_cast<std::uint8_t>(c)]); };
  for (int step = 0; step < kMaxSteps && !matcher.ended(); ++step) {
    const Clock::time_point start = Clock::now();
    matcher.fill_mask(mask);
    times.push_back(microseconds_since(start));
    if (times.back() > slow) show(times.back(), text);
    std::vector<TokenId> allowed;
    for (TokenId token = 0; token < static_cast<TokenId>(vocabulary.size()); ++token) {
      if (may_come(token)) allowed.push_back(token);
    }
    TokenId token = allowed[random() % allowed.size()];
    if (may_come(words.end)) {
      token = words.end;
    } else if (random() % 4 == 0) {
      const bool in_text = byte_may('}') && byte_may(']');
      if (in_text && byte_may('\n') && matcher.accept_bytes(kBehindParameter)) {
        text += kBehindParameter;
        continue;
      }
      for (const char c : in_text ? kInText : kClosing) {
        if (!byte_may(c)) continue;
        token = words.bytes[static_cast<std::uint8_t>(c)];
        break;
      }
    }
    matcher.accept(token);
    text += vocabulary.bytes(token);
  }
}

Result<grammar::GrammarPtr, grammar::GrammarError> compile(const json::Value& schema,
                                                           std::string_view name) {
  if (name.starts_with("tools")) {
    grammar::ToolRules rules;
    for (const json::Value& function : *schema.if_array()) rules.functions.push_back(&function);
    rules.required = true;
    return grammar::compile_tools(rules);
  }
  if (!name.starts_with("call")) return grammar::compile_schema(schema);
  json::Object function;
  function.set("name", "write_file");
  function.set("parameters", schema);
  const json::Value value(std::move(function));
  grammar::ToolRules rules;
  rules.functions.push_back(&value);
  rules.required = true;
  return grammar::compile_tools(rules);
}

std::shared_ptr<const text::Tokenizer> make_tokenizer(const std::string& ranks,
                                                      std::uint32_t seed) {
  if (ranks.empty()) return std::make_shared<MadeVocabulary>(seed);
  const auto file = text::read_rank_file(
      ranks, std::vector<std::string>(std::begin(kControls), std::end(kControls)));
  if (!file) {
    fmt::print(stderr, "{}\n", file.error().message);
    std::exit(1);
  }
  return *text::Tokenizer::create(file->data(text::PreTokenizer::kQwen35));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("compiling schemas, and their masks");
  int answers = 5;
  std::uint32_t seed = 1;
  app.add_option("--answers", answers, "to each schema")->capture_default_str();
  double slow = 1e9;
  app.add_option("--slow", slow, "show what comes in front of masks of more microseconds");
  std::string ranks;
  app.add_option("--ranks", ranks, "a file of ranks: the vocabulary");
  app.add_option("--seed", seed, "of the vocabulary and the answers")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  configure_heap();  // as the server does
  const auto tokenizer = make_tokenizer(ranks, seed);
  Clock::time_point start = Clock::now();
  const Words words(*tokenizer);
  const double built = microseconds_since(start);
  start = Clock::now();
  grammar::warm_up(words.vocabulary);
  fmt::print("vocabulary of {} tokens: {:.0f} ms, and {:.0f} ms to warm up; {:.1f} MB\n\n",
             words.vocabulary->size(), built / 1000, microseconds_since(start) / 1000,
             static_cast<double>(words.vocabulary->table_bytes()) / 1e6);

  fmt::print("microseconds         {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "count", "mean",
             "p50", "p90", "p99", "p99.9", "max");
  std::mt19937 random(seed);
  std::vector<double> compiling;
  std::vector<double> masks;
  std::vector<bench::NamedSchema> schemas(std::begin(bench::kSchemas), std::end(bench::kSchemas));
  for (bench::NamedSchema& schema : bench::large_schemas()) schemas.push_back(std::move(schema));
  for (bench::NamedSchema& schema : bench::composed_schemas()) schemas.push_back(std::move(schema));
  for (const auto& [name, text] : schemas) {
    start = Clock::now();
    const auto schema = json::parse(text);
    const auto grammar = compile(*schema, name);
    if (grammar) grammar::prepare_masks(**grammar, *words.vocabulary);
    compiling.push_back(microseconds_since(start));
    if (!grammar) {
      fmt::print(stderr, "{}: {}\n", name, grammar.error().message);
      return 1;
    }
    std::vector<double> times;
    for (int i = 0; i < answers; ++i) answer(*grammar, words, random, slow, times);
    masks.insert(masks.end(), times.begin(), times.end());
    print(name, std::move(times));
  }
  print("all masks", std::move(masks));
  print("compiling", std::move(compiling));
  return 0;
}
