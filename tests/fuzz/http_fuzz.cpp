// Any bytes as what a connection receives: a request head and, if one follows, a chunked body. The
// answer must not depend on how the bytes are cut into pieces (the first byte says how), and what
// is accepted must be what the headers promise: inside the limits, and free of bytes that another
// parser could read otherwise.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/chunked_decoder.h"
#include "http/request_parser.h"
#include "http/response_format.h"

namespace tessera::http {
namespace {

ServerOptions limits() {
  ServerOptions options;
  options.max_request_line_bytes = 256;
  options.max_header_bytes = 1024;
  options.max_header_fields = 16;
  options.max_body_bytes = 512;
  return options;
}
const ServerOptions kLimits = limits();

struct Outcome {
  ParseStatus status = ParseStatus::kNeedMore;
  unsigned refusal = 0;  // its status
  std::string text;      // what was read
  std::size_t consumed = 0;

  bool operator==(const Outcome&) const = default;
};

void check_head(const ParsedHead& parsed) {
  const RequestHead& head = parsed.head;
  CHECK(is_token(head.method) && !head.path.empty());
  CHECK(head.path.front() == '/' || head.method == "CONNECT" || head.method == "OPTIONS");
  CHECK(head.headers.size() <= kLimits.max_header_fields + 1);  // and a Host from the target
  for (const std::string* text : {&head.path, &head.query}) {
    CHECK(text->size() <= kLimits.max_request_line_bytes);
    CHECK(std::all_of(text->begin(), text->end(), [](char c) { return c > 0x20 && c < 0x7f; }));
  }
  for (const auto& [name, value] : head.headers) {
    CHECK(is_token(name));
    for (const char c : value) CHECK((c >= 0x20 && c < 0x7f) || c == '\t');
  }
  CHECK(parsed.http_1_0 || head.header_count("Host") == 1);
  CHECK(head.header_count("Content-Length") + head.header_count("Transfer-Encoding") <= 1);
  CHECK(!parsed.chunked() || !parsed.http_1_0);
  (void)format_head(200, head.headers, {});  // what is echoed cannot break a response
}

Outcome read_head(std::string_view bytes, std::size_t step, bool& chunked) {
  HeadParser parser(kLimits);
  Outcome outcome;
  for (std::size_t end = std::min(step, bytes.size());; end = std::min(end + step, bytes.size())) {
    outcome.status = parser.feed(bytes.substr(0, end));
    if (outcome.status != ParseStatus::kNeedMore || end == bytes.size()) break;
  }
  if (outcome.status == ParseStatus::kRejected) outcome.refusal = parser.rejection().status;
  if (outcome.status != ParseStatus::kDone) return outcome;
  outcome.consumed = parser.consumed();
  CHECK(outcome.consumed <= bytes.size());
  const ParsedHead& parsed = parser.parsed();
  check_head(parsed);
  chunked = parsed.chunked();
  outcome.text = parsed.head.method + ' ' + parsed.head.path + '?' + parsed.head.query;
  for (const auto& [name, value] : parsed.head.headers) outcome.text += '\n' + name + ':' + value;
  return outcome;
}

Outcome read_chunks(std::string_view bytes, std::size_t step) {
  ChunkedDecoder decoder(kLimits, kLimits.max_body_bytes);
  Outcome outcome;
  std::size_t end = 0;
  while (outcome.status == ParseStatus::kNeedMore && end < bytes.size()) {
    end = std::min(end + step, bytes.size());
    std::size_t consumed = 0;
    outcome.status = decoder.feed(bytes.substr(outcome.consumed, end - outcome.consumed), consumed,
                                  outcome.text);
    outcome.consumed += consumed;
    CHECK(outcome.consumed <= end);
  }
  CHECK(outcome.text.size() <= kLimits.max_body_bytes);
  if (outcome.status == ParseStatus::kRejected) {
    outcome.refusal = decoder.rejection().status;
    outcome.text.clear();  // how much was taken before the fault was seen is nobody's business
    outcome.consumed = 0;
  }
  return outcome;
}

}  // namespace
}  // namespace tessera::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  if (size == 0) return 0;
  const std::size_t step = 1 + data[0] % 64;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  bool chunked = false;
  const http::Outcome head = http::read_head(bytes, bytes.size() + 1, chunked);
  CHECK(head == http::read_head(bytes, step, chunked));
  // Bytes that are no head are tried as a body, so that the fuzzer need not find one first.
  const std::string_view body = std::string_view(bytes).substr(head.consumed);
  if (chunked || head.status == http::ParseStatus::kRejected)
    CHECK(http::read_chunks(body, body.size() + 1) == http::read_chunks(body, step));
  return 0;
}
