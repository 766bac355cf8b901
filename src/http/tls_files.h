// The certificate and key files that a server was given, looked at again now and then: when they
// change, handshakes from then on use the new pair; a pair that cannot be used, or is out of date,
// leaves the old one in place. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/tls.h"

namespace tessera::http {

class TlsFiles {
 public:
  // A certificate that is out of date is warned of, and used.
  static Result<std::unique_ptr<TlsFiles>> open(std::string certificate_file, std::string key_file,
                                                std::int64_t unix_seconds);

  const std::shared_ptr<const TlsContext>& current() const { return current_; }
  // Reads the files again if they changed. Trouble is logged, once.
  void refresh(std::int64_t unix_seconds);

 private:
  // Device, inode, size, time of change: of both files.
  using State = std::array<std::uint64_t, 10>;

  TlsFiles(std::string certificate_file, std::string key_file)
      : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}
  State state() const;

  const std::string certificate_file_;
  const std::string key_file_;
  std::shared_ptr<const TlsContext> current_;
  State current_state_{};
  std::string complaint_;  // the last one logged
};

}  // namespace tessera::http
