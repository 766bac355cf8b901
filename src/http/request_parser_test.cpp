#include "http/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "http/chunked_decoder.h"
#include "http/output_queue.h"
#include "http/response_format.h"

namespace tessera::http {
namespace {

const ServerOptions kLimits;

// 0 when the head is accepted, -1 when more is needed, else the status of the refusal.
int head_status(const std::string& bytes, ParsedHead* parsed = nullptr) {
  HeadParser parser(kLimits);
  const ParseStatus status = parser.feed(bytes);
  if (status == ParseStatus::kNeedMore) return -1;
  if (status == ParseStatus::kRejected) return static_cast<int>(parser.rejection().status);
  EXPECT_EQ(parser.consumed(), bytes.size());
  if (parsed != nullptr) *parsed = std::move(parser.parsed());
  return 0;
}

std::string with_fields(const std::string& fields) {
  return "POST /p HTTP/1.1\r\nHost: here\r\n" + fields + "\r\n";
}

std::string with_target(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: here\r\n\r\n";
}

TEST(HeadParser, ReadsARequest) {
  ParsedHead parsed;
  ASSERT_EQ(
      head_status("POST /v1/chat?a=b&c HTTP/1.1\r\nHost: h:80\r\nX-One: \t a b \t\r\nx-two:\r\n"
                  "Content-Length: 12\r\n\r\n",
                  &parsed),
      0);
  EXPECT_EQ(parsed.head.method, "POST");
  EXPECT_EQ(parsed.head.path, "/v1/chat");
  EXPECT_EQ(parsed.head.query, "a=b&c");
  EXPECT_EQ(parsed.head.header("x-ONE"), "a b");
  EXPECT_EQ(parsed.head.header("X-Two"), "");
  EXPECT_EQ(parsed.head.header_count("X-Two"), 1u);
  EXPECT_EQ(parsed.content_length, 12);
  EXPECT_TRUE(parsed.keep_alive);
  EXPECT_FALSE(parsed.expect_continue);
}

TEST(HeadParser, TheResultDoesNotDependOnHowTheBytesArrive) {
  const std::string bytes = with_fields("Content-Length: 5\r\nA: b\r\nConnection: close\r\n");
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    HeadParser parser(kLimits);
    if (cut < bytes.size()) {
      ASSERT_EQ(parser.feed(std::string_view(bytes).substr(0, cut)), ParseStatus::kNeedMore) << cut;
    }
    ASSERT_EQ(parser.feed(bytes), ParseStatus::kDone);
    EXPECT_EQ(parser.parsed().content_length, 5);
    EXPECT_FALSE(parser.parsed().keep_alive);
  }
}

TEST(HeadParser, RepeatedHeaderHasNoValue) {
  ParsedHead parsed;
  ASSERT_EQ(head_status(with_fields("Authorization: a\r\nauthorization: b\r\n"), &parsed), 0);
  EXPECT_EQ(parsed.head.header("Authorization"), "");
  EXPECT_EQ(parsed.head.header_count("Authorization"), 2u);
}

TEST(HeadParser, RefusesMalformedRequestLines) {
  for (const std::string line :
       {"GET /", "GET / HTTP/1.1 x", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET /a b HTTP/1.1",
        "G@T / HTTP/1.1", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / http/1.1", "GET / HTTP/1.1 ",
        "PRI * HTTP/2.0", "GET /\x01 HTTP/1.1", "GET /\xc3\xa9 HTTP/1.1", "GET /\r HTTP/1.1",
        "GET\t/ HTTP/1.1", "\x16\x03\x01", "/ HTTP/1.1", "GET HTTP/1.1"}) {
    EXPECT_EQ(head_status(line + "\r\nHost: here\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(head_status(std::string("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 28)), 400);
  EXPECT_EQ(head_status("\x16"), 400);  // at once: it is TLS, not a slow client
}

TEST(HeadParser, TargetForms) {
  ParsedHead parsed;
  for (const std::string target :
       {"p", "*", "/a#b", "/%00", "/a%2", "/a%zz", "/a/../b", "/..", "/a/%2e%2E/b", "/./a", "/.",
        "ftp://h/", "http:///p", "http://u@h/p", "http://", "here:80"}) {
    EXPECT_EQ(head_status(with_target(target)), 400) << target;
  }
  for (const std::string target : {"/", "//", "/...", "/a..b", "/%41?%00", "/a?b?c", "/a|b"})
    EXPECT_EQ(head_status(with_target(target)), 0) << target;

  ASSERT_EQ(head_status(with_target("HTTP://there:81/v1/models?x"), &parsed), 0);
  EXPECT_EQ(parsed.head.path, "/v1/models");
  EXPECT_EQ(parsed.head.query, "x");
  EXPECT_EQ(parsed.head.header("Host"), "there:81");  // the target's host counts
  ASSERT_EQ(head_status(with_target("http://there?x"), &parsed), 0);
  EXPECT_EQ(parsed.head.path, "/");
  ASSERT_EQ(head_status("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &parsed), 0);
  EXPECT_EQ(parsed.head.path, "*");
  EXPECT_EQ(head_status("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
  EXPECT_EQ(head_status("CONNECT /p HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(head_status("GEt / HTTP/1.1\r\nHost: h\r\n\r\n", &parsed), 0);
  EXPECT_EQ(parsed.head.method, "GEt");
}

TEST(HeadParser, RefusesMalformedFields) {
  for (const std::string field :
       {"A: b\r\n folded", "A: b\r\n\tfolded", "A : b", ": b", "A", "A b: c", "A\x01: c", "(a): b",
        "A: b\x01", "A: b\x7f", "A: caf\xc3\xa9", "A: b\rc", "A: \x80", "A: b\vc", "\xc3: b"}) {
    EXPECT_EQ(head_status(with_fields(field + "\r\n")), 400) << field;
  }
  EXPECT_EQ(head_status(with_fields(std::string("A: b\0c\r\n", 8))), 400);
  EXPECT_EQ(head_status("GET / HTTP/1.1\nHost: h\n\n"), 400);
  EXPECT_EQ(head_status("GET / HTTP/1.1\r\nHost: h\n\r\n"), 400);
  EXPECT_EQ(head_status("GET / HTTP/1.1\r\nHost: h\r\n\n"), 400);
  EXPECT_EQ(head_status("GET / HTTP/1.1\r\nHost: h\r\nA: b\tc\r\n\r\n"), 0);
}

TEST(HeadParser, HostIsThereOnceAndPlain) {
  const std::string line = "GET / HTTP/1.1\r\n";
  EXPECT_EQ(head_status(line + "\r\n"), 400);
  EXPECT_EQ(head_status(line + "Host: a\r\nHost: a\r\n\r\n"), 400);
  for (const std::string host : {"", "a/b", "a?x", "a@b", "[::1", "[]", "[::g]", "a b", "a:b",
                                 "a:123456", ":80", "a,b:1:2", "a\"", "[::1]x", "a#b", "a\\b"}) {
    EXPECT_EQ(head_status(line + "Host: " + host + "\r\n\r\n"), 400) << host;
  }
  for (const std::string host :
       {"a", "a:", "a:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "a_b-c.d"})
    EXPECT_EQ(head_status(line + "Host: " + host + "\r\n\r\n"), 0) << host;
  EXPECT_EQ(head_status("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(head_status("GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"), 400);
}

TEST(HeadParser, AmbiguousFramingIsRefused) {
  for (const std::string fields : {"Content-Length: -1\r\n",
                                   "Content-Length: +5\r\n",
                                   "Content-Length: 5, 5\r\n",
                                   "Content-Length: 5,6\r\n",
                                   "Content-Length: 5\r\nContent-Length: 5\r\n",
                                   "Content-Length: 5\r\ncontent-length: 6\r\n",
                                   "Content-Length: 0x10\r\n",
                                   "Content-Length: \r\n",
                                   "Content-Length: 1 2\r\n",
                                   "Content-Length: 5a\r\n",
                                   "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                                   "Transfer-Encoding: chunked, identity\r\n",
                                   "Transfer-Encoding: gzip, chunked\r\n",
                                   "Transfer-Encoding: xchunked\r\n",
                                   "Transfer-Encoding: chunked \r\n",
                                   "Transfer-Encoding: chunked\t\r\n",
                                   "Transfer-Encoding: chunked\v\r\n",
                                   "Transfer-Encoding: \vchunked\r\n",
                                   "Transfer-Encoding: identity\r\n",
                                   "Transfer-Encoding: \r\n",
                                   "Transfer-Encoding : chunked\r\n"}) {
    EXPECT_EQ(head_status(with_fields(fields)), 400) << fields;
  }
  EXPECT_EQ(head_status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);

  ParsedHead parsed;
  ASSERT_EQ(head_status(with_fields("Content-Length: 007\r\n"), &parsed), 0);
  EXPECT_EQ(parsed.content_length, 7);
  ASSERT_EQ(head_status(with_fields("Content-Length: 99999999999999999999\r\n"), &parsed), 0);
  EXPECT_EQ(parsed.content_length, std::numeric_limits<std::int64_t>::max());
  ASSERT_EQ(head_status(with_fields("Transfer-Encoding: Chunked\r\n"), &parsed), 0);
  EXPECT_TRUE(parsed.chunked());
  ASSERT_EQ(head_status(with_fields(""), &parsed), 0);
  EXPECT_FALSE(parsed.has_body());
}

TEST(HeadParser, ExpectationAndConnection) {
  ParsedHead parsed;
  EXPECT_EQ(head_status(with_fields("Expect: foo\r\n")), 417);
  EXPECT_EQ(head_status(with_fields("Expect: 100-continue\r\nExpect: foo\r\n")), 417);
  ASSERT_EQ(head_status(with_fields("Expect: 100-Continue\r\n"), &parsed), 0);
  EXPECT_TRUE(parsed.expect_continue);
  ASSERT_EQ(head_status(with_fields("Connection: x , CLOSE\r\n"), &parsed), 0);
  EXPECT_FALSE(parsed.keep_alive);
  ASSERT_EQ(head_status("GET / HTTP/1.0\r\nExpect: foo\r\n\r\n", &parsed), 0);
  EXPECT_FALSE(parsed.keep_alive);
  ASSERT_EQ(head_status("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &parsed), 0);
  EXPECT_TRUE(parsed.keep_alive);
}

TEST(HeadParser, LimitsAreExact) {
  const auto line_of = [](std::size_t bytes) {  // "GET /aaa HTTP/1.1"
    return "GET /" + std::string(bytes - 14, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  };
  EXPECT_EQ(head_status(line_of(kLimits.max_request_line_bytes)), 0);
  EXPECT_EQ(head_status(line_of(kLimits.max_request_line_bytes + 1)), 414);
  EXPECT_EQ(head_status(std::string(kLimits.max_request_line_bytes, 'a')), -1);
  EXPECT_EQ(head_status(std::string(kLimits.max_request_line_bytes + 1, 'a')), 414);

  const auto block_of = [](std::size_t bytes) {
    const std::string host = "Host: h\r\n";
    return "GET / HTTP/1.1\r\n" + host + "A: " + std::string(bytes - host.size() - 5, 'a') +
           "\r\n\r\n";
  };
  EXPECT_EQ(head_status(block_of(kLimits.max_header_bytes - 1)), 0);
  EXPECT_EQ(head_status(block_of(kLimits.max_header_bytes)), 0);
  EXPECT_EQ(head_status(block_of(kLimits.max_header_bytes + 1)), 431);
  const std::string cut = block_of(kLimits.max_header_bytes);
  for (std::size_t missing = 1; missing <= 4; ++missing)
    EXPECT_EQ(head_status(cut.substr(0, cut.size() - missing)), -1) << missing;
  EXPECT_EQ(head_status("GET / HTTP/1.1\r\nA: " + std::string(1 << 20, 'a')), 431);

  const auto fields_of = [](std::size_t count) {
    std::string fields;
    for (std::size_t i = 1; i < count; ++i) fields += "A: b\r\n";  // and Host
    return with_fields(fields);
  };
  EXPECT_EQ(head_status(fields_of(kLimits.max_header_fields)), 0);
  EXPECT_EQ(head_status(fields_of(kLimits.max_header_fields + 1)), 431);
}

TEST(HeadParser, SurvivesMutatedBytes) {
  const std::string good =
      with_fields("Content-Length: 5\r\nConnection: close\r\nExpect: 100-continue\r\n");
  std::mt19937 random(1);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (unsigned edits = random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % bytes.size();
      if (random() % 3 == 0) bytes.erase(at, 1 + random() % 3);
      if (random() % 3 == 0) bytes.insert(at, 1, static_cast<char>(random() % 256));
      if (at < bytes.size()) bytes[at] = static_cast<char>(random() % 256);
    }
    HeadParser whole(kLimits);
    const ParseStatus status = whole.feed(bytes);
    HeadParser pieces(kLimits);  // byte by byte: the same answer
    ParseStatus piecewise = ParseStatus::kNeedMore;
    for (std::size_t end = 1; end <= bytes.size() && piecewise == ParseStatus::kNeedMore; ++end)
      piecewise = pieces.feed(std::string_view(bytes).substr(0, end));
    ASSERT_EQ(status, piecewise) << bytes;
    accepted += status == ParseStatus::kDone ? 1 : 0;
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_LT(accepted, 19'000);
}

// ---------------------------------------------------------------- chunked bodies

struct Decoded {
  int status = 0;  // 0: whole, -1: more is needed, else the refusal's
  std::string body;
  std::string rest;
};

Decoded decode(std::string_view bytes, std::size_t step = std::string_view::npos,
               const ServerOptions& limits = kLimits) {
  ChunkedDecoder decoder(limits, limits.max_body_bytes);
  Decoded result;
  for (;;) {
    const std::size_t taken = std::min(step, bytes.size());
    result.rest.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    std::size_t consumed = 0;
    const ParseStatus status = decoder.feed(result.rest, consumed, result.body);
    result.rest.erase(0, consumed);
    if (status == ParseStatus::kRejected)
      result.status = static_cast<int>(decoder.rejection().status);
    if (status != ParseStatus::kNeedMore) break;
    if (bytes.empty()) {
      result.status = -1;
      break;
    }
  }
  result.rest.append(bytes);
  return result;
}

TEST(ChunkedDecoder, DecodesAtAnyStep) {
  const std::string bytes =
      "5\r\nhello\r\n006;a=b;c=\"d\"\r\n world\r\nA\r\n0123456789\r\n0;x\r\nX-Trailer: "
      "y\r\n\r\nNEXT";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    const Decoded decoded = decode(bytes, step);
    EXPECT_EQ(decoded.status, 0);
    EXPECT_EQ(decoded.body, "hello world0123456789");
    EXPECT_EQ(decoded.rest, "NEXT");
  }
}

TEST(ChunkedDecoder, RefusesWhatIsNotAChunk) {
  for (const std::string bytes : {"ffffffffffffffff\r\n",
                                  "8000000000000000\r\n",
                                  "00000000000000005\r\nhello\r\n0\r\n\r\n",
                                  "+5\r\nhello\r\n0\r\n\r\n",
                                  "-5\r\n",
                                  "0x5\r\nhello\r\n",
                                  "5 \r\nhello\r\n",
                                  " 5\r\nhello",
                                  "5\nhello\r\n",
                                  "\r\n",
                                  "g\r\n",
                                  "5\r\nhelloX",
                                  "5\r\nhello\n",
                                  "5\r\nhello\rX",
                                  "5 ;a\r\nhello\r\n",
                                  "5;a\x01\r\nhello\r\n",
                                  "5;a\rb\r\nhello\r\n",
                                  "0\r\nA b: c\r\n\r\n",
                                  "0\r\n a: b\r\n\r\n",
                                  "0\r\nA: b\n\r\n",
                                  ";a\r\n"}) {
    EXPECT_EQ(decode(bytes).status, 400) << bytes;
    EXPECT_EQ(decode(bytes, 1).status, 400) << bytes;
  }
}

TEST(ChunkedDecoder, LimitsAreExact) {
  ServerOptions limits;
  limits.max_body_bytes = 10;
  limits.max_header_bytes = 64;
  limits.max_header_fields = 2;
  const auto status = [&](const std::string& bytes) {
    return decode(bytes, std::string::npos, limits).status;
  };
  EXPECT_EQ(status("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n"), 0);
  EXPECT_EQ(status("5\r\nhello\r\n6\r\n"), 413);  // before the data
  EXPECT_EQ(status("7fffffffffffffff\r\n"), 413);
  EXPECT_EQ(status("5;" + std::string(1023, 'x') + "\r\nhello\r\n0\r\n\r\n"), 0);
  EXPECT_EQ(status("5;" + std::string(1024, 'x') + "\r\nhello\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status("5;" + std::string(1 << 20, 'x')), 400);
  EXPECT_EQ(status("0\r\nA: b\r\nA: b\r\n\r\n"), 0);
  EXPECT_EQ(status("0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"), 431);
  std::string many;  // extensions that are small each, but not together
  limits.max_body_bytes = 1000;
  for (int i = 0; i < 20; ++i) many += "1;" + std::string(1000, 'x') + "\r\na\r\n";
  EXPECT_EQ(status(many), 400);
}

// ---------------------------------------------------------------- responses

TEST(ResponseFormat, ControlBytesInValuesBecomeSpaces) {
  const std::string head = format_head(
      200, {{"X-Name", "a\r\nSet-Cookie: b\n\r\n<html>"}, {"X-Nul", std::string("a\0b\x7f", 4)}},
      {});
  EXPECT_THAT(head, testing::HasSubstr("X-Name: a  Set-Cookie: b   <html>\r\n"));
  EXPECT_THAT(head, testing::HasSubstr("X-Nul: a b \r\n"));
  EXPECT_EQ(head.find("\r\n\r\n"), head.size() - 4);
}

TEST(ResponseFormat, FramingIsTheServers) {
  HeadFormat format;
  format.content_length = 7;
  format.close = true;
  const std::string head = format_head(
      404, {{"content-length", "99"}, {"Transfer-Encoding", "x"}, {"Connection", "keep-alive"}},
      format);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 404 Not Found\r\nDate: ")) << head;
  EXPECT_TRUE(head.ends_with("Server: tessera\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"))
      << head;
  EXPECT_EQ(head.find("99"), std::string::npos);
  EXPECT_EQ(head.find("keep-alive"), std::string::npos);
}

TEST(ResponseFormat, TrailersAreAnnouncedOnChunkedBodiesAlone) {
  HeadFormat format;
  format.framing = BodyFraming::kChunked;
  EXPECT_THAT(format_head(200, {{"Trailer", "X-A"}}, format), testing::HasSubstr("Trailer: X-A"));
  format.framing = BodyFraming::kUntilEnd;
  EXPECT_EQ(format_head(200, {{"Trailer", "X-A"}}, format).find("X-A"), std::string::npos);
}

TEST(ResponseFormatDeathTest, AHeaderNameIsAToken) {
  EXPECT_DEATH(format_head(200, {{"A b", "c"}}, {}), "");
}

TEST(ResponseFormat, Date) {
  EXPECT_EQ(format_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(OutputQueue, KeepsOrderWhateverIsWritten) {
  OutputQueue queue;
  std::string all;
  std::string written;
  std::mt19937 random(2);
  const auto write = [&](std::size_t limit) {
    std::array<std::string_view, 3> pieces;
    std::string gathered;
    const std::size_t count = queue.gather(pieces);
    for (std::size_t i = 0; i < count; ++i) gathered += pieces[i];
    gathered.resize(std::min(gathered.size(), limit));
    queue.consume(gathered.size());
    written += gathered;
  };
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % (random() % 8 == 0 ? 40'000 : 300),
                      static_cast<char>('a' + random() % 26));
    all += bytes;
    if (random() % 2 == 0) {
      queue.append(std::string_view(bytes));
    } else {
      queue.append(std::move(bytes));
    }
    if (!queue.empty()) write(random() % 20'000);
    ASSERT_EQ(queue.size(), all.size() - written.size());
  }
  while (!queue.empty()) write(100'000);
  EXPECT_EQ(written, all);
}

}  // namespace
}  // namespace tessera::http
