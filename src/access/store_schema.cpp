#include "access/store_schema.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

namespace tessera::access {
namespace {

constexpr std::int64_t kApplicationId = 0x54535352;  // "TSSR"
// Up to here a file is looked through as a whole when it is opened: 16 MiB, some 20 ms.
constexpr std::int64_t kSmallFilePages = 4096;

constexpr const char* kTables = R"(
CREATE TABLE generation(
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  value INTEGER NOT NULL
) STRICT;
INSERT INTO generation VALUES (1, 1);
CREATE TABLE accounts(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
  tier TEXT NOT NULL CHECK (length(tier) BETWEEN 1 AND 64),
  context_tokens INTEGER CHECK (context_tokens > 0),
  disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
  created INTEGER NOT NULL
) STRICT;
CREATE TABLE keys(
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) BETWEEN 1 AND 64),
  account INTEGER NOT NULL REFERENCES accounts(id),
  label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 64),
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  shown TEXT NOT NULL,
  models TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER
) STRICT;
CREATE INDEX keys_by_account ON keys(account);
)";

// A row belongs to the day on which its request ended, so that a day that is over does not change
// any more; until then what is known of it is in `under_way`.
constexpr const char* kUsageTables = R"(
CREATE TABLE usage(
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL CHECK (length(request_id) > 0),
  account TEXT NOT NULL,
  key_id TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  client_address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER NOT NULL CHECK (ended > 0),
  status INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL CHECK (prompt_tokens >= 0),
  cached_tokens INTEGER NOT NULL CHECK (cached_tokens >= 0),
  completion_tokens INTEGER NOT NULL CHECK (completion_tokens >= 0),
  reasoning_tokens INTEGER NOT NULL CHECK (reasoning_tokens >= 0)
) STRICT;
CREATE INDEX usage_interrupted ON usage(request_id) WHERE outcome = 'interrupted';
CREATE TABLE under_way(
  request_id TEXT PRIMARY KEY NOT NULL CHECK (length(request_id) > 0),
  account TEXT NOT NULL,
  key_id TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  client_address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  started INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)";

// Version 1 had both in `usage` (`ended` 0: under way), with an index of the ids and one of the
// ends. Its `id` counted rows.
constexpr const char* kTakeOver = R"(
INSERT INTO usage SELECT (min(ended, 4294967295) << 31) | (id & 2147483647), request_id, account,
  key_id, endpoint, client_address, user_agent, started, ended, status, outcome, prompt_tokens,
  cached_tokens, completion_tokens, reasoning_tokens
  FROM usage_1 WHERE ended > 0 ORDER BY ended, id;
INSERT INTO under_way SELECT request_id, account, key_id, endpoint, client_address, user_agent,
  started FROM usage_1 WHERE ended = 0;
DROP TABLE usage_1;
)";

Unexpected<Error> corrupt(const std::string& path, const std::string& why) {
  return fail(ErrorCode::kCorrupt,
              fmt::format("the database {0} is damaged ({1}). Put a backup in its place, or save "
                          "what can be read: stop tessera, `sqlite3 {0} .recover | sqlite3 "
                          "recovered.db`, and start with --db recovered.db",
                          path, why));
}

// What an error of SQLite's means for somebody who wanted to open this file.
Unexpected<Error> cannot_open(const std::string& path, const Error& error) {
  if (error.code == ErrorCode::kCorrupt) return corrupt(path, error.message);
  return fail(error.code, fmt::format("cannot open the database {}: {}", path, error.message));
}

Result<void> make_folder(const std::filesystem::path& folder) {
  struct stat status{};
  if (folder.empty() || ::stat(folder.c_str(), &status) == 0) return {};
  TRY(make_folder(folder.parent_path()));
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return fail(ErrorCode::kIo, fmt::format("cannot make the folder {}: {}", folder.string(),
                                            std::strerror(errno)));
  return {};
}

// SQLite would create the file as the umask lets it. A file that is there is left alone, unopened:
// closing a descriptor of it would drop the locks of this process's other connections.
Result<void> make_file(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISREG(status.st_mode)) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the database {} is not a regular file", path));
  }
  TRY(make_folder(std::filesystem::path(path).parent_path()));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0 && errno == EEXIST) return {};
  if (fd < 0 || ::fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
    const int reason = errno;
    if (fd >= 0) ::close(fd);
    return fail(ErrorCode::kIo,
                fmt::format("cannot create the database {}: {}", path, std::strerror(reason)));
  }
  ::close(fd);
  return {};
}

