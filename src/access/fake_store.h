// For tests: accounts, keys and usage sums in memory behind any number of connections, which fail
// on order. Only what the gate asks for is there.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "access/gate_parts.h"
#include "access/store.h"

namespace tessera::access {

class FakeDatabase {
 public:
  // A key that works, of a new or known account; returns what a client presents.
  std::string add_key(const std::string& account, const std::string& tier) {
    const std::scoped_lock lock(mutex);
    auto found = std::find_if(directory.accounts.begin(), directory.accounts.end(),
                              [&](const AccountRow& row) { return row.name == account; });
    if (found == directory.accounts.end()) {
      AccountRow row;
      row.id = AccountId{directory.accounts.size() + 1};
      row.name = account;
      row.tier = tier;
      directory.accounts.push_back(row);
      found = std::prev(directory.accounts.end());
    }
    KeyRow key;
    key.id = "key_" + std::to_string(directory.keys.size() + 1);
    key.account = found->id;
    const std::string presented = "sk-tessera-" + key.id;
    key.hash = sha256(presented);
    directory.keys.push_back(key);
    ++directory.generation;
    return presented;
  }
  template <class Change>
  void change(Change change) {
    const std::scoped_lock lock(mutex);
    change(directory);
    ++directory.generation;
  }

  std::mutex mutex;
  Directory directory;
  std::atomic<bool> broken{false};
  std::atomic<int> directory_reads{0};
  std::atomic<int> forgets{0};
  std::vector<UsageSum> sums;                                 // of the last minute
  std::vector<std::pair<std::string, std::int64_t>> thought;  // account, unix seconds: 100 tokens
};

class FakeStore final : public Store {
 public:
  explicit FakeStore(std::shared_ptr<FakeDatabase> database) : database_(std::move(database)) {}

  Result<std::int64_t> generation() override {
    const std::scoped_lock lock(database_->mutex);
    if (database_->broken) return fail(ErrorCode::kIo, "broken");
    return database_->directory.generation;
  }
  Result<Directory> directory() override {
    const std::scoped_lock lock(database_->mutex);
    if (database_->broken) return fail(ErrorCode::kIo, "broken");
    ++database_->directory_reads;
    return database_->directory;
  }
  Result<std::vector<UsageSum>> usage_by_day(const std::string&, const std::string&, std::int64_t,
                                             std::int64_t) override {
    return database_->sums;
  }
  Result<std::vector<std::pair<std::string, std::int64_t>>> reasoning_since(
      std::int64_t from) override {
    std::vector<std::pair<std::string, std::int64_t>> since;
    for (const auto& [account, when] : database_->thought) {
      if (when < from) continue;
      const auto found = std::find_if(since.begin(), since.end(),
                                      [&](const auto& each) { return each.first == account; });
      if (found == since.end()) {
        since.emplace_back(account, 100);
      } else {
        found->second += 100;
      }
    }
    return since;
  }
  Result<std::int64_t> close_interrupted(std::int64_t) override { return 0; }
  Result<std::int64_t> forget_usage(std::int64_t) override {
    ++database_->forgets;
    return 0;
  }

  Result<AccountId> create_account(const std::string&, const std::string&) override { return no(); }
  Result<void> update_account(const AccountRow&) override { return no(); }
  Result<void> insert_key(const KeyRow&) override { return no(); }
  Result<void> revoke_key(const std::string&, std::int64_t) override { return no(); }
  Result<void> rotate_key(const std::string&, const KeyRow&, std::int64_t) override { return no(); }
  Result<void> write_usage(std::span<const UsageWrite>) override { return no(); }

 private:
  static Unexpected<Error> no() { return fail(ErrorCode::kUnsupported, "not in this fake"); }
  const std::shared_ptr<FakeDatabase> database_;
};

}  // namespace tessera::access
