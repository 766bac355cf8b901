// A file that appears under its name when it is whole, or not at all: written as PATH.partial in
// the same directory, then renamed. The destructor removes what was not finished; a killed process
// leaves the .partial, which the next one overwrites.
//
// Its room is reserved first, so that a full disk shows before the work. write_at() from any
// thread; the rest from one. Errors name the path and the system's reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace tessera::pack {

class OutputFile {
 public:
  // Refuses a path that exists, unless `overwrite`, and a .partial that another process writes.
  static Result<OutputFile> create(const std::string& path, std::uint64_t bytes, bool overwrite);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  const std::string& partial_path() const { return partial_; }
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes) const;
  Result<void> sync() const;
  // Gives the file its name. Afterwards this object does nothing.
  Result<void> finish();

 private:
  OutputFile(std::string path, std::string partial, int fd, bool overwrite);
  Unexpected<Error> error(const char* what, int number) const;

  std::string path_;
  std::string partial_;
  int fd_ = -1;
  bool overwrite_ = false;
};

}  // namespace tessera::pack
