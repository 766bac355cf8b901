#include "weights/mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/regular_file.h"

namespace tessera::weights {
namespace {

Unexpected<Error> system_error(const std::string& path, const std::string& what, int error) {
  return fail(ErrorCode::kIo,
              fmt::format("{}: {}: {}", path, what, std::generic_category().message(error)));
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  TRY_ASSIGN(const Descriptor file, open_regular_file(path));
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error(path, "cannot stat", errno);
  if (status.st_size <= 0) return fail(ErrorCode::kCorrupt, fmt::format("{}: is empty", path));
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) {
    return system_error(path, fmt::format("cannot map {} bytes", size), errno);
  }
  // Where the file system has large pages (ext4 and XFS, for some years) a file that is not in the
  // page cache yet is read as pages of 2 MiB: fewer misses of the TLB, and page tables at once.
  (void)::madvise(address, size, MADV_HUGEPAGE);
  return MappedFile({static_cast<const std::byte*>(address), size});
}

MappedFile::~MappedFile() {
  release_mapping(guard_);
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace tessera::weights
