// Random schemas, random walks through their masks: what comes out parses and is admitted by the
// schema's own rules, no walk gets stuck, and at each step the mask is what a matcher that tries
// every token says.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "grammar/compile.h"
#include "grammar/matcher.h"
#include "grammar/shaper.h"
#include "text/test_vocabulary.h"

namespace tessera::grammar {
namespace {

struct Words {
  text::TestVocabulary words{
      {{"\"", ":"},  {"\":", " "}, {"{", "\""}, {"\"", ","}, {"\"", "}"},      {"}", ","},
       {",", "\n"},  {"\n", " "},  {" ", " "},  {"1", "0"},  {"a", "b"},       {"ab", "\""},
       {"]", ","},   {"}", "]"},   {"\\", "n"}, {"\\", "u"}, {"\xc3", "\xa9"}, {"\xe4", "\xb8"},
       {"t", "rue"}, {"r", "u"},   {"ru", "e"}}};
  TokenId end = words.add("<|im_end|>", text::TokenKind::kControl);
  std::shared_ptr<const text::Tokenizer> tokenizer = words.make();
  VocabularyPtr vocabulary = Vocabulary::create(*tokenizer, std::vector<TokenId>{end});
};

// Schemas as JSON text.
class SchemaMaker {
 public:
  explicit SchemaMaker(std::mt19937& random) : random_(random) {}

  std::string make(int depth) {
    switch (pick(depth > 0 ? 15 : 8)) {
      case 0:
        return R"({"type":"integer","minimum":)" + number(-20) + "}";
      case 1:
        return R"({"type":"integer","minimum":3,"maximum":)" + number(3) + R"(,"multipleOf":3})";
      case 2:
        return R"({"type":"number","exclusiveMaximum":)" + number(1) + ".5}";
      case 3:
        return R"({"type":"string","minLength":1,"maxLength":)" + number(1) + "}";
      case 4:
        return R"({"type":"string","pattern":")" + std::string(pattern()) + R"(","maxLength":6})";
      case 5:
        return R"({"enum":["a","ab",1,10,null,true,{"k":[1]},"é\n"]})";
      case 6:
        return R"({"type":["boolean","null"]})";
      case 7:
        return R"({"type":"array","uniqueItems":true,"items":{"enum":["a","ab",1,10,null,"é\n","b"]},"minItems":)" +
               std::to_string(pick(8)) + "}";
      case 8:
        return R"({"type":"array","items":)" + make(depth - 1) + R"(,"minItems":1,"maxItems":3})";
      case 9:
        if (pick(2) == 0) {
          return R"({"type":"array","uniqueItems":true,"items":)" + make(0) + R"(,"maxItems":4})";
        }
        return R"({"type":"array","prefixItems":[)" + make(depth - 1) + R"(],"contains":)" +
               make(depth - 1) + R"(,"maxItems":3})";
      case 10:
        return R"({"anyOf":[)" + make(depth - 1) + "," + make(depth - 1) + "]}";
      case 11:
        return R"({"allOf":[)" + make(depth - 1) + R"(,{"not":{"const":"a"}}]})";
      case 12:
        return R"({"type":"object","additionalProperties":)" + make(depth - 1) +
               (pick(2) == 0 ? R"(,"propertyNames":{"pattern":"^[a-c]{1,2}$"},"minProperties":1})"
                             : R"(,"patternProperties":{"^a.":{"type":"null"},"b$":{}}})");
      case 13:
        return R"({"if":{"required":["a"]},"then":{"required":["b"]},"type":"object","properties":{"a":)" +
               make(depth - 1) + R"(,"b":)" + make(depth - 1) +
               R"(},"additionalProperties":false})";
      default:
        return R"({"type":"object","properties":{"a":)" + make(depth - 1) + R"(,"ab":)" +
               make(depth - 1) + R"(,"é\"":{"$ref":"#"}},"required":["ab"],"maxProperties":3})";
    }
  }

 private:
  std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  std::string number(int from) { return std::to_string(from + static_cast<int>(pick(30))); }
  std::string_view pattern() {
    constexpr std::string_view kPatterns[] = {"^[a-z]{2,5}$", "a+b", "^[^\\\"]+$", "[éx]$",
                                              "^(a|ab)(c|bcd)$"};
    return kPatterns[pick(std::size(kPatterns))];
  }
  std::mt19937& random_;
};

bool bit(const std::vector<std::uint32_t>& words, TokenId token) {
  return (words[static_cast<std::size_t>(token) / 32] >> (token % 32) & 1) != 0;
}

// Tokens that may come; each of the vocabulary is tried if `check`.
std::vector<TokenId> allowed(Matcher& matcher, const Words& words, bool check) {
  std::vector<std::uint32_t> mask(words.vocabulary->mask_words());
  matcher.fill_mask(mask);
  std::vector<TokenId> out;
  for (TokenId token = 0; token < static_cast<TokenId>(words.vocabulary->size()); ++token) {
    if (bit(mask, token)) out.push_back(token);
    if (!check) continue;
    const bool taken = matcher.accept(token);
    if (taken) matcher.rollback(1);
    EXPECT_EQ(taken, bit(mask, token)) << "token " << token;
  }
  return out;
}

// Its shortest ending can be read, and behind it the answer may end.
bool ending_fits(Matcher& matcher) {
  const auto ending = matcher.shortest_end(1000);
  if (!ending) return false;
  const std::string bytes(ending->begin(), ending->end());
  if (bytes.empty()) return matcher.is_done() || matcher.ended();
  const bool fits = matcher.accept_bytes(bytes) && matcher.is_done();
  matcher.rollback(1);
  return fits;
}

TEST(RandomWalk, EveryAnswerFitsItsSchema) {
  const Words words;
  std::mt19937 random(7);
  int finished = 0;
  for (int round = 0; round < 300; ++round) {
    const std::string text = SchemaMaker(random).make(static_cast<int>(random() % 4));
    const auto schema = json::parse(text);
    ASSERT_TRUE(schema) << text;
    const auto grammar = compile_schema(*schema);
    if (!grammar) {
      EXPECT_NE(grammar.error().code, GrammarErrorCode::kInvalidRegex) << text;
      continue;
    }
    Matcher matcher(*grammar, words.vocabulary);
    std::string answer;
    for (int step = 0; step < 300 && !matcher.ended(); ++step) {
      std::vector<TokenId> tokens = allowed(matcher, words, step % 5 == 0);
      ASSERT_FALSE(tokens.empty()) << text << " stuck behind " << answer;
      ASSERT_TRUE(ending_fits(matcher)) << text << " has no ending behind " << answer;
      TokenId token = tokens[random() % tokens.size()];
      if (step > 20 || random() % 3 == 0) {  // towards the end
        for (const TokenId other : tokens) {
          const std::string_view bytes = words.tokenizer->bytes(other);
          if (bytes == "\"" || bytes == "}" || bytes == "]" || other == words.end) token = other;
        }
      }
      if (token != words.end) answer += words.tokenizer->bytes(token);
      ASSERT_TRUE(matcher.accept(token));
    }
    if (!matcher.ended()) continue;
    ++finished;
    const auto value = json::parse(answer);
    ASSERT_TRUE(value) << text << " gave " << answer;
    Budget budget{CompileLimits{}};
    const SchemaDocument document(*schema, budget);
    Shaper shaper(document, budget);
    const auto fits = shaper.admits(std::vector<Term>{{&*schema, true}}, *value);
    EXPECT_TRUE(fits && *fits) << text << " gave " << answer;
  }
  EXPECT_GT(finished, 200);
}

}  // namespace
}  // namespace tessera::grammar
