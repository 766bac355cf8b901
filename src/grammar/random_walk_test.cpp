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
#include "grammar/test_schemas.h"
#include "text/test_vocabulary.h"

namespace tessera::grammar {
namespace {

bool bit(const std::vector<std::uint32_t>& words, TokenId token) {
  return (words[static_cast<std::size_t>(token) / 32] >> (token % 32) & 1) != 0;
}

// Tokens that may come; each of the vocabulary is tried if `check`.
std::vector<TokenId> allowed(Matcher& matcher, const SmallVocabulary& words, bool check) {
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
  const auto ending = matcher.shortest_end(1000).way;
  if (!ending) return false;
  const std::string bytes(ending->begin(), ending->end());
  if (bytes.empty()) return matcher.is_done() || matcher.ended();
  const bool fits = matcher.accept_bytes(bytes) && matcher.is_done();
  matcher.rollback(1);
  return fits;
}

TEST(RandomWalk, EveryAnswerFitsItsSchema) {
  const SmallVocabulary words;
  std::mt19937 random(7);
  int finished = 0;
  for (int round = 0; round < 600; ++round) {
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
  EXPECT_GT(finished, 400);
}

}  // namespace
}  // namespace tessera::grammar
