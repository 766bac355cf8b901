#include "access/key_ring.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace tessera::access {
namespace {

std::optional<Sha256> from_hex(std::string_view text) {
  Sha256 digest;
  if (text.size() != digest.size() * 2) return std::nullopt;
  const auto nibble = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = nibble(text[2 * i]);
    const int low = nibble(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

}  // namespace

std::string make_key() {
  return "sk-tessera-" + random_alphanumeric(40);
}

void KeyRing::add(const Sha256& key_hash, AccountId account) {
  entries_.push_back({key_hash, account});
}

std::optional<AccountId> KeyRing::find(std::string_view presented) const {
  const Sha256 hash = sha256(presented);
  std::optional<AccountId> account;
  for (const Entry& entry : entries_) {
    if (equal_constant_time(entry.key_hash, hash)) account = entry.account;
  }
  return account;
}

Result<std::optional<Sha256>> load_key_hash(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    if (errno == ENOENT) return std::optional<Sha256>();
    return fail(ErrorCode::kIo,
                fmt::format("cannot read the key file {}: {}", path, std::strerror(errno)));
  }
  std::string line;
  std::getline(file, line);
  const std::optional<Sha256> digest = from_hex(line);
  if (!digest) {
    return fail(ErrorCode::kCorrupt, fmt::format("the key file {} does not hold a SHA-256 in "
                                                 "hexadecimal; start with --new-key to replace it",
                                                 path));
  }
  return digest;
}

Result<void> save_key_hash(const std::string& path, const Sha256& key_hash) {
  const auto no = [&](const char* what) {
    return fail(ErrorCode::kIo,
                fmt::format("cannot {} the key file {}: {}", what, path, std::strerror(errno)));
  };
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error)
    return fail(ErrorCode::kIo,
                fmt::format("cannot make the folder {}: {}", folder.string(), error.message()));

  const std::string temporary = path + ".new";
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return no("create");
  const std::string line = to_hex(key_hash) + "\n";
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       ::fsync(fd) == 0;
  ::close(fd);
  if (!written) return no("write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return no("replace");
  return {};
}

}  // namespace tessera::access
