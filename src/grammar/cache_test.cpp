#include "grammar/cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "grammar/compile.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kBytes = 1 << 20;

GrammarCache::Compiled any_object() {
  return compile_json_object();
}

TEST(GrammarCache, CompilesOnce) {
  GrammarCache cache(kBytes);
  int compiled = 0;
  const auto compile = [&] {
    ++compiled;
    return any_object();
  };
  const auto first = cache.get(AccountId{1}, "a", compile);
  const auto again = cache.get(AccountId{2}, "a", compile);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(*first, *again);
  EXPECT_EQ(compiled, 1);
  EXPECT_GT(cache.bytes_of(AccountId{1}), 0u);
  EXPECT_EQ(cache.bytes_of(AccountId{2}), 0u);
}

TEST(GrammarCache, ErrorsAreNotKept) {
  GrammarCache cache(kBytes);
  const auto fails = [] {
    return GrammarCache::Compiled(fail(GrammarErrorCode::kInvalidSchema, "no"));
  };
  EXPECT_FALSE(cache.get(AccountId{1}, "a", fails));
  EXPECT_TRUE(cache.get(AccountId{1}, "a", any_object));
}

TEST(GrammarCache, AccountsKeepToTheirShare) {
  GrammarCache cache(kBytes);
  ASSERT_TRUE(cache.get(AccountId{2}, "canary", any_object));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(cache.get(AccountId{1}, "flood" + std::to_string(i), any_object));
    ASSERT_LE(cache.bytes_of(AccountId{1}), kBytes / 4);
  }
  bool compiled = false;
  ASSERT_TRUE(cache.get(AccountId{2}, "canary", [&] {
    compiled = true;
    return any_object();
  }));
  EXPECT_FALSE(compiled) << "another account's schemas drove it out";
  for (std::uint64_t account = 3; account < 300; ++account) {
    for (int i = 0; i < 20; ++i) {
      const std::string key = std::to_string(account) + "/" + std::to_string(i);
      ASSERT_TRUE(cache.get(AccountId{account}, key, any_object));
    }
    ASSERT_LE(cache.bytes(), kBytes);
  }
}

TEST(GrammarCache, ConcurrentRequestsWaitForOneCompilation) {
  GrammarCache cache(kBytes);
  std::atomic<int> compiled = 0;
  std::vector<GrammarPtr> results(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] {
      results[i] = *cache.get(AccountId{i}, "a", [&] {
        ++compiled;
        return any_object();
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(compiled, 1);
  for (const GrammarPtr& result : results) EXPECT_EQ(result, results[0]);
}

}  // namespace
}  // namespace tessera::grammar
