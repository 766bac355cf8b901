// Accounts, keys and usage rows in one SQLite file (WAL). Many processes may have it open: `serve`
// reads keys and writes usage, `tessera keys` and `tessera usage` work beside it. Of a key only its
// SHA-256, its first and its last characters are in there.
//
// One object is one connection, for one thread at a time. Every mutation of accounts and keys is
// one transaction that also raises `generation`, so that a reader sees with one cheap query whether
// it has to read again.
//
// What has returned without error is there after a kill -9 of any process at any point. Accounts
// and keys are there after a loss of power or a crash of the system, too (the WAL is synced at
// their commit); usage rows of the last seconds may then be missing (synchronous = NORMAL: the WAL
// is synced when it is folded into the file), never half a transaction.
//
// Errors: kInvalidArgument, the values; kUnavailable, another process held the lock for longer than
// the busy timeout; kResourceExhausted, disk or memory full; kCorrupt; kIo, also when the file was
// moved, deleted or replaced under us. Messages hold no path, but for those of open().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/sha256.h"

namespace tessera::access {

// Names of accounts and labels of keys: 1 to 64 of letters, digits, "_-.@".
bool is_valid_name(std::string_view name);

struct AccountRow {
  AccountId id;
  std::string name;  // unique
  std::string tier;
  std::optional<std::int32_t> context_tokens;  // absent: the tier's
  bool disabled = false;
  std::int64_t created = 0;  // unix seconds, as all times here
};
struct KeyRow {
  std::string id;  // "key_" and 12 characters: how the operator names it
  AccountId account;
  std::string label;  // "production"
  Sha256 hash{};
  std::string shown;                // "sk-tessera-…WXYZ"
  std::vector<std::string> models;  // empty: all
  std::int64_t created = 0;
  std::optional<std::int64_t> expires;
  std::optional<std::int64_t> revoked;
};
struct Directory {
  std::int64_t generation = 0;
  std::vector<AccountRow> accounts;
  std::vector<KeyRow> keys;  // revoked and expired ones too
};

// One request's cost. Noted when it is admitted, written when it ends; what was under way at a
// crash is marked as interrupted (status 599) by the next start.
struct UsageRow {
  std::string request_id;  // unique
  std::string account;
  std::string key_id;
  std::string endpoint;
  std::string client_address;
  std::string user_agent;
  std::int64_t started = 0;  // unix seconds
  std::int64_t ended = 0;    // 0: under way
  // The order of those that end in one second. Not unique, and no more than 31 bits count; rows
  // that differ in it are written faster.
  std::uint32_t serial = 0;
  int status = 0;       // HTTP; 499: the client was gone
  std::string outcome;  // ok, cancelled, failed, revoked, interrupted
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t reasoning_tokens = 0;
};
struct UsageWrite {
  enum class Kind : std::uint8_t { kReserve, kSettle, kDiscard } kind = Kind::kReserve;
  UsageRow row;  // whole for kReserve and kSettle (which may come without its kReserve)
};
struct UsageSum {
  std::string day;  // "2026-11-22", UTC
  std::string account;
  std::string key_id;
  std::int64_t requests = 0;
  std::int64_t failed = 0;  // status >= 400
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::int64_t reasoning_tokens = 0;
};

class Store {
 public:
  // Creates the file (mode 0600) and its folder. kCorrupt with what to do, kUnsupported (a newer
  // schema), kInvalidArgument (no regular file, or another program's database), kIo. ":memory:" is
  // a store of its own.
  static Result<std::unique_ptr<Store>> open(const std::string& path,
                                             std::int32_t busy_timeout_ms = 5'000);
  virtual ~Store() = default;

  virtual Result<std::int64_t> generation() = 0;
  virtual Result<Directory> directory() = 0;

  // kInvalidArgument: the name is taken or malformed.
  virtual Result<AccountId> create_account(const std::string& name, const std::string& tier) = 0;
  // Tier, context, disabled; by id. kNotFound.
  virtual Result<void> update_account(const AccountRow& account) = 0;
  virtual Result<void> insert_key(const KeyRow& key) = 0;
  // kNotFound. A key that is revoked already keeps its time.
  virtual Result<void> revoke_key(const std::string& key_id, std::int64_t at) = 0;
  // `fresh` in, the old one's end, in one transaction: revoked when `old_ends_at` is not after
  // `fresh.created`, else it expires then, if not earlier. kNotFound; kInvalidArgument: the old one
  // is revoked.
  virtual Result<void> rotate_key(const std::string& key_id, const KeyRow& fresh,
                                  std::int64_t old_ends_at) = 0;

  // All of them in one transaction, or none. Each kind may be repeated, in this order: a reserve
  // changes nothing that is there, a settle replaces what its reserve or close_interrupted() wrote,
  // a discard removes nothing that is settled. Texts are cut and cleaned (user agent: 256 bytes,
  // others fewer; no control characters). kInvalidArgument: one of the rows cannot be written at
  // all.
  virtual Result<void> write_usage(std::span<const UsageWrite> writes) = 0;
  // The same for one, but kUnavailable at once when somebody else is writing.
  virtual Result<void> try_write_usage(const UsageWrite& write) { return write_usage({&write, 1}); }
  // Rows that a process which died left under way, started before `before`. Returns how many.
  virtual Result<std::int64_t> close_interrupted(std::int64_t before) = 0;
  // Newest day first. Empty filters: everything. `from`, `to`: unix seconds, [from, to). A request
  // belongs to the day on which it ended; what is under way is not in it.
  virtual Result<std::vector<UsageSum>> usage_by_day(const std::string& account,
                                                     const std::string& key_id, std::int64_t from,
                                                     std::int64_t to) = 0;
  // Reasoning tokens of each account in requests that ended since `from`: what the thinking quota
  // starts with.
  virtual Result<std::vector<std::pair<std::string, std::int64_t>>> reasoning_since(
      std::int64_t from) = 0;
  // Deletes rows that ended before `before`, in many small transactions, so that nobody waits long
  // for it. Returns how many.
  virtual Result<std::int64_t> forget_usage(std::int64_t before) = 0;

  // The WAL's pages after this connection's last commit.
  virtual int wal_pages() const { return 0; }
  // Folds the WAL into the file: as much as there was when the call came, and as no reader still
  // needs (two fsyncs, milliseconds). Other connections go on meanwhile. Returns how many pages are
  // left; where none are, the next commit begins the WAL anew.
  virtual Result<int> fold() { return 0; }
};

}  // namespace tessera::access
