// A chunked body (RFC 9112, 7.1), decoded strictly and piece by piece. Chunk extensions and trailer
// fields are checked and dropped. Owned by one connection; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/request_parser.h"

namespace tessera::http {

class ChunkedDecoder {
 public:
  // Takes max_header_bytes and max_header_fields for the trailer.
  ChunkedDecoder(const ServerOptions& limits, std::size_t max_body_bytes)
      : limits_(limits), max_body_bytes_(max_body_bytes) {}

  // Takes what it can from the front of `input` (`consumed` bytes) and appends the data to `body`.
  // The rest, less than a line, has to be at the front of the next call's input.
  ParseStatus feed(std::string_view input, std::size_t& consumed, std::string& body);

  // After kRejected.
  const Rejection& rejection() const { return rejection_; }

 private:
  enum class State { kSizeLine, kData, kDataEnd, kTrailer };

  ParseStatus reject(std::string message);
  ParseStatus size_line(std::string_view line, std::size_t body_bytes);
  ParseStatus trailer_line(std::string_view line);
  ParseStatus take_line(std::string_view input, std::size_t limit, std::string_view& line);

  const ServerOptions& limits_;
  const std::size_t max_body_bytes_;
  Rejection rejection_;
  State state_ = State::kSizeLine;
  std::uint64_t chunk_left_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_fields_ = 0;
};

}  // namespace tessera::http
