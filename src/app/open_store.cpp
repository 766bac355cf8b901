#include "app/open_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "app/state_files.h"
#include "base/utf8.h"

namespace tessera::app {
namespace {

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size(); ++width) next_code_point(text, at);
  return width;
}

}  // namespace

Result<std::unique_ptr<access::Store>> open_store(const std::string& path, bool create) {
  const std::string place = path.empty() ? default_database() : path;
  std::error_code error;
  if (!create && !std::filesystem::exists(place, error))
    return fail(ErrorCode::kNotFound,
                fmt::format("there is no database {}: `tessera keys create` or `tessera serve` "
                            "makes one, --db FILE names another",
                            place));
  return access::Store::open(place);
}

bool print_all(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] - width_of(row[i]) + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace tessera::app
