#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <string_view>

#include "base/check.h"
#include "base/regular_file.h"

namespace tessera::http {
namespace {

constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// The first of OpenSSL's reasons, and none left behind for the next call on this thread.
std::string last_reason() {
  const unsigned long code = ERR_peek_error();
  const char* reason =
      ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "unknown reason" : reason;
  ERR_clear_error();
  return text;
}

// A client that asks for other protocols alone (h2) is refused, as RFC 7301, 3.2 has it.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, chosen_bytes, kHttp11, sizeof(kHttp11), offered, offered_bytes) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

// A key with a passphrase is an error, not a question on the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

bool configure(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Bodies have lengths of their own, so an end without close_notify cuts nothing unseen. Without
  // auto-retry a flood of records that carry no data cannot hold the thread.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets need no memory of ours
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_early_data(context, 0) == 1 &&
         SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1;
}

int bio_read(BIO* bio, char* to, int bytes) {
  auto* socket = static_cast<TlsSocket*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(socket->descriptor, to, static_cast<std::size_t>(bytes), 0);
  if (count == 0) socket->ended = true;
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(count);
}

int bio_write(BIO* bio, const char* from, int bytes) {
  const auto* socket = static_cast<const TlsSocket*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t count =
      ::send(socket->descriptor, from, static_cast<std::size_t>(bytes), MSG_NOSIGNAL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF)
    return static_cast<const TlsSocket*>(BIO_get_data(bio))->ended ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// OpenSSL's own socket BIO lets a closed connection raise SIGPIPE.
const BIO_METHOD* bio_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tessera socket");
    CHECK(made != nullptr);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

}  // namespace

// ---------------------------------------------------------------- certificate and key

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::string& certificate_file,
                                                           const std::string& key_file) {
  for (const std::string& file : {certificate_file, key_file}) TRY(open_regular_file(file));
  ERR_clear_error();
  SSL_CTX* native = SSL_CTX_new(TLS_server_method());
  CHECK(native != nullptr);
  std::shared_ptr<const TlsContext> context(new TlsContext(native));
  if (!configure(native))
    return fail(ErrorCode::kUnsupported, fmt::format("TLS cannot be set up: {}", last_reason()));
  if (SSL_CTX_use_certificate_chain_file(native, certificate_file.c_str()) != 1)
    return fail(ErrorCode::kIo, fmt::format("cannot read a certificate (PEM) from {}: {}",
                                            certificate_file, last_reason()));
  if (SSL_CTX_use_PrivateKey_file(native, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(native) != 1)
    return fail(ErrorCode::kIo,
                fmt::format("cannot use {} as the key (PEM, no passphrase) of the certificate in "
                            "{}: {}",
                            key_file, certificate_file, last_reason()));
  return context;
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

std::string TlsContext::date_fault(std::int64_t unix_seconds) const {
  const X509* certificate = SSL_CTX_get0_certificate(context_);
  std::time_t now = unix_seconds;
  if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0) return "it has expired";
  if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0) return "it is not valid yet";
  return {};
}

// ---------------------------------------------------------------- session

TlsSession::TlsSession(const TlsContext& context, int socket)
    : socket_{socket, false}, session_(SSL_new(context.native())) {  // holds the native context
  CHECK(session_ != nullptr);
  BIO* bio = BIO_new(bio_method());
  CHECK(bio != nullptr);
  BIO_set_data(bio, &socket_);
  BIO_set_init(bio, 1);
  SSL_set_bio(session_, bio, bio);
  SSL_set_accept_state(session_);
}

TlsSession::~TlsSession() {
  SSL_free(session_);
}

IoStatus TlsSession::status_of(int result) const {
  switch (SSL_get_error(session_, result)) {
    case SSL_ERROR_NONE:
      return IoStatus::kDone;
    case SSL_ERROR_WANT_READ:
      return IoStatus::kWaitRead;
    case SSL_ERROR_WANT_WRITE:
      return IoStatus::kWaitWrite;
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::kEnded;
    default:
      break;
  }
  const bool plain = ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL &&
                     ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  ERR_clear_error();
  return plain ? IoStatus::kPlainHttp : IoStatus::kFailed;
}

IoStatus TlsSession::handshake() {
  ERR_clear_error();
  return status_of(SSL_do_handshake(session_));
}

IoResult TlsSession::read(std::span<char> to) {
  CHECK(to.size() >= SSL3_RT_MAX_PLAIN_LENGTH);
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(session_, to.data(), to.size(), &bytes);
  return {status_of(result), bytes};
}

IoResult TlsSession::write(std::span<const char> bytes) {
  ERR_clear_error();
  std::size_t written = 0;
  const int result = SSL_write_ex(session_, bytes.data(), bytes.size(), &written);
  return {status_of(result), written};
}

void TlsSession::end() {
  if (SSL_in_init(session_) != 0) return;  // never agreed on anything
  ERR_clear_error();
  SSL_shutdown(session_);
  ERR_clear_error();
}

}  // namespace tessera::http
