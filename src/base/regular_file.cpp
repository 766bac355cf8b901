#include "base/regular_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tessera {
namespace {

Unexpected<Error> system_error(const std::string& path, const char* what, int error) {
  const ErrorCode code = error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return fail(code, fmt::format("{}: {}: {}", path, what, std::generic_category().message(error)));
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a named pipe";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISSOCK(mode)) return "a socket";
  return "no regular file";
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Result<Descriptor> open_regular_file(const std::string& path) {
  // O_NONBLOCK: opening a FIFO that nobody writes to must not wait. It has no effect on regular
  // files.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) return system_error(path, "cannot open", errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error(path, "cannot stat", errno);
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: is {}, not a regular file", path, kind_of(status.st_mode)));
  }
  return file;
}

Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  TRY_ASSIGN(const Descriptor file, open_regular_file(path));
  std::string text;
  for (char chunk[4096];;) {
    const ssize_t bytes = ::read(file.get(), chunk, sizeof chunk);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return system_error(path, "cannot read", errno);
    if (bytes == 0) return text;
    text.append(chunk, static_cast<std::size_t>(bytes));
    if (text.size() > max_bytes)
      return fail(ErrorCode::kOutOfRange, fmt::format("{}: larger than {} bytes", path, max_bytes));
  }
}

}  // namespace tessera
