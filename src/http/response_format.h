// Status line and header fields as bytes (RFC 9112, 4 and 5). Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.h"

namespace tessera::http {

enum class BodyFraming {
  kNone,     // no body can follow: 1xx, 204, 304
  kLength,   // Content-Length
  kChunked,  // Transfer-Encoding: chunked
  kUntilEnd  // up to the connection's end (streams to HTTP/1.0)
};

struct HeadFormat {
  BodyFraming framing = BodyFraming::kLength;
  std::size_t content_length = 0;
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive, which HTTP/1.0 wants to be told
};

// Up to and with the empty line. Adds Date, Server, framing and Connection; those of them that
// `headers` brings are left out (Server is kept). A control byte in a value, which could begin a
// header or a response of its own, becomes a space; names are ours, and must be tokens.
std::string format_head(unsigned status, const std::vector<Header>& headers,
                        const HeadFormat& format);

// What ends a chunked body: the last chunk, the trailer fields (RFC 9112, 7.1.2; checked as header
// fields are, framing left out), the empty line.
std::string format_last_chunk(const std::vector<Header>& trailers);

bool status_has_body(unsigned status);

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7), from seconds since 1970.
std::string format_date(std::int64_t unix_seconds);

}  // namespace tessera::http