// Changing the journal's mode does not wait for other connections by itself.
Result<void> switch_to_wal(Database& database, std::int32_t busy_timeout_ms) {
  for (std::int32_t waited_ms = 0;; waited_ms += 10) {
    auto switched = database.execute("PRAGMA journal_mode = WAL");
    if (switched || switched.error().code != ErrorCode::kUnavailable ||
        waited_ms >= busy_timeout_ms)
      return switched;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<void> configure(Database& database) {
  sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // NORMAL: no fsync at a commit, one at a checkpoint (store.h says what that survives). The WAL is
  // folded into the file by fold(), not by whichever commit comes along.
  return database.execute(
      "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA "
      "wal_autocheckpoint = 0;"
      "PRAGMA journal_size_limit = 67108864");
}

Result<void> check_identity(Database& database, const std::string& path) {
  TRY_ASSIGN(const std::int64_t application, database.query_integer("PRAGMA application_id"));
  TRY_ASSIGN(const std::int64_t version, database.query_integer("PRAGMA user_version"));
  if (application != kApplicationId)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is a database of another program: give another file", path));
  if (version > kSchemaVersion)
    return fail(ErrorCode::kUnsupported,
                fmt::format("the database {} was written by a newer version of tessera (schema "
                            "{}; this one knows {}): use that version, or another file",
                            path, version, kSchemaVersion));
  if (version < 1) return corrupt(path, fmt::format("schema version {}", version));
  return {};
}

Result<void> create_tables(Database& database) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(database));
  TRY_ASSIGN(const std::int64_t objects,
             database.query_integer("SELECT count(*) FROM sqlite_schema"));
  TRY_ASSIGN(const std::int64_t application, database.query_integer("PRAGMA application_id"));
  if (objects > 0 || application != 0) return {};  // somebody else was faster
  TRY(database.execute(kTables));
  TRY(database.execute(kUsageTables));
  TRY(database.execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                   kApplicationId, kSchemaVersion)
                           .c_str()));
  return transaction.commit();
}

// One transaction: a process that is killed leaves the old tables or the new ones. With very many
// rows it takes its time, once.
Result<void> upgrade(Database& database) {
  TRY_ASSIGN(Transaction transaction, Transaction::begin(database));
  TRY_ASSIGN(const std::int64_t version, database.query_integer("PRAGMA user_version"));
  if (version != 1) return {};  // somebody else was faster
  TRY(database.execute("ALTER TABLE usage RENAME TO usage_1"));
  TRY(database.execute(kUsageTables));
  TRY(database.execute(kTakeOver));
  TRY(database.execute(fmt::format("PRAGMA user_version = {}", kSchemaVersion).c_str()));
  return transaction.commit();
}

Result<void> look_whether_whole(Database& database, const std::string& path) {
  TRY_ASSIGN(const std::int64_t pages, database.query_integer("PRAGMA page_count"));
  for (const char* sql : {"PRAGMA quick_check(accounts)", "PRAGMA quick_check(keys)",
                          "PRAGMA quick_check(generation)", "PRAGMA quick_check(1)"}) {
    if (std::string_view(sql) == "PRAGMA quick_check(1)" && pages > kSmallFilePages) break;
    TRY_ASSIGN(Statement check, database.prepare(sql));
    TRY_ASSIGN(const bool row, check.step());
    if (!row || check.text(0) != "ok") return corrupt(path, row ? check.text(0) : "no answer");
  }
  return {};
}

Result<void> prepare_file(Database& database, const std::string& path,
                          std::int32_t busy_timeout_ms) {
  TRY(configure(database));
  // The first look at the file's content.
  TRY_ASSIGN(const std::int64_t objects,
             database.query_integer("SELECT count(*) FROM sqlite_schema"));
  if (objects == 0) TRY(create_tables(database));
  TRY(check_identity(database, path));
  if (path != ":memory:") TRY(switch_to_wal(database, busy_timeout_ms));
  TRY(look_whether_whole(database, path));
  TRY_ASSIGN(const std::int64_t version, database.query_integer("PRAGMA user_version"));
  return version < kSchemaVersion ? upgrade(database) : Result<void>();
}

}  // namespace

std::int64_t first_id(std::int64_t unix_seconds) {
  constexpr std::int64_t kLast = 0xffff'ffff;
  return std::clamp<std::int64_t>(unix_seconds, 0, kLast) * std::int64_t{kSerials};
}

Result<Database> open_store_file(const std::string& path, std::int32_t busy_timeout_ms) {
  if (path.empty()) return fail(ErrorCode::kInvalidArgument, "the database's name is empty");
  // An absolute path is never taken for a "file:" address.
  const std::string place = path == ":memory:" ? path : std::filesystem::absolute(path).string();
  // Nobody of this process is to open the file between make_file()'s creating and closing it.
  static std::mutex creating;
  const std::lock_guard lock(creating);
  if (place != ":memory:") TRY(make_file(place));
  auto database = Database::open(place, busy_timeout_ms);
  if (!database) return cannot_open(place, database.error());
  const auto prepared = prepare_file(*database, place, busy_timeout_ms);
  if (prepared) {
    database->remember_wal();
    return database;
  }
  const bool told = prepared.error().message.find(place) != std::string::npos;
  if (told) return Unexpected{prepared.error()};
  return cannot_open(place, prepared.error());
}

}  // namespace tessera::access
