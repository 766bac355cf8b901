// Any text as a schema, and as a pattern in one. Compiling must end within its steps, name what is
// wrong, and what it lets through must write valid JSON: a walk through the masks never gets stuck,
// each of its tokens is accepted, and at its end stands a JSON text that the schema admits.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "grammar/compile.h"
#include "grammar/matcher.h"
#include "grammar/shaper.h"
#include "text/byte_alphabet.h"

namespace tessera::grammar {
namespace {

// Less than the server's, so that a run takes no second with the sanitizers.
constexpr CompileLimits kLimits{.steps = 300'000, .bytes = 4 << 20};
constexpr int kSteps = 120;
constexpr std::string_view kClosing[] = {"}", "]", "\"", ":", ","};

struct Words {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  TokenId end = 0;
  VocabularyPtr vocabulary;
};

// The 256 bytes, and some tokens that cross JSON's borders.
const Words& words() {
  static const Words made = [] {
    constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
        {"\"", ":"}, {"\":", " "}, {"{", "\""},      {"\"", ","}, {"\"", "}"},
        {"}", ","},  {",", "\n"},  {" ", " "},       {"1", "0"},  {"a", "b"},
        {"]", ","},  {"\\", "u"},  {"\xc3", "\xa9"}, {"r", "u"},  {"\xe4", "\xb8"}};
    std::vector<std::string> tokens;
    std::vector<std::string> merges;
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(text::spelling_of_bytes(std::string(1, static_cast<char>(byte))));
    }
    for (const auto& [left, right] : kPairs) {
      const std::string a = text::spelling_of_bytes(left);
      const std::string b = text::spelling_of_bytes(right);
      tokens.push_back(a + b);
      merges.push_back(a + ' ' + b);
    }
    text::TokenizerData data;
    data.kinds.assign(tokens.size(), text::TokenKind::kNormal);
    tokens.emplace_back("<|im_end|>");
    data.kinds.push_back(text::TokenKind::kControl);
    data.tokens.assign(tokens.begin(), tokens.end());
    data.merges.assign(merges.begin(), merges.end());
    auto tokenizer = text::Tokenizer::create(data);
    CHECK(tokenizer);
    Words words;
    words.tokenizer = *std::move(tokenizer);
    words.end = static_cast<TokenId>(tokens.size() - 1);
    words.vocabulary = Vocabulary::create(*words.tokenizer, std::vector<TokenId>{words.end});
    return words;
  }();
  return made;
}

bool bit(const std::vector<std::uint32_t>& mask, TokenId token) {
  return (mask[static_cast<std::size_t>(token) / 32] >> (token % 32) & 1) != 0;
}

void check_answer(const json::Value& schema, const std::string& answer) {
  const auto value = json::parse(answer);
  CHECK(value);
  // What the server's limits let it look at; a schema that was compiled may cost more to ask.
  Budget budget{CompileLimits{}};
  const SchemaDocument document(schema, budget);
  Shaper shaper(document, budget);
  const auto fits = shaper.admits(std::vector<Term>{{&schema, true}}, *value);
  CHECK(!fits || *fits);
}

void walk(const json::Value& schema, const GrammarPtr& grammar, std::mt19937& random) {
  Matcher matcher(grammar, words().vocabulary);
  std::vector<std::uint32_t> mask(words().vocabulary->mask_words());
  std::string answer;
  for (int step = 0; step < kSteps; ++step) {
    matcher.fill_mask(mask);
    std::vector<TokenId> allowed;
    for (TokenId token = 0; token <= words().end; ++token) {
      if (bit(mask, token)) allowed.push_back(token);
    }
    CHECK(!allowed.empty());
    TokenId token = allowed[random() % allowed.size()];
    if (bit(mask, words().end)) {
      token = words().end;
    } else if (random() % 2 == 0) {
      for (const TokenId other : allowed) {
        const std::string_view bytes = words().tokenizer->bytes(other);
        for (const std::string_view text : kClosing) token = bytes == text ? other : token;
      }
    }
    CHECK(matcher.accept(token));
    if (matcher.ended()) return check_answer(schema, answer);
    answer += words().tokenizer->bytes(token);
  }
}

void check(const json::Value& schema, std::mt19937& random) {
  const auto grammar = compile_schema(schema, false, kLimits);
  if (!grammar) {
    CHECK(!grammar.error().message.empty());
    return;
  }
  walk(schema, *grammar, random);
}

}  // namespace
}  // namespace tessera::grammar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::mt19937 random(static_cast<std::uint32_t>(std::hash<std::string>()(text)));
  if (!is_valid_utf8(text)) return 0;
  if (const auto schema = json::parse(text)) {
    grammar::check(*schema, random);
    return 0;
  }
  json::Object object;
  object.set("type", "string");
  object.set("pattern", text);
  grammar::check(json::Value(std::move(object)), random);
  return 0;
}
