// For tests: a database file of the test's own, and rows to write into it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "access/issue_key.h"
#include "access/sqlite.h"
#include "access/store.h"

namespace tessera::access {

inline constexpr std::int64_t kDay = 86'400;
inline constexpr std::int64_t kNoon = 20'000 * kDay + kDay / 2;  // 2024-10-04

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = testing::TempDir() + "store_test_" + test->name() + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    path_ = folder_ + "/state/tessera.db";
  }
  ~StoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Store> open() {
    auto store = Store::open(path_);
    if (!store) ADD_FAILURE() << store.error().message;
    return *std::move(store);
  }
  // As somebody with another tool would.
  void execute(const std::string& sql) {
    auto database = Database::open(path_, 1000);
    ASSERT_TRUE(database);
    const auto done = database->execute(sql.c_str());
    ASSERT_TRUE(done) << done.error().message;
  }
  Error refused() {
    const auto store = Store::open(path_);
    if (store) return {ErrorCode::kCancelled, "it was opened"};
    return store.error();
  }

  std::string folder_;
  std::string path_;
};

inline KeyRow some_key(AccountId account, const std::string& label = "prod") {
  return issue_key(account, label, kNoon).row;
}

inline UsageWrite write_of(UsageWrite::Kind kind, const std::string& id, std::int64_t tokens = 0,
                           std::int64_t ended = kNoon) {
  UsageRow row;
  row.request_id = id;
  row.account = "acme";
  row.key_id = "key_1";
  row.endpoint = "chat.completions";
  row.client_address = "127.0.0.1";
  row.user_agent = "curl/8";
  row.started = kNoon - 5;
  if (kind == UsageWrite::Kind::kSettle) {
    static std::uint32_t serial = 0;
    row.ended = ended;
    row.serial = ++serial;
    row.status = 200;
    row.outcome = "ok";
    row.prompt_tokens = tokens;
    row.cached_tokens = tokens / 2;
    row.completion_tokens = 2 * tokens;
    row.reasoning_tokens = tokens / 4;
  }
  return {kind, row};
}
inline UsageWrite reserve(const std::string& id) {
  return write_of(UsageWrite::Kind::kReserve, id);
}
inline UsageWrite settle(const std::string& id, std::int64_t tokens = 8,
                         std::int64_t ended = kNoon) {
  return write_of(UsageWrite::Kind::kSettle, id, tokens, ended);
}
inline UsageWrite discard(const std::string& id) {
  return write_of(UsageWrite::Kind::kDiscard, id);
}
inline Result<void> write(Store& store, std::vector<UsageWrite> writes) {
  return store.write_usage(writes);
}
inline std::vector<UsageSum> all(Store& store) {
  auto sums = store.usage_by_day("", "", 0, kNoon * 10);
  EXPECT_TRUE(sums);
  return *std::move(sums);
}

}  // namespace tessera::access
