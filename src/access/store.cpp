#include "access/store.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "access/sqlite.h"
#include "access/store_schema.h"
#include "access/usage_text.h"
#include "base/json.h"

namespace tessera::access {
namespace {

// From so many pages in the WAL on forget_usage() folds it.
constexpr int kForgetFoldPages = 16384;
// Rows that forget_usage() deletes in one transaction: some milliseconds.
constexpr std::int64_t kForgetRows = 1000;

constexpr std::string_view kReserve =
    "INSERT INTO under_way(request_id, account, key_id, endpoint, client_address, user_agent, "
    "started) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(request_id) DO NOTHING";
// Changes nothing where the id is another request's.
constexpr std::string_view kSettle =
    "INSERT INTO usage(id, request_id, account, key_id, endpoint, client_address, user_agent, "
    "started, ended, status, outcome, prompt_tokens, cached_tokens, completion_tokens, "
    "reasoning_tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO "
    "UPDATE SET status = excluded.status, outcome = excluded.outcome, "
    "prompt_tokens = excluded.prompt_tokens, cached_tokens = excluded.cached_tokens, "
    "completion_tokens = excluded.completion_tokens, reasoning_tokens = excluded.reasoning_tokens "
    "WHERE request_id = excluded.request_id";
constexpr std::string_view kDropReserve = "DELETE FROM under_way WHERE request_id = ?";
constexpr std::string_view kDropInterrupted =
    "DELETE FROM usage WHERE request_id = ? AND outcome = 'interrupted'";
constexpr std::string_view kInsertKey =
    "INSERT INTO keys(id, account, label, hash, shown, models, created, expires, revoked) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

std::string models_text(const std::vector<std::string>& models) {
  json::Array array;
  for (const std::string& model : models) array.emplace_back(model);
  return json::to_text(array);
}

Result<std::vector<std::string>> parse_models(const std::string& text) {
  const auto parsed = json::parse(text);
  const json::Array* array = parsed ? parsed->if_array() : nullptr;
  if (array == nullptr) return fail(ErrorCode::kCorrupt, "a key's models are no list");
  std::vector<std::string> models;
  for (const json::Value& model : *array) {
    const std::string* name = model.if_string();
    if (name == nullptr) return fail(ErrorCode::kCorrupt, "a key's models are no list of names");
    models.push_back(*name);
  }
  return models;
}

Result<KeyRow> read_key(const Statement& row) {
  KeyRow key;
  key.id = row.text(0);
  key.account = AccountId{static_cast<std::uint64_t>(row.integer(1))};
  key.label = row.text(2);
  const auto hash = row.blob(3);
  if (hash.size() != key.hash.size()) return fail(ErrorCode::kCorrupt, "a key's hash is cut");
  std::copy(hash.begin(), hash.end(), key.hash.begin());
  key.shown = row.text(4);
  TRY_ASSIGN(key.models, parse_models(row.text(5)));
  key.created = row.integer(6);
  key.expires = row.maybe_integer(7);
  key.revoked = row.maybe_integer(8);
  return key;
}

AccountRow read_account(const Statement& row) {
  AccountRow account;
  account.id = AccountId{static_cast<std::uint64_t>(row.integer(0))};
  account.name = row.text(1);
  account.tier = row.text(2);
  if (const auto context = row.maybe_integer(3))
    account.context_tokens = static_cast<std::int32_t>(*context);
  account.disabled = row.integer(4) != 0;
  account.created = row.integer(5);
  return account;
}

UsageSum read_sum(const Statement& row) {
  UsageSum sum;
  sum.day = row.text(0);
  sum.account = row.text(1);
  sum.key_id = row.text(2);
  sum.requests = row.integer(3);
  sum.failed = row.integer(4);
  sum.prompt_tokens = row.integer(5);
  sum.cached_tokens = row.integer(6);
  sum.completion_tokens = row.integer(7);
  sum.reasoning_tokens = row.integer(8);
  return sum;
}

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(const std::string& path,
                                             std::int32_t busy_timeout_ms) {
    TRY_ASSIGN(Database database, open_store_file(path, busy_timeout_ms));
    TRY_ASSIGN(Statement generation, database.prepare("SELECT value FROM generation"));
    TRY_ASSIGN(Statement reserve, database.prepare(kReserve));
    TRY_ASSIGN(Statement settle, database.prepare(kSettle));
    TRY_ASSIGN(Statement drop_reserve, database.prepare(kDropReserve));
    TRY_ASSIGN(Statement drop_interrupted, database.prepare(kDropInterrupted));
    auto store = std::unique_ptr<SqliteStore>(
        new SqliteStore(std::move(database), busy_timeout_ms,
                        {std::move(generation), std::move(reserve), std::move(settle),
                         std::move(drop_reserve), std::move(drop_interrupted)}));
    sqlite3_wal_hook(store->database_.handle(), &SqliteStore::on_commit, store.get());
    return std::unique_ptr<Store>(std::move(store));
  }

