// A thin layer over sqlite3: connections and statements that close themselves, every return code
// looked at, errors as Result with SQLite's own words and never a path (open() excepted: that one
// is for the operator).
//
// Codes: kInvalidArgument, a constraint refused the values; kUnavailable, somebody else holds the
// lock; kResourceExhausted, disk or memory is full; kCorrupt; kIo, everything else.
//
// A connection and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tessera::access {

class Statement {
 public:
  // All parameters, in order. Text and blobs are not copied: they have to live until the statement
  // has been run.
  template <class... T>
  Statement& bind(const T&... values) {
    int index = 0;
    (bind_at(++index, values), ...);
    return *this;
  }
  // True: there is a row to read. After false or an error the statement can be bound anew.
  Result<bool> step();
  // For statements without rows (or whose rows are of no interest).
  Result<void> run();

  // Of the row that step() came to; columns count from 0.
  std::int64_t integer(int column) const;
  std::optional<std::int64_t> maybe_integer(int column) const;
  std::string text(int column) const;
  std::span<const std::uint8_t> blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}

  void bind_at(int index, std::int64_t value);
  void bind_at(int index, const std::optional<std::int64_t>& value);
  void bind_at(int index, std::string_view value);
  void bind_at(int index, std::span<const std::uint8_t> value);

  sqlite3* database_ = nullptr;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bind_status_ = 0;  // the first trouble of bind(), told by step()
};

class Database {
 public:
  // The file has to be there (or ":memory:").
  static Result<Database> open(const std::string& path, std::int32_t busy_timeout_ms);

  Result<Statement> prepare(std::string_view sql);
  // Any number of statements, without parameters.
  Result<void> execute(const char* sql);
  // The first column of the first row.
  Result<std::int64_t> query_integer(std::string_view sql);

  // BEGIN IMMEDIATE and COMMIT, compiled once.
  Result<void> begin();
  Result<void> commit();

  // How long a statement waits for another connection's lock; at first what open() was told.
  void set_busy_timeout(std::int32_t timeout_ms);
  std::int64_t changes() const;  // rows that the last statement changed
  std::int64_t last_insert_id() const;
  bool in_transaction() const;
  // Whether the file at the path is no longer the one that was opened, or its WAL or the WAL's
  // index is not, since remember_wal(): whoever opens it now shares neither locks nor commits with
  // us.
  bool moved() const;
  void remember_wal();
  // Of one that moved: what the WAL holds goes into the file as long as nobody else has begun
  // another WAL, and nothing does afterwards.
  void leave_wal();
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Companion {  // a file beside the database's
    std::string path;
    std::uint64_t device;
    std::uint64_t number;
  };
  struct Close {
    void operator()(sqlite3* database) const;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  Result<void> run(std::optional<Statement>& statement, std::string_view sql);

  std::unique_ptr<sqlite3, Close> handle_;
  std::optional<Statement> begin_;
  std::optional<Statement> commit_;
  std::vector<Companion> companions_;
  bool left_wal_ = false;
};

// BEGIN IMMEDIATE … COMMIT; rolled back when it is dropped before commit() succeeded.
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace tessera::access
