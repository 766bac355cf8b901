// Accounts, keys and tiers as one immutable picture, read from the store and the tiers file when
// either has changed. Requests look at the picture; they never wait for a disk. When the store or
// the file cannot be read, the last good picture stays.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "access/store.h"
#include "access/tier.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/sha256.h"

namespace tessera::access {

struct AccountEntry {
  AccountId id;
  std::string name;
  std::shared_ptr<const Tier> tier;  // null: the table has no tier of that name
  std::int32_t context_tokens = 0;
  bool disabled = false;

  bool may() const { return !disabled && tier != nullptr; }
};
struct KeyEntry {
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  std::string id;
  Sha256 hash{};
  std::shared_ptr<const AccountEntry> account;
  std::vector<std::string> models;
  std::int64_t ends = kNever;  // unix seconds; revoked or expired from then on
};

class Picture {
 public:
  explicit Picture(std::vector<KeyEntry> keys);
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;

  // The key whose hash this is, ended or not; null: none. The time tells nothing about hashes but
  // their first 8 bytes, which say nothing about a key.
  const KeyEntry* find(const Sha256& hash) const;
  // Whether requests of this key may go on at `now`.
  bool valid(const std::string& key_id, std::int64_t now) const;
  // The first end of a key after `now`.
  std::int64_t next_end(std::int64_t now) const;

 private:
  const std::vector<KeyEntry> keys_;
  std::unordered_multimap<std::uint64_t, const KeyEntry*> by_hash_;  // by its first 8 bytes
  std::unordered_map<std::string_view, const KeyEntry*> by_id_;
};

class DirectoryWatch {
 public:
  // `operator_keys`: each an account of its own, "operator-1" and so on, in the tier "enterprise"
  // with all of its context.
  DirectoryWatch(std::string tiers_file, std::vector<Sha256> operator_keys);

  // The first picture. kInvalidArgument: the tiers file.
  Result<void> start(Store& store);
  // True: there is a new picture. Trouble is logged once, until it is over. One thread.
  bool refresh(Store& store);

  // Any thread.
  std::shared_ptr<const Picture> picture() const;
  // False while the store cannot be read.
  bool healthy() const { return healthy_.load(std::memory_order_relaxed); }
  // Accounts by name, operators included: for what is kept by name. The thread of refresh().
  std::unordered_map<std::string, AccountId> account_ids() const;

 private:
  struct FileStamp {
    std::int64_t modified_ns = -1;
    std::uint64_t inode = 0;
    std::int64_t bytes = 0;
    bool operator==(const FileStamp&) const = default;
  };
  static FileStamp stamp_of(const std::string& path);
  void set_tiers(std::vector<Tier> tiers);
  bool refresh_tiers();
  bool refresh_directory(Store& store);
  void store_failed(const Error& error);
  void publish();
  std::shared_ptr<const AccountEntry> make_account(const AccountRow& row) const;

  const std::string tiers_file_;
  const std::vector<Sha256> operator_keys_;

  // Of the thread that refreshes.
  FileStamp tiers_stamp_;
  std::vector<std::shared_ptr<const Tier>> tiers_;
  Directory directory_;

  std::atomic<bool> healthy_{true};
  mutable std::mutex mutex_;
  std::shared_ptr<const Picture> picture_;
};

}  // namespace tessera::access
