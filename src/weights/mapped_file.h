// A regular file mapped read-only into memory, whole. Owns the mapping; movable, read from any
// thread.
//
// All checks are made on the opened descriptor, so nothing can be swapped between check and use,
// and the mapping pins the file: renaming or deleting it afterwards does no harm. Truncating it in
// place takes pages away: they then read as zeros and damaged() tells so, instead of the SIGBUS
// that would end the process (bus_guard.h). Nothing is read ahead of use: a 21 GB model opens in
// milliseconds and comes in page by page, pages
// of 2 MiB where the kernel can.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "weights/bus_guard.h"

namespace tessera::weights {

class MappedFile {
 public:
  // Refuses, without waiting on it, whatever is not a regular file (FIFO, device, directory,
  // socket), and empty files.
  static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), guard_(std::exchange(other.guard_, nullptr)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(guard_, other.guard_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  // True once a read found a page gone: what was read since may be zeros. Never false again.
  bool damaged() const { return guard_ != nullptr && guard_->damaged; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes)
      : bytes_(bytes), guard_(guard_mapping(bytes)) {}

  std::span<const std::byte> bytes_;
  GuardedMapping* guard_ = nullptr;  // null: no slot was free
};

}  // namespace tessera::weights
