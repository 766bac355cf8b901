// The database file behind `Store`: where it lies, who may read it, its tables and their version.
#pragma once

#include <cstdint>
#include <string>

#include "access/sqlite.h"
#include "base/result.h"

namespace tessera::access {

// The schema's version (user_version). A file of a newer one is refused.
inline constexpr std::int64_t kSchemaVersion = 2;

// Of usage.id: the second in which the request ended, then a number under kSerials that tells those
// of a second apart. Rows are so appended, in a table without any other order to keep: a commit is
// one page.
inline constexpr std::uint64_t kSerials = std::uint64_t{1} << 31;
// The least id of a request that ended at `unix_seconds` or later.
std::int64_t first_id(std::int64_t unix_seconds);

// Opens the file, creates it (mode 0600, missing folders 0700) and its tables where they are
// missing, brings those of an older version up to date, and looks whether it is whole: all of it
// when it is small, else accounts and keys alone. Errors as Store::open.
Result<Database> open_store_file(const std::string& path, std::int32_t busy_timeout_ms);

}  // namespace tessera::access
