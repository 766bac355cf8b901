#include "access/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace tessera::access {
namespace {

ErrorCode code_of(int status) {
  switch (status & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return ErrorCode::kInvalidArgument;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return ErrorCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    default:
      return ErrorCode::kIo;
  }
}

Unexpected<Error> failure(sqlite3* database, int status) {
  // The connection's message has more in it than the code's, when it is about this trouble.
  const bool same = database != nullptr && sqlite3_extended_errcode(database) == status;
  return fail(code_of(status),
              fmt::format("SQLite: {} ({})",
                          same ? sqlite3_errmsg(database) : sqlite3_errstr(status), status));
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<bool> Statement::step() {
  const int status = bind_status_ != SQLITE_OK ? bind_status_ : sqlite3_step(statement_.get());
  if (status == SQLITE_ROW) return true;
  auto error = failure(database_, status);  // before reset() changes the connection's message
  sqlite3_reset(statement_.get());
  bind_status_ = SQLITE_OK;
  if (status == SQLITE_DONE) return false;
  return error;
}

Result<void> Statement::run() {
  for (;;) {
    TRY_ASSIGN(const bool row, step());
    if (!row) return {};
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::optional<std::int64_t> Statement::maybe_integer(int column) const {
  if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::span<const std::uint8_t> Statement::blob(int column) const {
  const auto* bytes =
      static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Statement::bind_at(int index, std::int64_t value) {
  const int status = sqlite3_bind_int64(statement_.get(), index, value);
  if (bind_status_ == SQLITE_OK) bind_status_ = status;
}

void Statement::bind_at(int index, const std::optional<std::int64_t>& value) {
  if (value) return bind_at(index, *value);
  const int status = sqlite3_bind_null(statement_.get(), index);
  if (bind_status_ == SQLITE_OK) bind_status_ = status;
}

void Statement::bind_at(int index, std::string_view value) {
  // A null pointer would be NULL instead of the empty text.
  const int status = sqlite3_bind_text64(statement_.get(), index, value.empty() ? "" : value.data(),
                                         value.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (bind_status_ == SQLITE_OK) bind_status_ = status;
}

void Statement::bind_at(int index, std::span<const std::uint8_t> value) {
  const int status =
      sqlite3_bind_blob64(statement_.get(), index, value.data(), value.size(), SQLITE_STATIC);
  if (bind_status_ == SQLITE_OK) bind_status_ = status;
}

void Database::Close::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

Result<Database> Database::open(const std::string& path, std::int32_t busy_timeout_ms) {
  sqlite3* handle = nullptr;
  // One thread at a time uses a connection: no mutex of SQLite's own. Statements need it alive:
  // close_v2 waits for them.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (path == ":memory:" ? SQLITE_OPEN_CREATE : 0);
  const int status = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database(handle);
  if (status != SQLITE_OK) return failure(handle, status);
  sqlite3_busy_timeout(handle, busy_timeout_ms);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int status = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (status != SQLITE_OK) return failure(handle_.get(), status);
  return Statement(handle_.get(), statement);
}

Result<void> Database::execute(const char* sql) {
  const int status = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (status != SQLITE_OK) return failure(handle_.get(), status);
  return {};
}

Result<std::int64_t> Database::query_integer(std::string_view sql) {
  TRY_ASSIGN(Statement statement, prepare(sql));
  TRY_ASSIGN(const bool row, statement.step());
  if (!row) return fail(ErrorCode::kCorrupt, "SQLite: a row is missing");
  return statement.integer(0);
}

Result<void> Database::run(std::optional<Statement>& statement, std::string_view sql) {
  if (!statement) {
    TRY_ASSIGN(statement, prepare(sql));
  }
  return statement->run();
}

Result<void> Database::begin() {
  return run(begin_, "BEGIN IMMEDIATE");
}

Result<void> Database::commit() {
  return run(commit_, "COMMIT");
}

void Database::set_busy_timeout(std::int32_t timeout_ms) {
  sqlite3_busy_timeout(handle_.get(), timeout_ms);
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(handle_.get());
}

std::int64_t Database::last_insert_id() const {
  return sqlite3_last_insert_rowid(handle_.get());
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

bool Database::moved() const {
  int moved = 0;
  if (sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
      moved != 0)
    return true;
  return std::any_of(companions_.begin(), companions_.end(), [](const Companion& file) {
    struct stat status{};
    return ::stat(file.path.c_str(), &status) != 0 || status.st_dev != file.device ||
           status.st_ino != file.number;
  });
}

void Database::remember_wal() {
  // SQLite's name of it: links are followed. Empty: in memory.
  const std::string path = sqlite3_db_filename(handle_.get(), "main");
  if (path.empty()) return;
  for (const char* suffix : {"-wal", "-shm"}) {
    struct stat status{};
    if (::stat((path + suffix).c_str(), &status) == 0)
      companions_.push_back({path + suffix, status.st_dev, status.st_ino});
  }
}

void Database::leave_wal() {
  if (std::exchange(left_wal_, true)) return;
  const bool alone = std::all_of(companions_.begin(), companions_.end(), [](const Companion& file) {
    struct stat status{};
    return ::stat(file.path.c_str(), &status) != 0 || status.st_ino == file.number;
  });
  if (alone)
    sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.begin());
  return Transaction(database);
}

Transaction::~Transaction() {
  // Some errors have rolled back already.
  if (database_ != nullptr && database_->in_transaction()) (void)database_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
  return database_->commit();
}

}  // namespace tessera::access
