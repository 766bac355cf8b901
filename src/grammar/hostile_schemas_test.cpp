// Schemas that are written to cost much are compiled or refused, as it was decided for each; what
// is compiled has masks until its fuel is used up. What they cost is in bench/hostile_bench.cpp.
#include "grammar/hostile_schemas.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "grammar/compile.h"
#include "grammar/matcher.h"
#include "grammar/test_schemas.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kMostBytes = 64 << 20;

TEST(HostileSchemas, AreCompiledOrRefused) {
  for (const HostileSchema& hostile : hostile_schemas()) {
    const auto schema = json::parse(hostile.text);
    ASSERT_TRUE(schema) << hostile.name;
    const auto grammar = compile_schema(*schema);
    ASSERT_EQ(bool{grammar}, hostile.compiles) << hostile.name;
    if (grammar) {
      EXPECT_LT((*grammar)->bytes(), kMostBytes) << hostile.name;
    } else {
      EXPECT_EQ(grammar.error().code, GrammarErrorCode::kSchemaTooComplex)
          << hostile.name << ": " << grammar.error().message;
    }
  }
}

TEST(HostileSchemas, WithLessFuelMoreIsRefused) {
  CompileLimits little;
  little.steps = 20'000;
  int refused = 0;
  for (const HostileSchema& hostile : hostile_schemas()) {
    const auto grammar = compile_schema(*json::parse(hostile.text), false, little);
    if (!hostile.compiles) EXPECT_FALSE(grammar) << hostile.name;
    refused += hostile.compiles && !grammar ? 1 : 0;
  }
  EXPECT_GT(refused, 0);
}

TEST(HostileSchemas, MasksUntilTheFuelIsUsedUp) {
  SmallVocabulary small;
  std::vector<std::uint32_t> words(small.vocabulary->mask_words());
  for (const HostileSchema& hostile : hostile_schemas()) {
    if (!hostile.compiles) continue;
    const auto grammar = compile_schema(*json::parse(hostile.text));
    ASSERT_TRUE(grammar) << hostile.name;
    prepare_masks(**grammar, *small.vocabulary);
    std::mt19937 random(1);
    Matcher matcher(*grammar, small.vocabulary);
    for (int step = 0; step < 60 && !matcher.ended(); ++step) {
      if (!matcher.fill_mask(words)) break;
      std::vector<TokenId> allowed;
      for (TokenId token = 0; token < static_cast<TokenId>(small.vocabulary->size()); ++token) {
        const auto at = static_cast<std::size_t>(token);
        if ((words[at / 32] >> (at % 32) & 1) != 0) allowed.push_back(token);
      }
      ASSERT_FALSE(allowed.empty()) << hostile.name;
      ASSERT_TRUE(matcher.accept(allowed[random() % allowed.size()])) << hostile.name;
    }
  }
}

}  // namespace
}  // namespace tessera::grammar
