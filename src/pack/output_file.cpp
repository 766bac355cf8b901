#include "pack/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/bytes.h"

namespace tessera::pack {
namespace {

std::string reason(int number) {
  return std::generic_category().message(number);
}

std::string room_left(int fd) {
  struct statvfs disk{};
  if (fstatvfs(fd, &disk) != 0) return "";
  return fmt::format("; {} are left there",
                     human_bytes(std::uint64_t{disk.f_bavail} * disk.f_frsize));
}

}  // namespace

OutputFile::OutputFile(std::string path, std::string partial, int fd, bool overwrite)
    : path_(std::move(path)), partial_(std::move(partial)), fd_(fd), overwrite_(overwrite) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::move(other.partial_)),
      fd_(std::exchange(other.fd_, -1)),
      overwrite_(other.overwrite_) {}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  unlink(partial_.c_str());
  close(fd_);
}

Unexpected<Error> OutputFile::error(const char* what, int number) const {
  return fail(number == ENOSPC || number == EDQUOT ? ErrorCode::kResourceExhausted : ErrorCode::kIo,
              fmt::format("{}: {}: {}", partial_, what, reason(number)));
}

Result<OutputFile> OutputFile::create(const std::string& path, std::uint64_t bytes,
                                      bool overwrite) {
  struct stat found{};
  if (!overwrite && lstat(path.c_str(), &found) == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is there already; --force overwrites it", path));
  }
  if (stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} is no regular file", path));
  }
  const std::string partial = path + ".partial";
  const int fd =
      open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (fd < 0) {
    return fail(ErrorCode::kIo, fmt::format("{}: cannot create: {}", partial, reason(errno)));
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return fail(ErrorCode::kUnavailable, fmt::format("{}: another process writes it", partial));
  }
  OutputFile file(path, partial, fd, overwrite);
  if (ftruncate(fd, 0) != 0) return file.error("cannot empty", errno);
  const int reserved = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (reserved != 0) {
    const std::string left = room_left(fd);
    return fail(
        reserved == ENOSPC || reserved == EDQUOT ? ErrorCode::kResourceExhausted : ErrorCode::kIo,
        fmt::format("{}: no room for {}: {}{}", partial, human_bytes(bytes), reason(reserved),
                    left));
  }
  return file;
}

Result<void> OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error("cannot write", errno);
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> OutputFile::sync() const {
  if (fsync(fd_) != 0) return error("cannot write to the disk", errno);
  return {};
}

Result<void> OutputFile::finish() {
  // Between the look at the start and now somebody else may have made it. Some file systems cannot
  // tell (EINVAL).
  const unsigned flags = overwrite_ ? 0 : RENAME_NOREPLACE;
  if (renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, path_.c_str(), flags) != 0 &&
      (errno != EINVAL || rename(partial_.c_str(), path_.c_str()) != 0)) {
    return error("cannot rename", errno);
  }
  close(std::exchange(fd_, -1));
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const int directory = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
  return {};
}

}  // namespace tessera::pack
