#include "access/directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace tessera::access {
namespace {

// Accounts of operator keys are counted from here: the store's ids come from 1 on.
constexpr std::uint64_t kFirstOperator = std::uint64_t{1} << 63;
constexpr const char* kOperatorTier = "enterprise";

std::uint64_t first_bytes(const Sha256& hash) {
  std::uint64_t value = 0;
  std::memcpy(&value, hash.data(), sizeof value);
  return value;
}

std::string operator_name(std::size_t index) {
  return "operator-" + std::to_string(index + 1);
}

}  // namespace

// ---------------------------------------------------------------- the picture

Picture::Picture(std::vector<KeyEntry> keys) : keys_(std::move(keys)) {
  by_hash_.reserve(keys_.size());
  by_id_.reserve(keys_.size());
  for (const KeyEntry& key : keys_) {
    by_hash_.emplace(first_bytes(key.hash), &key);
    by_id_.emplace(key.id, &key);
  }
}

const KeyEntry* Picture::find(const Sha256& hash) const {
  const KeyEntry* found = nullptr;
  const auto [begin, end] = by_hash_.equal_range(first_bytes(hash));
  for (auto at = begin; at != end; ++at) {
    if (equal_constant_time(at->second->hash, hash)) found = at->second;
  }
  return found;
}

bool Picture::valid(const std::string& key_id, std::int64_t now) const {
  const auto found = by_id_.find(key_id);
  return found != by_id_.end() && now < found->second->ends && found->second->account->may();
}

std::int64_t Picture::next_end(std::int64_t now) const {
  std::int64_t next = KeyEntry::kNever;
  for (const KeyEntry& key : keys_)
    if (key.ends > now) next = std::min(next, key.ends);
  return next;
}

// ---------------------------------------------------------------- reading again

DirectoryWatch::DirectoryWatch(std::string tiers_file, std::vector<Sha256> operator_keys)
    : tiers_file_(std::move(tiers_file)), operator_keys_(std::move(operator_keys)) {}

DirectoryWatch::FileStamp DirectoryWatch::stamp_of(const std::string& path) {
  struct stat status{};
  if (path.empty() || stat(path.c_str(), &status) != 0) return {};
  return {status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_ino,
          status.st_size};
}

void DirectoryWatch::set_tiers(std::vector<Tier> tiers) {
  tiers_.clear();
  for (Tier& tier : tiers) tiers_.push_back(std::make_shared<const Tier>(std::move(tier)));
}

Result<void> DirectoryWatch::start(Store& store) {
  tiers_stamp_ = stamp_of(tiers_file_);  // first: a later change is seen as one
  TRY_ASSIGN(auto tiers, load_tiers(tiers_file_));
  set_tiers(std::move(tiers));
  TRY_ASSIGN(directory_, store.directory());
  publish();
  return {};
}

bool DirectoryWatch::refresh_tiers() {
  const FileStamp stamp = stamp_of(tiers_file_);
  if (stamp == tiers_stamp_) return false;
  tiers_stamp_ = stamp;
  auto tiers = load_tiers(tiers_file_);
  if (!tiers) {
    log_error("the tiers stay as they were: {}", tiers.error().message);
    return false;
  }
  set_tiers(std::move(*tiers));
  log_info("tiers read from {}", tiers_file_);
  return true;
}

void DirectoryWatch::store_failed(const Error& error) {
  if (healthy_.exchange(false))
    log_error("keys and accounts cannot be read; those known go on: {}", error.message);
}

bool DirectoryWatch::refresh_directory(Store& store) {
  const Result<std::int64_t> generation = store.generation();
  if (!generation) {
    store_failed(generation.error());
    return false;
  }
  const bool changed = *generation != directory_.generation;
  if (changed) {
    Result<Directory> directory = store.directory();
    if (!directory) {
      store_failed(directory.error());
      return false;
    }
    directory_ = std::move(*directory);
  }
  if (!healthy_.exchange(true)) log_info("keys and accounts can be read again");
  return changed;
}

bool DirectoryWatch::refresh(Store& store) {
  const bool tiers = refresh_tiers();
  const bool directory = refresh_directory(store);
  if (tiers || directory) publish();
  return tiers || directory;
}

std::shared_ptr<const AccountEntry> DirectoryWatch::make_account(const AccountRow& row) const {
  auto account = std::make_shared<AccountEntry>();
  account->id = row.id;
  account->name = row.name;
  account->disabled = row.disabled;
  for (const auto& tier : tiers_)
    if (tier->name == row.tier) account->tier = tier;
  if (account->tier == nullptr) {
    log_error("account {} cannot be served: the tier table has no '{}'", row.name, row.tier);
  } else {
    account->context_tokens = std::min(row.context_tokens.value_or(account->tier->context_tokens),
                                       account->tier->max_context_tokens);
  }
  return account;
}

void DirectoryWatch::publish() {
  std::vector<KeyEntry> keys;
  for (std::size_t i = 0; i < operator_keys_.size(); ++i) {
    AccountRow row;
    row.id = AccountId{kFirstOperator + i};
    row.name = operator_name(i);
    row.tier = kOperatorTier;
    row.context_tokens = std::numeric_limits<std::int32_t>::max();
    keys.push_back({row.name, operator_keys_[i], make_account(row), {}, KeyEntry::kNever});
  }
  std::unordered_map<AccountId, std::shared_ptr<const AccountEntry>> accounts;
  for (const AccountRow& row : directory_.accounts) accounts.emplace(row.id, make_account(row));
  for (const KeyRow& row : directory_.keys) {
    const auto account = accounts.find(row.account);
    if (account == accounts.end()) {
      log_error("key {} is left out: its account is not in the store", row.id);
      continue;
    }
    // Who gave a key by flag means the flag's account.
    if (std::find(operator_keys_.begin(), operator_keys_.end(), row.hash) != operator_keys_.end())
      continue;
    // A revocation holds whatever the clock says: it may be set back.
    const std::int64_t ends = row.revoked ? 0 : row.expires.value_or(KeyEntry::kNever);
    keys.push_back({row.id, row.hash, account->second, row.models, ends});
  }
  auto fresh = std::make_shared<const Picture>(std::move(keys));
  const std::scoped_lock lock(mutex_);
  picture_.swap(fresh);
}

std::shared_ptr<const Picture> DirectoryWatch::picture() const {
  const std::scoped_lock lock(mutex_);
  return picture_;
}

std::unordered_map<std::string, AccountId> DirectoryWatch::account_ids() const {
  std::unordered_map<std::string, AccountId> ids;
  for (const AccountRow& row : directory_.accounts) ids.emplace(row.name, row.id);
  for (std::size_t i = 0; i < operator_keys_.size(); ++i)
    ids.emplace(operator_name(i), AccountId{kFirstOperator + i});
  return ids;
}

}  // namespace tessera::access
