#include "http/chunked_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace tessera::http {
namespace {

constexpr std::size_t kMaxSizeDigits = 16;
constexpr std::size_t kMaxExtensionBytes = 1024;        // of one chunk
constexpr std::size_t kMaxTotalExtensionBytes = 16384;  // of one body

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

ParseStatus ChunkedDecoder::reject(std::string message) {
  rejection_.message = std::move(message);
  return ParseStatus::kRejected;
}

// kDone: `line` is the first line of `input`, without its CRLF.
ParseStatus ChunkedDecoder::take_line(std::string_view input, std::size_t limit,
                                      std::string_view& line) {
  const auto end = input.find('\n');
  const std::size_t bytes = end == std::string_view::npos ? input.size() : end + 1;
  if (bytes > limit + 2)
    return reject(fmt::format("A line of the chunked body has more than {} bytes.", limit));
  if (end == std::string_view::npos) return ParseStatus::kNeedMore;
  if (end == 0 || input[end - 1] != '\r')
    return reject("A line of the chunked body ends with LF alone instead of CR LF.");
  line = input.substr(0, end - 1);
  return ParseStatus::kDone;
}

ParseStatus ChunkedDecoder::feed(std::string_view input, std::size_t& consumed, std::string& body) {
  consumed = 0;
  for (;;) {
    const std::string_view rest = input.substr(consumed);
    std::string_view line;
    ParseStatus status = ParseStatus::kDone;
    switch (state_) {
      case State::kSizeLine:
        status = take_line(rest, kMaxSizeDigits + kMaxExtensionBytes, line);
        if (status != ParseStatus::kDone) return status;
        status = size_line(line, body.size());
        if (status != ParseStatus::kDone) return status;
        consumed += line.size() + 2;
        break;
      case State::kData: {
        const std::size_t bytes = std::min<std::uint64_t>(chunk_left_, rest.size());
        body.append(rest.substr(0, bytes));
        consumed += bytes;
        chunk_left_ -= bytes;
        if (chunk_left_ != 0) return ParseStatus::kNeedMore;
        state_ = State::kDataEnd;
        break;
      }
      case State::kDataEnd:
        if (!rest.empty() && rest[0] != '\r') return reject("A chunk is longer than its size.");
        if (rest.size() < 2) return ParseStatus::kNeedMore;
        if (rest[1] != '\n') return reject("A chunk does not end with CR LF.");
        consumed += 2;
        state_ = State::kSizeLine;
        break;
      case State::kTrailer:
        status = take_line(rest, limits_.max_header_bytes, line);
        if (status != ParseStatus::kDone) return status;
        consumed += line.size() + 2;
        if (line.empty()) return ParseStatus::kDone;
        status = trailer_line(line);
        if (status != ParseStatus::kDone) return status;
        break;
    }
  }
}

ParseStatus ChunkedDecoder::size_line(std::string_view line, std::size_t body_bytes) {
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size() && hex_value(line[digits]) >= 0; ++digits) {
    if (digits == kMaxSizeDigits) return reject("A chunk size has too many digits.");
    size = size * 16 + static_cast<std::uint64_t>(hex_value(line[digits]));
  }
  const std::string_view extension = line.substr(digits);
  if (digits == 0 || (!extension.empty() && extension.front() != ';'))
    return reject("A chunk size is not a hexadecimal number.");
  extension_bytes_ += extension.size();
  if (extension.size() > kMaxExtensionBytes || extension_bytes_ > kMaxTotalExtensionBytes)
    return reject("The chunk extensions are too long.");
  const auto is_text = [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\t'; };
  if (!std::all_of(extension.begin(), extension.end(), is_text))
    return reject("A chunk extension has a byte that is not visible ASCII.");
  if (size > std::numeric_limits<std::int64_t>::max())
    return reject("A chunk size is out of range.");
  if (size > max_body_bytes_ - std::min(body_bytes, max_body_bytes_)) {
    rejection_.status = 413;
    rejection_.code = "request_too_large";
    return reject(fmt::format("The body has more than {} bytes.", max_body_bytes_));
  }
  chunk_left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kData;
  return ParseStatus::kDone;
}

ParseStatus ChunkedDecoder::trailer_line(std::string_view line) {
  trailer_bytes_ += line.size() + 2;
  if (trailer_bytes_ > limits_.max_header_bytes || ++trailer_fields_ > limits_.max_header_fields) {
    rejection_.status = 431;
    rejection_.code = "headers_too_large";
    return reject("The trailer fields are too large.");
  }
  Header dropped;  // a trailer never becomes a header
  std::string fault = parse_field_line(line, dropped);
  return fault.empty() ? ParseStatus::kDone : reject(std::move(fault));
}

}  // namespace tessera::http
