// `tessera keys`: accounts and their keys. Success is told after the commit; a server that is
// running follows within a second.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "access/issue_key.h"
#include "access/store.h"
#include "access/tier.h"
#include "app/commands.h"
#include "app/dates.h"
#include "app/open_store.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

namespace tessera::app {
namespace {

constexpr std::size_t kMaxModels = 64;
constexpr std::size_t kMaxModelBytes = 256;

using access::AccountRow;
using access::Directory;
using access::KeyRow;
using access::Store;

std::int64_t now_s() {
  return Clock::real().unix_seconds();
}

int end(const Result<void>& result) {
  return result ? 0 : report(result.error());
}

Result<AccountRow> find_account(const Directory& directory, const std::string& name) {
  for (const AccountRow& account : directory.accounts)
    if (account.name == name) return account;
  return fail(ErrorCode::kNotFound, fmt::format("there is no account '{}'", name));
}

Result<KeyRow> find_key(const Directory& directory, const std::string& id) {
  for (const KeyRow& key : directory.keys)
    if (key.id == id) return key;
  return fail(ErrorCode::kNotFound,
              fmt::format("there is no key '{}': `tessera keys list` shows their ids", id));
}

const AccountRow& account_of(const Directory& directory, const KeyRow& key) {
  const auto found = std::find_if(directory.accounts.begin(), directory.accounts.end(),
                                  [&](const AccountRow& row) { return row.id == key.account; });
  CHECK(found != directory.accounts.end());  // a foreign key
  return *found;
}

Result<access::Tier> find_tier(const std::string& tiers_file, const std::string& name) {
  TRY_ASSIGN(const auto tiers, access::load_tiers(tiers_file));
  if (const access::Tier* tier = access::find_tier(tiers, name)) return *tier;
  std::string names;
  for (const access::Tier& tier : tiers) names += (names.empty() ? "" : ", ") + tier.name;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("there is no tier '{}': it is one of {}{}", name, names,
                          tiers_file.empty() ? " (--tiers FILE may add others)" : ""));
}

// 0: the tier's own.
Result<std::optional<std::int32_t>> check_context(std::int32_t context, const access::Tier& tier) {
  if (context == 0) return std::optional<std::int32_t>();
  if (context > tier.max_context_tokens)
    return fail(ErrorCode::kOutOfRange, fmt::format("a context of {} tokens is over tier {}'s {}",
                                                    context, tier.name, tier.max_context_tokens));
  return std::optional(context);
}

Result<std::optional<std::int64_t>> parse_expiry(const std::string& text, std::int64_t now) {
  if (text.empty()) return std::optional<std::int64_t>();
  TRY_ASSIGN(const std::int64_t expires, parse_moment(text, now));
  if (expires <= now)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--expires {} is not in the future", text));
  return std::optional(expires);
}

Result<void> check_models(const std::vector<std::string>& models) {
  if (models.size() > kMaxModels)
    return fail(ErrorCode::kOutOfRange, fmt::format("a key takes at most {} models", kMaxModels));
  for (const std::string& model : models)
    if (model.empty() || model.size() > kMaxModelBytes || !is_valid_utf8(model))
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--model is a name of 1 to {} bytes", kMaxModelBytes));
  return {};
}

Result<void> check_name(const char* what, const std::string& name) {
  if (access::is_valid_name(name)) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is 1 to 64 of letters, digits, _ - . @", what));
}

const char* state_of(const KeyRow& key, const AccountRow& account, std::int64_t now) {
  if (key.revoked) return "revoked";
  if (key.expires && *key.expires <= now) return "expired";
  return account.disabled ? "disabled" : "active";
}

json::Value time_value(const std::optional<std::int64_t>& time) {
  return time ? json::Value(*time) : json::Value();
}

// Without the hash: nobody needs to see it.
json::Object describe(const KeyRow& key, const AccountRow& account, std::int64_t now) {
  json::Object object;
  object.set("id", key.id);
  object.set("shown", key.shown);
  object.set("account", account.name);
  object.set("tier", account.tier);
  object.set("label", key.label);
  json::Array models;
  for (const std::string& model : key.models) models.emplace_back(model);
  object.set("models", std::move(models));
  object.set("created", key.created);
  object.set("expires", time_value(key.expires));
  object.set("revoked", time_value(key.revoked));
  object.set("state", state_of(key, account, now));
  return object;
}

// The key goes to standard output, alone, for scripts; what there is to say about it beside. A key
// that could not be shown is of no use to anybody, and revoked.
Result<void> show_new_key(Store& store, const access::NewKey& key, const AccountRow& account,
                          bool as_json) {
  json::Object object;
  object.set("key", key.text);
  const json::Object rest = describe(key.row, account, key.row.created);
  for (const auto& [name, value] : rest) object.set(name, value);
  if (!print_all((as_json ? json::to_text(object) : key.text) + "\n")) {
    const auto revoked = store.revoke_key(key.row.id, now_s());
    return fail(ErrorCode::kIo,
                fmt::format("the key {} could not be written to standard output{}", key.row.id,
                            revoked ? " and is revoked" : ": revoke it"));
  }
  if (!as_json) {
    fmt::print(
        stderr, "{} of account {} (tier {}), label {}, {}. The key is shown this once.\n",
        key.row.id, account.name, account.tier, key.row.label,
        key.row.expires ? "expires " + format_time(*key.row.expires) + " UTC" : "does not expire");
  }
  return {};
}

// The account of `create`: found, and then as the flags say it is; or made.
Result<AccountRow> obtain_account(Store& store, const KeysOptions& options) {
  TRY_ASSIGN(const Directory directory, store.directory());
  if (auto found = find_account(directory, options.account)) {
    if (!options.tier.empty() && options.tier != found->tier)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("account {} is on tier {}: `tessera keys tier {} {}` changes that",
                              found->name, found->tier, found->name, options.tier));
    if (options.context != 0 && options.context != found->context_tokens)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("account {} is there already: `tessera keys tier {} {} --context {}` "
                              "changes its context",
                              found->name, found->name, found->tier, options.context));
    return found;
  }
  if (options.account.starts_with("operator-"))
    return fail(ErrorCode::kInvalidArgument,
                "accounts whose names begin with operator- are those of --api-key");
  AccountRow account;
  account.name = options.account;
  TRY_ASSIGN(const access::Tier tier,
             find_tier(options.tiers_file, options.tier.empty() ? "lite" : options.tier));
  account.tier = tier.name;
  TRY_ASSIGN(account.context_tokens, check_context(options.context, tier));
  TRY_ASSIGN(account.id, store.create_account(account.name, account.tier));
  if (account.context_tokens) TRY(store.update_account(account));
  return account;
}

