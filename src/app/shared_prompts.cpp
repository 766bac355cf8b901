#include "app/shared_prompts.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "base/regular_file.h"

namespace tessera::app {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

std::optional<Sha256> read_digest(std::string_view line) {
  Sha256 digest{};
  if (line.size() < 2 * digest.size()) return std::nullopt;
  if (line.size() > 2 * digest.size() && line[2 * digest.size()] != ' ') return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char* const byte = line.data() + 2 * i;
    const auto [end, error] = std::from_chars(byte, byte + 2, digest[i], 16);
    if (error != std::errc() || end != byte + 2) return std::nullopt;
  }
  return digest;
}

}  // namespace

Result<std::vector<Sha256>> read_shared_prompts(const std::string& path) {
  std::vector<Sha256> digests;
  if (path.empty()) return digests;
  auto text = read_small_file(path, kMostBytes);
  if (!text) return fail(text.error().code, "--shared-prompts: " + text.error().message);
  std::istringstream lines(*std::move(text));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with('#')) continue;
    const std::optional<Sha256> digest = read_digest(line);
    if (!digest) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}, line {}: 64 hexadecimal digits are expected, the SHA-256 of a "
                              "system prompt's text",
                              path, number));
    }
    digests.push_back(*digest);
  }
  return digests;
}

}  // namespace tessera::app
