// A connection's socket, plain or with TLS on it: the same non-blocking verbs for both. Used on the
// connection's strand.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <span>

#include "http/output_queue.h"
#include "http/tls.h"

namespace tessera::http {

class Wire {
 public:
  // `tls` null: plain.
  Wire(boost::asio::ip::tcp::socket socket, const std::shared_ptr<const TlsContext>& tls);

  // For waiting and options; bytes go through the verbs below.
  boost::asio::ip::tcp::socket& socket() { return socket_; }
  bool secure() const { return tls_.has_value(); }

  IoStatus handshake() { return tls_ ? tls_->handshake() : IoStatus::kDone; }
  // The peer was found to speak without TLS: it shall be answered the same way.
  void drop_tls() { tls_.reset(); }

  // `to` has at least 16 KiB.
  IoResult read(std::span<char> to);
  // From the front of `output`, which the caller then consumes.
  IoResult write(const OutputQueue& output);
  // Ends our side. What is read from then on is noise.
  void end();
  // The verbs fail from then on: the descriptor's number may be another connection's.
  void close();

 private:
  boost::asio::ip::tcp::socket socket_;
  std::optional<TlsSession> tls_;
};

}  // namespace tessera::http
