#include "http/tls_files.h"

#include <sys/stat.h>

#include "base/log.h"

namespace tessera::http {

Result<std::unique_ptr<TlsFiles>> TlsFiles::open(std::string certificate_file, std::string key_file,
                                                 std::int64_t unix_seconds) {
  std::unique_ptr<TlsFiles> files(new TlsFiles(std::move(certificate_file), std::move(key_file)));
  files->current_state_ = files->state();
  TRY_ASSIGN(files->current_, TlsContext::load(files->certificate_file_, files->key_file_));
  if (const std::string fault = files->current_->date_fault(unix_seconds); !fault.empty())
    log_warning("clients will refuse the certificate in {}: {}", files->certificate_file_, fault);
  return files;
}

void TlsFiles::refresh(std::int64_t unix_seconds) {
  const State now = state();
  if (now == current_state_) return;
  auto loaded = TlsContext::load(certificate_file_, key_file_);
  std::string fault = loaded ? (*loaded)->date_fault(unix_seconds) : loaded.error().message;
  if (fault.empty()) {
    current_ = std::move(*loaded);
    current_state_ = now;
    complaint_.clear();
    log_info("new connections use the new certificate in {}", certificate_file_);
  } else if (fault != complaint_) {
    // Half of a pair may have been written so far: looked at again each time.
    log_warning("the certificate files changed and cannot be used, the old pair stays: {}", fault);
    complaint_ = std::move(fault);
  }
}

TlsFiles::State TlsFiles::state() const {
  State state{};
  auto* out = state.data();
  for (const std::string* path : {&certificate_file_, &key_file_}) {
    struct stat file{};
    if (::stat(path->c_str(), &file) != 0) file = {};
    *out++ = file.st_dev;
    *out++ = file.st_ino;
    *out++ = static_cast<std::uint64_t>(file.st_size);
    *out++ = static_cast<std::uint64_t>(file.st_mtim.tv_sec);
    *out++ = static_cast<std::uint64_t>(file.st_mtim.tv_nsec);
  }
  return state;
}

}  // namespace tessera::http
