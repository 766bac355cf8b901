// What the commands that work on accounts share.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/store.h"
#include "base/result.h"

namespace tessera::app {

// `path`: of --db, or empty for the default. kNotFound when there is no file and it is not to be
// made.
Result<std::unique_ptr<access::Store>> open_store(const std::string& path, bool create);

// False when standard output did not take all of it (a full disk, a closed pipe).
bool print_all(std::string_view text);

// Columns as wide as they need to be; the first row is the heading.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace tessera::app
