// One request head (RFC 9112, sections 2 to 6), parsed once and strictly: what two parsers could
// read differently is refused, not repaired. Pure functions over bytes: no socket, no clock.
// Owned by one connection; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/server.h"

namespace tessera::http {

// Why a request cannot be taken. The connection closes after it: where the next request would begin
// is not certain.
struct Rejection {
  unsigned status = 400;
  std::string_view code = "bad_http";
  std::string message;
};

struct ParsedHead {
  RequestHead head;
  std::int64_t content_length = 0;  // -1: chunked. Saturates at the largest int64.
  bool http_1_0 = false;
  bool keep_alive = true;
  bool expect_continue = false;

  bool chunked() const { return content_length < 0; }
  bool has_body() const { return content_length != 0; }
};

enum class ParseStatus { kNeedMore, kDone, kRejected };

class HeadParser {
 public:
  explicit HeadParser(const ServerOptions& limits) : limits_(limits) {}

  // `buffer` begins at the request's first byte and grows from call to call. Each byte is looked at
  // once; a limit or a fault is reported as soon as it is seen. Not to be called after kDone or
  // kRejected.
  ParseStatus feed(std::string_view buffer);

  // After kDone: the head, and how many bytes of the buffer it took.
  ParsedHead& parsed() { return parsed_; }
  std::size_t consumed() const { return line_begin_; }
  // After kRejected.
  const Rejection& rejection() const { return rejection_; }

 private:
  bool reject(std::string message);
  bool reject_as(unsigned status, std::string_view code, std::string message);
  bool check_line_limit(std::string_view partial, bool complete);
  bool parse_request_line(std::string_view line);
  bool parse_target(std::string_view target);
  bool parse_absolute_target(std::string_view target);
  bool parse_origin_target(std::string_view target);
  bool parse_field(std::string_view line);
  bool finish();
  bool check_host();
  bool read_framing();
  bool read_expectation();
  void read_connection();

  const ServerOptions& limits_;
  ParsedHead parsed_;
  Rejection rejection_;
  std::string authority_;       // of an absolute-form target
  std::size_t line_begin_ = 0;  // of the line that is not complete yet
  std::size_t scanned_ = 0;     // up to here there is no further LF
  std::size_t header_bytes_ = 0;
  bool request_line_done_ = false;
};

// One field line, without its CRLF, as name and value: token, colon, value of HTAB, SP and visible
// ASCII, white space around it cut. Empty message: it is well formed.
std::string parse_field_line(std::string_view line, Header& field);

// RFC 9110, 5.6.2: what methods and field names are.
bool is_token(std::string_view text);

bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace tessera::http
