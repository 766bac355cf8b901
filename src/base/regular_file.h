// Files that somebody names: regular ones alone. A FIFO or a device would make whoever opens it
// wait, an I/O thread or the one that follows changes included. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace tessera {

// Owns it; closed on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// For reading. kNotFound, kIo, kInvalidArgument (no regular file); the message begins with `path`.
Result<Descriptor> open_regular_file(const std::string& path);
// Its text; kOutOfRange over `max_bytes`.
Result<std::string> read_small_file(const std::string& path, std::size_t max_bytes);

}  // namespace tessera
