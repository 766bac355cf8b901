#include "app/serve_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "access/issue_key.h"
#include "access/store.h"
#include "access/tier.h"
#include "app/state_files.h"
#include "base/clock.h"

namespace tessera::app {
namespace {

constexpr const char* kAccount = "default";
constexpr const char* kTier = "enterprise";
constexpr const char* kLabel = "serve";  // of the keys that are made here

const access::AccountRow* find_account(const access::Directory& directory, AccountId id) {
  for (const access::AccountRow& row : directory.accounts)
    if (row.id == id) return &row;
  return nullptr;
}

std::int64_t usable_keys(const access::Directory& directory, std::int64_t now) {
  return std::count_if(directory.keys.begin(), directory.keys.end(), [&](const auto& key) {
    const access::AccountRow* account = find_account(directory, key.account);
    return account != nullptr && !account->disabled && !key.revoked &&
           (!key.expires || now < *key.expires);
  });
}

// The account of keys that are made here: found, or made with all of its tier's context.
Result<AccountId> default_account(access::Store& store, const access::Directory& directory,
                                  const std::string& tiers_file) {
  for (const access::AccountRow& row : directory.accounts)
    if (row.name == kAccount) return row.id;
  TRY_ASSIGN(const auto tiers, access::load_tiers(tiers_file));
  access::AccountRow row;
  row.name = kAccount;
  row.tier = kTier;
  row.context_tokens = access::find_tier(tiers, kTier)->max_context_tokens;
  TRY_ASSIGN(row.id, store.create_account(row.name, row.tier));
  TRY(store.update_account(row));
  return row.id;
}

Result<std::string> make_key(access::Store& store, const access::Directory& directory,
                             const std::string& tiers_file) {
  TRY_ASSIGN(const AccountId account, default_account(store, directory, tiers_file));
  const std::int64_t now = Clock::real().unix_seconds();
  access::NewKey fresh = access::issue_key(account, kLabel, now);
  TRY(store.insert_key(fresh.row));
  for (const access::KeyRow& old : directory.keys) {
    if (old.account == account && old.label == kLabel && !old.revoked)
      TRY(store.revoke_key(old.id, now));
  }
  return std::move(fresh.text);
}

}  // namespace

Result<ServeKeys> find_keys(const ServeOptions& options) {
  ServeKeys keys;
  keys.database = options.database.empty() ? default_database() : options.database;
  for (const std::string& key : options.api_keys) {
    if (key.empty())
      return fail(ErrorCode::kInvalidArgument, "--api-key (or TESSERA_API_KEY) is empty");
    if (std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' || c > '~'; }))
      return fail(ErrorCode::kInvalidArgument,
                  "--api-key (or TESSERA_API_KEY) has characters that clients cannot send in a "
                  "header: printable ASCII without blanks is taken");
    keys.operator_keys.push_back(sha256(key));
  }
  if (keys.database == ":memory:" && (options.new_key || keys.operator_keys.empty()))
    return fail(ErrorCode::kInvalidArgument, "--db :memory: keeps no key: give --api-key");
  TRY(access::Store::open(keys.database));
  return keys;
}

Result<void> complete_keys(const ServeOptions& options, ServeKeys& keys) {
  TRY_ASSIGN(const auto store, access::Store::open(keys.database));
  TRY_ASSIGN(const access::Directory directory, store->directory());
  const std::int64_t usable = usable_keys(directory, Clock::real().unix_seconds());
  if (options.new_key || (usable == 0 && keys.operator_keys.empty())) {
    TRY_ASSIGN(keys.shown, make_key(*store, directory, options.tiers_file));
    keys.origin = fmt::format("{}   (shown this once; only its hash is kept, in {})", keys.shown,
                              keys.database);
  } else if (keys.operator_keys.empty()) {
    keys.origin = fmt::format("{} in {}; one more: tessera keys create --account {}", usable,
                              keys.database, kAccount);
  } else {
    keys.origin = fmt::format("{} given by --api-key or TESSERA_API_KEY, {} in {}",
                              keys.operator_keys.size(), usable, keys.database);
  }
  return {};
}

}  // namespace tessera::app
