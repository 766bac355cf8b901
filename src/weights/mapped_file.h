// A regular file mapped read-only into memory, whole. Owns the mapping; movable, read from any
// thread.
//
// All checks are made on the opened descriptor, so nothing can be swapped between check and use,
// and the mapping pins the file: renaming or deleting it afterwards does no harm. (Truncating it in
// place does: a later read raises SIGBUS.) Nothing is read ahead of use: a 21 GB model opens in
// milliseconds and comes in page by page.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace tessera::weights {

class MappedFile {
 public:
  // Refuses, without waiting on it, whatever is not a regular file (FIFO, device, directory,
  // socket), and empty files.
  static Result<MappedFile> open(const std::string& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;
};

}  // namespace tessera::weights