  Result<std::int64_t> generation() override;
  Result<Directory> directory() override;
  Result<AccountId> create_account(const std::string& name, const std::string& tier) override;
  Result<void> update_account(const AccountRow& account) override;
  Result<void> insert_key(const KeyRow& key) override;
  Result<void> revoke_key(const std::string& key_id, std::int64_t at) override;
  Result<void> rotate_key(const std::string& key_id, const KeyRow& fresh,
                          std::int64_t old_ends_at) override;
  Result<void> write_usage(std::span<const UsageWrite> writes) override;
  Result<void> try_write_usage(const UsageWrite& write) override;
  Result<std::int64_t> close_interrupted(std::int64_t before) override;
  Result<std::vector<UsageSum>> usage_by_day(const std::string& account, const std::string& key_id,
                                             std::int64_t from, std::int64_t to) override;
  Result<std::vector<std::pair<std::string, std::int64_t>>> reasoning_since(
      std::int64_t from) override;
  Result<std::int64_t> forget_usage(std::int64_t before) override;
  int wal_pages() const override { return wal_pages_; }
  Result<int> fold() override;

 private:
  struct Statements {
    Statement generation;
    Statement reserve;
    Statement settle;
    Statement drop_reserve;
    Statement drop_interrupted;
  };

  SqliteStore(Database database, std::int32_t busy_timeout_ms, Statements statements)
      : database_(std::move(database)),
        busy_timeout_ms_(busy_timeout_ms),
        statements_(std::move(statements)) {}

  static int on_commit(void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteStore*>(self)->wal_pages_ = pages;
    return SQLITE_OK;
  }

  // Changes accounts or keys: one transaction, durable, and the generation goes up.
  template <class Change>
  Result<void> mutate(Change&& change);
  Result<void> check_in_place();
  Result<Directory> read_directory();
  Result<void> write_key(const KeyRow& key);
  Result<void> write_one(const UsageWrite& write);
  Result<void> settle(const UsageRow& row, std::string_view request_id);
  Result<std::vector<UsageRow>> under_way_before(std::int64_t time);

