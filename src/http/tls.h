// TLS 1.2 and 1.3 for the server's side, on OpenSSL, over a non-blocking socket. No renegotiation,
// compression or early data; forward-secret AEAD ciphers alone; ALPN knows http/1.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

// OpenSSL's, so that its headers stay out of here.
struct ssl_ctx_st;
struct ssl_st;

namespace tessera::http {

// One certificate chain with its key, ready for handshakes. Immutable; any thread.
class TlsContext {
 public:
  // PEM files: the server's certificate first, then the intermediate ones; an unencrypted key.
  // Errors say which file and why: unreadable, no PEM, not a pair.
  static Result<std::shared_ptr<const TlsContext>> load(const std::string& certificate_file,
                                                        const std::string& key_file);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* native() const { return context_; }
  // Why clients will not take the certificate now (expired, not yet valid); empty: no reason known.
  std::string date_fault(std::int64_t unix_seconds) const;

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

enum class IoStatus {
  kDone,
  kWaitRead,   // try again when the socket has more
  kWaitWrite,  // … takes more
  kEnded,      // the peer ended its side
  kPlainHttp,  // of a handshake: the peer speaks HTTP without TLS
  kFailed
};

struct IoResult {
  IoStatus status = IoStatus::kDone;
  std::size_t bytes = 0;  // with kDone
};

// What OpenSSL reads and writes through.
struct TlsSocket {
  int descriptor = -1;
  bool ended = false;  // FIN was read
};

// One connection's TLS. Makes non-blocking calls on the socket, which it does not own. Used on the
// connection's strand.
class TlsSession {
 public:
  TlsSession(const TlsContext& context, int socket);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  IoStatus handshake();
  // `to` has room for a whole record (16 KiB), so that none of it waits in here unseen.
  IoResult read(std::span<char> to);
  // After anything but kDone the next call has to begin with the same bytes.
  IoResult write(std::span<const char> bytes);
  // Tells the peer that nothing follows; as far as the socket takes it.
  void end();

 private:
  IoStatus status_of(int result) const;

  TlsSocket socket_;
  ssl_st* session_;
};

}  // namespace tessera::http
