#include "http/request_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace tessera::http {
namespace {

constexpr std::int64_t kNoPort = 65536;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

// RFC 9110, 5.6.2: tchar.
bool is_token_char(char c) {
  return is_digit(c) || is_alpha(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_visible(char c) {
  return c > 0x20 && c < 0x7f;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Digits alone; saturates.
std::optional<std::int64_t> parse_decimal(std::string_view text) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    const int digit = c - '0';
    if (value > (kMax - digit) / 10) return kMax;
    value = value * 10 + digit;
  }
  return value;
}

// RFC 3986, 3.2.2 and 3.2.3: host with an optional port; no user information.
bool is_authority(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : text.substr(1, close - 1)) {
      if (!is_hex(c) && c != ':' && c != '.') return false;
    }
    if (close + 1 == text.size()) return true;
    if (text[close + 1] != ':') return false;
    port = text.substr(close + 2);
  } else {
    const auto colon = text.find(':');
    const std::string_view host = text.substr(0, colon);
    if (host.empty()) return false;
    for (const char c : host) {
      const bool allowed =
          is_digit(c) || is_alpha(c) ||
          (c != '\0' && std::string_view("-._~!$&'()*+,;=%").find(c) != std::string_view::npos);
      if (!allowed) return false;
    }
    if (colon == std::string_view::npos) return true;
    port = text.substr(colon + 1);
  }
  return port.empty() || (port.size() <= 5 && parse_decimal(port).value_or(kNoPort) < kNoPort);
}

// A segment that means "here" or "up", plainly or percent-encoded.
bool is_dot_segment(std::string_view segment) {
  std::size_t dots = 0;
  for (std::size_t i = 0; i < segment.size(); ++dots) {
    if (segment[i] == '.') {
      i += 1;
    } else if (equals_ignoring_case(segment.substr(i, 3), "%2e")) {
      i += 3;
    } else {
      return false;
    }
  }
  return dots == 1 || dots == 2;
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view RequestHead::header(std::string_view name) const {
  std::string_view found;
  bool seen = false;
  for (const Header& field : headers) {
    if (!equals_ignoring_case(field.first, name)) continue;
    if (seen) return {};
    seen = true;
    found = field.second;
  }
  return found;
}

std::size_t RequestHead::header_count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(
      headers.begin(), headers.end(),
      [name](const Header& field) { return equals_ignoring_case(field.first, name); }));
}

std::string parse_field_line(std::string_view line, Header& field) {
  if (line.starts_with(' ') || line.starts_with('\t'))
    return "A header field is folded over several lines (obsolete line folding).";
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return "A header line has no colon.";
  if (!is_token(line.substr(0, colon))) return "A header field's name is not a token.";
  const std::string_view value = trim(line.substr(colon + 1));
  for (const char c : value) {
    if (c != ' ' && c != '\t' && !is_visible(c))
      return "A header field's value has a byte that is neither visible ASCII, space nor tab.";
  }
  field.first = line.substr(0, colon);
  field.second = value;
  return {};
}

bool HeadParser::reject_as(unsigned status, std::string_view code, std::string message) {
  rejection_ = {status, code, std::move(message)};
  return false;
}

bool HeadParser::reject(std::string message) {
  return reject_as(400, "bad_http", std::move(message));
}

ParseStatus HeadParser::feed(std::string_view buffer) {
  if (!buffer.empty() && !is_token_char(buffer.front())) {
    reject("The request does not begin with a method.");
    return ParseStatus::kRejected;
  }
  for (;;) {
    const auto line_feed = buffer.find('\n', scanned_);
    const bool complete = line_feed != std::string_view::npos;
    const std::size_t end = complete ? line_feed : buffer.size();
    std::string_view line = buffer.substr(line_begin_, end - line_begin_);
    if (!check_line_limit(line, complete)) return ParseStatus::kRejected;
    scanned_ = end;
    if (!complete) return ParseStatus::kNeedMore;
    if (!line.ends_with('\r')) {
      reject("A line ends with LF alone instead of CR LF.");
      return ParseStatus::kRejected;
    }
    line.remove_suffix(1);
    line_begin_ = scanned_ = line_feed + 1;
    if (!request_line_done_) {
      if (!parse_request_line(line)) return ParseStatus::kRejected;
      request_line_done_ = true;
    } else if (line.empty()) {
      return finish() ? ParseStatus::kDone : ParseStatus::kRejected;
    } else {
      header_bytes_ += line.size() + 2;
      if (!parse_field(line)) return ParseStatus::kRejected;
    }
  }
}