Result<void> create(const KeysOptions& options) {
  // All that can be wrong is looked at before anything is made.
  const std::int64_t now = now_s();
  TRY(check_name("--account", options.account));
  TRY(check_name("--label", options.label));
  TRY(check_models(options.models));
  TRY_ASSIGN(const auto expires, parse_expiry(options.expires, now));
  TRY_ASSIGN(const auto store, open_store(options.database, true));
  TRY_ASSIGN(const AccountRow account, obtain_account(*store, options));
  access::NewKey key = access::issue_key(account.id, options.label, now);
  key.row.expires = expires;
  key.row.models = options.models;
  TRY(store->insert_key(key.row));
  TRY(show_new_key(*store, key, account, options.json));
  if (account.disabled)
    fmt::print(stderr, "The account is disabled: `tessera keys enable {}`.\n", account.name);
  return {};
}

Result<void> list(const KeysOptions& options) {
  TRY_ASSIGN(const auto store, open_store(options.database, false));
  TRY_ASSIGN(const Directory directory, store->directory());
  if (!options.account.empty()) TRY(find_account(directory, options.account));
  const std::int64_t now = now_s();
  json::Array objects;
  std::vector<std::vector<std::string>> table = {
      {"ID", "KEY", "ACCOUNT", "TIER", "LABEL", "CREATED", "EXPIRES", "STATE"}};
  for (const KeyRow& key : directory.keys) {
    const AccountRow& account = account_of(directory, key);
    if (!options.account.empty() && account.name != options.account) continue;
    objects.emplace_back(describe(key, account, now));
    table.push_back({key.id, key.shown, account.name, account.tier, key.label,
                     format_time(key.created), key.expires ? format_time(*key.expires) : "never",
                     state_of(key, account, now)});
  }
  if (!print_all(options.json ? json::to_text(objects) + "\n" : format_table(table)))
    return fail(ErrorCode::kIo, "cannot write to standard output");
  return {};
}