  Database database_;
  const std::int32_t busy_timeout_ms_;
  Statements statements_;
  int wal_pages_ = 0;
};

// Files that were moved away still take writes, which nobody will ever see.
Result<void> SqliteStore::check_in_place() {
  if (!database_.moved()) return {};
  database_.leave_wal();
  return fail(ErrorCode::kIo,
              "the database file, or its -wal or -shm, was moved, deleted or replaced while it was "
              "open: restart");
}

template <class Change>
Result<void> SqliteStore::mutate(Change&& change) {
  TRY(check_in_place());
  TRY(database_.execute("PRAGMA synchronous = FULL"));
  auto changed = [&]() -> Result<void> {
    TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
    TRY(change());
    TRY(database_.execute("UPDATE generation SET value = value + 1"));
    return transaction.commit();
  }();
  TRY(database_.execute("PRAGMA synchronous = NORMAL"));
  return changed;
}

Result<std::int64_t> SqliteStore::generation() {
  TRY(check_in_place());
  Statement& query = statements_.generation;
  TRY_ASSIGN(const bool row, query.bind().step());
  if (!row) return fail(ErrorCode::kCorrupt, "the generation is missing");
  const std::int64_t value = query.integer(0);
  TRY(query.run());
  return value;
}

Result<Directory> SqliteStore::directory() {
  TRY(check_in_place());
  // One snapshot for the three queries.
  TRY(database_.execute("BEGIN"));
  auto directory = read_directory();
  const auto ended = database_.execute("ROLLBACK");
  if (!ended && directory) return Unexpected{ended.error()};
  return directory;
}

Result<Directory> SqliteStore::read_directory() {
  Directory directory;
  TRY_ASSIGN(directory.generation, database_.query_integer("SELECT value FROM generation"));
  TRY_ASSIGN(Statement accounts,
             database_.prepare("SELECT id, name, tier, context_tokens, disabled, created "
                               "FROM accounts ORDER BY id"));
  for (;;) {
    TRY_ASSIGN(const bool row, accounts.step());
    if (!row) break;
    directory.accounts.push_back(read_account(accounts));
  }
  TRY_ASSIGN(Statement keys,
             database_.prepare("SELECT id, account, label, hash, shown, models, created, expires, "
                               "revoked FROM keys ORDER BY created, rowid"));
  for (;;) {
    TRY_ASSIGN(const bool row, keys.step());
    if (!row) break;
    TRY_ASSIGN(KeyRow key, read_key(keys));
    directory.keys.push_back(std::move(key));
  }
  return directory;
}

Result<AccountId> SqliteStore::create_account(const std::string& name, const std::string& tier) {
  if (!is_valid_name(name) || !is_valid_name(tier))
    return fail(ErrorCode::kInvalidArgument,
                "names of accounts and tiers are 1 to 64 of letters, digits, _ - . @");
  AccountId id;
  const auto created = mutate([&]() -> Result<void> {
    TRY_ASSIGN(Statement taken, database_.prepare("SELECT 1 FROM accounts WHERE name = ?"));
    TRY_ASSIGN(const bool row, taken.bind(std::string_view(name)).step());
    if (row)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the account {} is there already", name));
    TRY_ASSIGN(Statement insert,
               database_.prepare("INSERT INTO accounts(name, tier, disabled, created) "
                                 "VALUES (?, ?, 0, unixepoch())"));
    TRY(insert.bind(std::string_view(name), std::string_view(tier)).run());
    id = AccountId{static_cast<std::uint64_t>(database_.last_insert_id())};
    return {};
  });
  if (!created) return Unexpected{created.error()};
  return id;
}

Result<void> SqliteStore::update_account(const AccountRow& account) {
  if (!is_valid_name(account.tier))
    return fail(ErrorCode::kInvalidArgument,
                "a tier's name is 1 to 64 of letters, digits, _ - . @");
  return mutate([&]() -> Result<void> {
    TRY_ASSIGN(Statement update,
               database_.prepare("UPDATE accounts SET tier = ?, context_tokens = ?, disabled = ? "
                                 "WHERE id = ?"));
    std::optional<std::int64_t> context;
    if (account.context_tokens) context = *account.context_tokens;
    TRY(update
            .bind(std::string_view(account.tier), context, std::int64_t{account.disabled},
                  static_cast<std::int64_t>(account.id.value))
            .run());
    if (database_.changes() == 0) return fail(ErrorCode::kNotFound, "there is no such account");
    return {};
  });
}

Result<void> SqliteStore::write_key(const KeyRow& key) {
  TRY_ASSIGN(Statement insert, database_.prepare(kInsertKey));
  const std::string models = models_text(key.models);
  return insert
      .bind(std::string_view(key.id), static_cast<std::int64_t>(key.account.value),
            std::string_view(key.label), std::span<const std::uint8_t>(key.hash),
            std::string_view(key.shown), std::string_view(models), key.created, key.expires,
            key.revoked)
      .run();
}

Result<void> SqliteStore::insert_key(const KeyRow& key) {
  if (!is_valid_name(key.id) || !is_valid_name(key.label))
    return fail(ErrorCode::kInvalidArgument,
                "a key's label is 1 to 64 of letters, digits, _ - . @");
  return mutate([&] { return write_key(key); });
}

Result<void> SqliteStore::revoke_key(const std::string& key_id, std::int64_t at) {
  return mutate([&]() -> Result<void> {
    TRY_ASSIGN(Statement update,
               database_.prepare("UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?"));
    TRY(update.bind(at, std::string_view(key_id)).run());
    if (database_.changes() == 0) return fail(ErrorCode::kNotFound, "there is no such key");
    return {};
  });
}

Result<void> SqliteStore::rotate_key(const std::string& key_id, const KeyRow& fresh,
                                     std::int64_t old_ends_at) {
  if (!is_valid_name(fresh.id) || !is_valid_name(fresh.label))
    return fail(ErrorCode::kInvalidArgument,
                "a key's label is 1 to 64 of letters, digits, _ - . @");
  return mutate([&]() -> Result<void> {
    TRY_ASSIGN(Statement old, database_.prepare("SELECT revoked FROM keys WHERE id = ?"));
    TRY_ASSIGN(const bool row, old.bind(std::string_view(key_id)).step());
    if (!row) return fail(ErrorCode::kNotFound, "there is no such key");
    if (old.maybe_integer(0))
      return fail(ErrorCode::kInvalidArgument, "the key is revoked: create a new one");
    TRY(old.run());
    const bool now = old_ends_at <= fresh.created;
    TRY_ASSIGN(Statement end,
               database_.prepare(now ? "UPDATE keys SET revoked = ? WHERE id = ?"
                                     : "UPDATE keys SET expires = min(coalesce(expires, "
                                       "9223372036854775807), ?) WHERE id = ?"));
    TRY(end.bind(old_ends_at, std::string_view(key_id)).run());
    return write_key(fresh);
  });
}

Result<void> SqliteStore::write_one(const UsageWrite& write) {
  const UsageRow& row = write.row;
  const UsageText request_id(row.request_id, 128);
  if (write.kind == UsageWrite::Kind::kReserve) {
    return statements_.reserve
        .bind(request_id.view(), UsageText(row.account, 64).view(),
              UsageText(row.key_id, 64).view(), UsageText(row.endpoint, 64).view(),
              UsageText(row.client_address, 64).view(), UsageText(row.user_agent, 256).view(),
              row.started)
        .run();
  }
  TRY(statements_.drop_reserve.bind(request_id.view()).run());
  TRY(statements_.drop_interrupted.bind(request_id.view()).run());
  if (write.kind == UsageWrite::Kind::kDiscard) return {};
  return settle(row, request_id.view());
}

Result<void> SqliteStore::settle(const UsageRow& row, std::string_view request_id) {
  const UsageText account(row.account, 64);
  const UsageText key_id(row.key_id, 64);
  const UsageText endpoint(row.endpoint, 64);
  const UsageText address(row.client_address, 64);
  const UsageText agent(row.user_agent, 256);
  const UsageText outcome(row.outcome, 32);
  // A row that is settled counts as ended, whatever the clock says.
  const std::int64_t ended = std::max<std::int64_t>(row.ended, 1);
  // Another request may have the id; one that is repeated finds its own again.
  for (std::uint64_t serial = row.serial;;
       serial += 1 + std::hash<std::string_view>()(request_id)) {
    const std::int64_t id = first_id(ended) + static_cast<std::int64_t>(serial % kSerials);
    TRY(statements_.settle
            .bind(id, request_id, account.view(), key_id.view(), endpoint.view(), address.view(),
                  agent.view(), row.started, ended, std::int64_t{row.status}, outcome.view(),
                  row.prompt_tokens, row.cached_tokens, row.completion_tokens, row.reasoning_tokens)
            .run());
    if (database_.changes() != 0) return {};
  }
}

Result<void> SqliteStore::write_usage(std::span<const UsageWrite> writes) {
  TRY(check_in_place());
  TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  for (const UsageWrite& write : writes) TRY(write_one(write));
  return transaction.commit();
}

Result<void> SqliteStore::try_write_usage(const UsageWrite& write) {
  database_.set_busy_timeout(0);
  auto written = write_usage({&write, 1});
  database_.set_busy_timeout(busy_timeout_ms_);
  return written;
}

Result<std::vector<UsageRow>> SqliteStore::under_way_before(std::int64_t time) {
  TRY_ASSIGN(Statement query,
             database_.prepare("SELECT request_id, account, key_id, endpoint, client_address, "
                               "user_agent, started FROM under_way WHERE started < ?"));
  query.bind(time);
  std::vector<UsageRow> rows;
  for (;;) {
    TRY_ASSIGN(const bool found, query.step());
    if (!found) return rows;
    UsageRow& row = rows.emplace_back();
    row.request_id = query.text(0);
    row.account = query.text(1);
    row.key_id = query.text(2);
    row.endpoint = query.text(3);
    row.client_address = query.text(4);
    row.user_agent = query.text(5);
    row.started = query.integer(6);
  }
}

Result<std::int64_t> SqliteStore::close_interrupted(std::int64_t before) {
  TRY(check_in_place());
  TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
  TRY_ASSIGN(std::vector<UsageRow> rows, under_way_before(before));
  std::uint32_t serial = 0;
  for (UsageRow& row : rows) {
    row.ended = before;
    row.serial = serial++;
    row.status = 599;
    row.outcome = "interrupted";
    TRY(write_one({UsageWrite::Kind::kSettle, row}));
  }
  TRY(transaction.commit());
  return std::ssize(rows);
}

Result<std::vector<UsageSum>> SqliteStore::usage_by_day(const std::string& account,
                                                        const std::string& key_id,
                                                        std::int64_t from, std::int64_t to) {
  TRY_ASSIGN(Statement query,
             database_.prepare(
                 "SELECT date(ended, 'unixepoch'), account, key_id, count(*), sum(status >= 400), "
                 "sum(prompt_tokens), sum(cached_tokens), sum(completion_tokens), "
                 "sum(reasoning_tokens) FROM usage WHERE id >= ?1 AND id < ?2 "
                 "AND (?3 = '' OR account = ?3) AND (?4 = '' OR key_id = ?4) "
                 "GROUP BY ended / 86400, account, key_id "
                 "ORDER BY ended / 86400 DESC, account, key_id"));
  query.bind(first_id(from), first_id(to), std::string_view(account), std::string_view(key_id));
  std::vector<UsageSum> sums;
  for (;;) {
    TRY_ASSIGN(const bool row, query.step());
    if (!row) return sums;
    sums.push_back(read_sum(query));
  }
}

Result<std::vector<std::pair<std::string, std::int64_t>>> SqliteStore::reasoning_since(
    std::int64_t from) {
  TRY_ASSIGN(Statement query, database_.prepare("SELECT account, sum(reasoning_tokens) FROM usage "
                                                "WHERE id >= ? GROUP BY account ORDER BY account"));
  query.bind(first_id(from));
  std::vector<std::pair<std::string, std::int64_t>> sums;
  for (;;) {
    TRY_ASSIGN(const bool row, query.step());
    if (!row) return sums;
    sums.emplace_back(query.text(0), query.integer(1));
  }
}

Result<std::int64_t> SqliteStore::forget_usage(std::int64_t before) {
  TRY(check_in_place());
  TRY_ASSIGN(Statement remove,
             database_.prepare("DELETE FROM usage WHERE id IN (SELECT id FROM usage "
                               "WHERE id < ? LIMIT ?)"));
  std::int64_t removed = 0;
  for (;;) {
    TRY(remove.bind(first_id(before), kForgetRows).run());
    const std::int64_t rows = database_.changes();
    removed += rows;
    if (wal_pages_ >= kForgetFoldPages) TRY(fold());
    if (rows < kForgetRows) return removed;
  }
}

Result<int> SqliteStore::fold() {
  // PASSIVE waits for nobody.
  int pages = 0;
  int folded = 0;
  const int status = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr,
                                               SQLITE_CHECKPOINT_PASSIVE, &pages, &folded);
  wal_pages_ = 0;
  if ((status & 0xff) == SQLITE_BUSY) return std::numeric_limits<int>::max();  // another folds
  if (status == SQLITE_OK) return pages - folded;
  return fail(ErrorCode::kIo,
              fmt::format("SQLite: {} while the WAL was folded in", sqlite3_errstr(status)));
}

}  // namespace

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '@';
  });
}

Result<std::unique_ptr<Store>> Store::open(const std::string& path, std::int32_t busy_timeout_ms) {
  return SqliteStore::open(path, busy_timeout_ms);
}

}  // namespace tessera::access