// `partial` has no LF; a last CR may be half of the line's end.
bool HeadParser::check_line_limit(std::string_view partial, bool complete) {
  const std::size_t text_bytes = partial.size() - (partial.ends_with('\r') ? 1 : 0);
  if (!request_line_done_) {
    if (text_bytes <= limits_.max_request_line_bytes) return true;
    return reject_as(
        414, "uri_too_long",
        fmt::format("The request line has more than {} bytes.", limits_.max_request_line_bytes));
  }
  if (text_bytes == 0) return true;  // the empty line is not counted
  const std::size_t bytes = header_bytes_ + (complete ? text_bytes + 2 : partial.size());
  if (bytes <= limits_.max_header_bytes) return true;
  return reject_as(
      431, "headers_too_large",
      fmt::format("The header fields have more than {} bytes.", limits_.max_header_bytes));
}

bool HeadParser::parse_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return reject("The request line is not: method, target, HTTP/1.1.");
  const std::string_view method = line.substr(0, first);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return reject("The method is not a token.");
  if (version == "HTTP/1.0") {
    parsed_.http_1_0 = true;
  } else if (version != "HTTP/1.1") {
    return reject("The protocol version is neither HTTP/1.1 nor HTTP/1.0.");
  }
  parsed_.head.method = method;
  return parse_target(line.substr(first + 1, last - first - 1));
}

// RFC 9112, 3.2: origin-form, absolute-form; authority-form with CONNECT, asterisk-form with
// OPTIONS.
bool HeadParser::parse_target(std::string_view target) {
  if (target.empty() || !std::all_of(target.begin(), target.end(), is_visible))
    return reject("The request target has a space or a byte that is not visible ASCII.");
  if (target.find('#') != std::string_view::npos)
    return reject("The request target has a fragment ('#').");
  const std::string& method = parsed_.head.method;
  if (method == "CONNECT") {
    if (!is_authority(target)) return reject("The target of CONNECT is not host:port.");
    parsed_.head.path = target;
    return true;
  }
  if (target == "*" && method == "OPTIONS") {
    parsed_.head.path = target;
    return true;
  }
  if (target.front() == '/') return parse_origin_target(target);
  return parse_absolute_target(target);
}

bool HeadParser::parse_absolute_target(std::string_view target) {
  const auto scheme = target.find("://");
  if (scheme == std::string_view::npos ||
      !(equals_ignoring_case(target.substr(0, scheme), "http") ||
        equals_ignoring_case(target.substr(0, scheme), "https")))
    return reject("The request target is neither a path nor an http URL.");
  target.remove_prefix(scheme + 3);
  const auto path = std::min(target.find_first_of("/?"), target.size());
  if (!is_authority(target.substr(0, path)))
    return reject("The host in the request target is malformed.");
  authority_ = target.substr(0, path);
  target.remove_prefix(path);
  if (target.starts_with('/')) return parse_origin_target(target);
  return parse_origin_target("/" + std::string(target));
}

bool HeadParser::parse_origin_target(std::string_view target) {
  const auto question = target.find('?');
  const std::string_view path = target.substr(0, question);
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') continue;
    if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2]))
      return reject("The path has a '%' without two hexadecimal digits behind it.");
    if (path[i + 1] == '0' && path[i + 2] == '0') return reject("The path has a NUL byte (%00).");
  }
  for (std::size_t begin = 1; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    if (is_dot_segment(path.substr(begin, end - begin)))
      return reject("The path has a '.' or '..' segment.");
    begin = end + 1;
  }
  parsed_.head.path = path;
  if (question != std::string_view::npos) parsed_.head.query = target.substr(question + 1);
  return true;
}