Result<void> rotate(const KeysOptions& options) {
  TRY_ASSIGN(const std::int64_t overlap,
             options.overlap.empty() ? Result<std::int64_t>(0) : parse_duration(options.overlap));
  TRY_ASSIGN(const auto store, open_store(options.database, false));
  TRY_ASSIGN(const Directory directory, store->directory());
  TRY_ASSIGN(const KeyRow old, find_key(directory, options.key_id));
  const AccountRow& account = account_of(directory, old);
  const std::int64_t now = now_s();
  if (old.expires && *old.expires <= now)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the key {} expired at {} UTC: create a new one", old.id,
                            format_time(*old.expires)));
  access::NewKey key = access::issue_key(old.account, old.label, now);
  key.row.models = old.models;
  key.row.expires = old.expires;
  TRY(store->rotate_key(old.id, key.row, now + overlap));
  TRY(show_new_key(*store, key, account, options.json));
  if (!options.json)
    fmt::print(stderr, "{} {}.\n", old.id,
               overlap == 0 ? "is revoked" : "works until " + format_time(now + overlap) + " UTC");
  return {};
}

Result<void> revoke(const KeysOptions& options) {
  TRY_ASSIGN(const auto store, open_store(options.database, false));
  TRY_ASSIGN(const Directory directory, store->directory());
  TRY_ASSIGN(const KeyRow key, find_key(directory, options.key_id));
  TRY(store->revoke_key(key.id, now_s()));
  fmt::print("{} ({}) of account {} is revoked\n", key.id, key.shown,
             account_of(directory, key).name);
  return {};
}

Result<void> change_tier(const KeysOptions& options) {
  TRY_ASSIGN(const access::Tier tier, find_tier(options.tiers_file, options.tier));
  TRY_ASSIGN(const auto context, check_context(options.context, tier));
  TRY_ASSIGN(const auto store, open_store(options.database, false));
  TRY_ASSIGN(const Directory directory, store->directory());
  TRY_ASSIGN(AccountRow account, find_account(directory, options.account));
  account.tier = tier.name;
  account.context_tokens = context;
  TRY(store->update_account(account));
  fmt::print("account {} is on tier {}, {} tokens a request\n", account.name, account.tier,
             account.context_tokens.value_or(tier.context_tokens));
  return {};
}

Result<void> set_disabled(const KeysOptions& options, bool disabled) {
  TRY_ASSIGN(const auto store, open_store(options.database, false));
  TRY_ASSIGN(const Directory directory, store->directory());
  TRY_ASSIGN(AccountRow account, find_account(directory, options.account));
  account.disabled = disabled;
  TRY(store->update_account(account));
  fmt::print("account {} is {}\n", account.name, disabled ? "disabled" : "enabled");
  return {};
}

}  // namespace

int run_keys(KeysVerb verb, const KeysOptions& options) {
  switch (verb) {
    case KeysVerb::kCreate:
      return end(create(options));
    case KeysVerb::kList:
      return end(list(options));
    case KeysVerb::kRotate:
      return end(rotate(options));
    case KeysVerb::kRevoke:
      return end(revoke(options));
    case KeysVerb::kTier:
      return end(change_tier(options));
    case KeysVerb::kDisable:
      return end(set_disabled(options, true));
    case KeysVerb::kEnable:
      return end(set_disabled(options, false));
  }
  CHECK(false);
  return 1;
}

}  // namespace tessera::app
