#include "http/response_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/check.h"
#include "base/clock.h"
#include "http/request_parser.h"

namespace tessera::http {
namespace {

struct Reason {
  unsigned status;
  std::string_view phrase;
};
constexpr auto kReasons = std::to_array<Reason>({
    {100, "Continue"},
    {102, "Processing"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
});

// Empty for a status that we never send by ourselves: RFC 9112, 4 allows that.
std::string_view reason_phrase(unsigned status) {
  const auto found = std::find_if(kReasons.begin(), kReasons.end(), [status](const Reason& reason) {
    return reason.status == status;
  });
  return found == kReasons.end() ? std::string_view() : found->phrase;
}

bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 5> kOurs = {"Content-Length", "Transfer-Encoding",
                                                     "Connection", "Date", "Keep-Alive"};
  return std::any_of(kOurs.begin(), kOurs.end(),
                     [name](std::string_view ours) { return equals_ignoring_case(name, ours); });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  CHECK(is_token(name));
  out.append(name).append(": ");
  for (const char c : value) {
    const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    out.push_back(control ? ' ' : c);
  }
  out.append("\r\n");
}

// The clock has seconds; formatting it once in each is enough.
const std::string& date_now() {
  thread_local std::int64_t second = -1;
  thread_local std::string text;
  if (const std::int64_t now = Clock::real().unix_seconds(); now != second) {
    second = now;
    text = format_date(now);
  }
  return text;
}

}  // namespace

std::string format_date(std::int64_t unix_seconds) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(unix_seconds);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

bool status_has_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string format_head(unsigned status, const std::vector<Header>& headers,
                        const HeadFormat& format) {
  CHECK(status >= 100 && status <= 599);
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  append_field(out, "Date", date_now());
  bool server_given = false;
  for (const auto& [name, value] : headers) {
    if (is_ours(name)) continue;
    if (format.framing != BodyFraming::kChunked && equals_ignoring_case(name, "Trailer")) continue;
    server_given |= equals_ignoring_case(name, "Server");
    append_field(out, name, value);
  }
  if (!server_given) append_field(out, "Server", "tessera");
  if (format.framing == BodyFraming::kLength)
    append_field(out, "Content-Length", fmt::to_string(format.content_length));
  if (format.framing == BodyFraming::kChunked) append_field(out, "Transfer-Encoding", "chunked");
  if (format.close) {
    append_field(out, "Connection", "close");
  } else if (format.keep_alive) {
    append_field(out, "Connection", "keep-alive");
  }
  return out += "\r\n";
}

std::string format_last_chunk(const std::vector<Header>& trailers) {
  std::string out = "0\r\n";
  for (const auto& [name, value] : trailers) {
    if (!is_ours(name)) append_field(out, name, value);
  }
  return out += "\r\n";
}

}  // namespace tessera::http