bool HeadParser::parse_field(std::string_view line) {
  auto& headers = parsed_.head.headers;
  if (headers.size() == limits_.max_header_fields)
    return reject_as(
        431, "headers_too_large",
        fmt::format("There are more than {} header fields.", limits_.max_header_fields));
  std::string fault = parse_field_line(line, headers.emplace_back());
  if (!fault.empty()) return reject(std::move(fault));
  // White space behind a transfer coding has fooled parsers into not seeing it.
  const bool ends_in_space = line.ends_with(' ') || line.ends_with('\t');
  if (ends_in_space && equals_ignoring_case(headers.back().first, "Transfer-Encoding"))
    return reject("Transfer-Encoding has white space behind its value.");
  return true;
}

bool HeadParser::finish() {
  if (!check_host() || !read_framing() || !read_expectation()) return false;
  read_connection();
  return true;
}

bool HeadParser::check_host() {
  auto& headers = parsed_.head.headers;
  const auto is_host = [](const Header& field) {
    return equals_ignoring_case(field.first, "Host");
  };
  const auto host = std::find_if(headers.begin(), headers.end(), is_host);
  if (host == headers.end()) {
    if (!parsed_.http_1_0) return reject("The Host header is missing.");
    if (!authority_.empty()) headers.emplace_back("Host", authority_);
    return true;
  }
  if (std::find_if(host + 1, headers.end(), is_host) != headers.end())
    return reject("There is more than one Host header.");
  if (!is_authority(host->second)) return reject("The Host header is not host or host:port.");
  if (!authority_.empty()) host->second = authority_;  // RFC 9112, 3.2.2: the target's host counts
  return true;
}

// RFC 9112, 6: how long the body is. Anything ambiguous is refused.
bool HeadParser::read_framing() {
  const RequestHead& head = parsed_.head;
  const std::size_t lengths = head.header_count("Content-Length");
  const std::size_t codings = head.header_count("Transfer-Encoding");
  if (lengths > 1) return reject("There is more than one Content-Length header.");
  if (codings > 1) return reject("There is more than one Transfer-Encoding header.");
  if (lengths != 0 && codings != 0)
    return reject("Content-Length and Transfer-Encoding exclude each other.");
  if (codings != 0) {
    if (parsed_.http_1_0) return reject("HTTP/1.0 has no Transfer-Encoding.");
    if (!equals_ignoring_case(head.header("Transfer-Encoding"), "chunked"))
      return reject("The only supported Transfer-Encoding is: chunked.");
    parsed_.content_length = -1;
  } else if (lengths != 0) {
    const auto length = parse_decimal(head.header("Content-Length"));
    if (!length) return reject("Content-Length is not a number in decimal digits.");
    parsed_.content_length = *length;
  }
  return true;
}

bool HeadParser::read_expectation() {
  for (const Header& field : parsed_.head.headers) {
    if (parsed_.http_1_0 || !equals_ignoring_case(field.first, "Expect")) continue;
    if (!equals_ignoring_case(field.second, "100-continue"))
      return reject_as(417, "expectation_failed", "The only supported Expect is: 100-continue.");
    parsed_.expect_continue = true;
  }
  return true;
}

void HeadParser::read_connection() {
  bool close = false;
  bool keep_alive = false;
  for (const Header& field : parsed_.head.headers) {
    if (!equals_ignoring_case(field.first, "Connection")) continue;
    std::string_view rest = field.second;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      const std::string_view option = trim(rest.substr(0, comma));
      close |= equals_ignoring_case(option, "close");
      keep_alive |= equals_ignoring_case(option, "keep-alive");
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  parsed_.keep_alive = !close && (keep_alive || !parsed_.http_1_0);
}

}  // namespace tessera::http
