#include "http/wire.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <string_view>

namespace tessera::http {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kPieces = 16;             // of one gather write
constexpr std::size_t kTlsWriteBytes = 16'384;  // a record

IoResult result_of(const boost::system::error_code& error, std::size_t bytes, IoStatus wait) {
  if (!error) return {IoStatus::kDone, bytes};
  if (error == asio::error::would_block || error == asio::error::interrupted) return {wait, 0};
  return {error == asio::error::eof ? IoStatus::kEnded : IoStatus::kFailed, 0};
}

// The front of the queue in one piece: TLS has no gather write.
std::span<const char> front_of(std::span<const std::string_view> pieces) {
  thread_local std::array<char, kTlsWriteBytes> joined;
  if (pieces[0].size() >= kTlsWriteBytes || pieces.size() == 1)
    return pieces[0].substr(0, kTlsWriteBytes);
  std::size_t bytes = 0;
  for (const std::string_view piece : pieces) {
    const std::size_t taken = std::min(piece.size(), kTlsWriteBytes - bytes);
    std::copy_n(piece.begin(), taken, joined.begin() + bytes);
    bytes += taken;
  }
  return std::span(joined).first(bytes);
}

}  // namespace

Wire::Wire(asio::ip::tcp::socket socket, const std::shared_ptr<const TlsContext>& tls)
    : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (tls) tls_.emplace(*tls, socket_.native_handle());
}

IoResult Wire::read(std::span<char> to) {
  if (tls_) return tls_->read(to);
  boost::system::error_code error;
  const std::size_t bytes = socket_.read_some(asio::buffer(to.data(), to.size()), error);
  return result_of(error, bytes, IoStatus::kWaitRead);
}

IoResult Wire::write(const OutputQueue& output) {
  std::array<std::string_view, kPieces> pieces;
  const std::size_t count = output.gather(pieces);
  if (tls_) return tls_->write(front_of(std::span(pieces).first(count)));
  boost::system::error_code error;
  if (count == 1) {  // a system call that costs less
    const std::size_t bytes = socket_.write_some(asio::buffer(pieces[0]), error);
    return result_of(error, bytes, IoStatus::kWaitWrite);
  }
  std::array<asio::const_buffer, kPieces> buffers;
  std::transform(pieces.begin(), pieces.begin() + count, buffers.begin(),
                 [](std::string_view piece) { return asio::buffer(piece); });
  const std::size_t bytes = socket_.write_some(std::span(buffers).first(count), error);
  return result_of(error, bytes, IoStatus::kWaitWrite);
}

void Wire::end() {
  if (tls_) tls_->end();
  tls_.reset();
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Wire::close() {
  tls_.reset();  // it keeps the descriptor's number, which is another connection's soon
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace tessera::http
