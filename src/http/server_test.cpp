// Requests and refusals over real sockets. Streams and departures: stream_test.cpp.
#include "http/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "http/test_peer.h"

namespace tessera::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Server, AnswersAndKeepsTheConnection) {
  const TestServer server;
  Peer peer = server.peer();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(peer.send(post("body " + std::to_string(i))));
    const Reply reply = peer.read_reply();
    ASSERT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.body, "POST /p?|body " + std::to_string(i));
    EXPECT_EQ(reply.header("Content-Type"), "text/plain");
    EXPECT_EQ(reply.header("Server"), "tessera");
    EXPECT_EQ(reply.header("Date").size(), 29u);
    EXPECT_EQ(reply.header("Connection"), "");
  }
}

TEST(Server, TellsTheHandlerWhoAsksWhat) {
  const auto handler = std::make_shared<ScriptedHandler>();
  std::int64_t announced = 0;
  handler->head_hook = [&](const RequestHead& head, std::int64_t length) {
    EXPECT_EQ(head.client_address, "127.0.0.1");
    EXPECT_EQ(head.header("x-key"), "value");
    announced = length;
    return nullptr;
  };
  const TestServer server({}, handler);
  EXPECT_EQ(server.exchange(post("12345", "X-Key: value\r\n")).body, "POST /p?|12345");
  EXPECT_EQ(announced, 5);
  EXPECT_EQ(server.exchange(get("/a?b=c", "X-Key: value\r\n")).body, "GET /a?b=c|");
  EXPECT_EQ(announced, 0);
  Peer peer = server.peer();
  peer.send(
      "POST /p HTTP/1.1\r\nHost: h\r\nX-Key: value\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(peer.read_reply().status, 200u);
  EXPECT_EQ(announced, -1);
}

TEST(Server, PipelinedRequestsAreAnsweredInOrderOneAtATime) {
  const auto handler = std::make_shared<ScriptedHandler>();
  std::atomic<int> under_way{0};
  std::vector<std::thread> threads;
  handler->request_hook = [&](RequestHead head, std::string, std::shared_ptr<Exchange> exchange) {
    EXPECT_EQ(under_way.fetch_add(1), 0);
    threads.emplace_back([&under_way, path = head.path, exchange] {
      std::this_thread::sleep_for(milliseconds(5));
      --under_way;
      Response response;
      response.body = path;
      exchange->respond(std::move(response));
    });
  };
  const TestServer server({}, handler);
  Peer peer = server.peer();
  std::string all;
  for (int i = 0; i < 10; ++i) all += get("/" + std::to_string(i)) + "\r\n";  // and an empty line
  peer.send(all);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(peer.read_reply().body, "/" + std::to_string(i));
  server.server->shutdown();
  for (std::thread& thread : threads) thread.join();
}

// One of two connections does not wait for what the other's handler does.
TEST(Server, ConnectionsAreSpreadOverTheThreads) {
  const auto handler = std::make_shared<ScriptedHandler>();
  Event second;
  handler->request_hook = [&](const RequestHead& head, const std::string&,
                              const std::shared_ptr<Exchange>& exchange) {
    Response response;
    if (head.path == "/second") second.set();
    if (head.path == "/first" && !second.wait()) response.status = 504;
    exchange->respond(std::move(response));
  };
  const TestServer server({}, handler);
  Peer first = server.peer();
  Peer other = server.peer();
  ASSERT_TRUE(first.send(get("/first")));
  ASSERT_TRUE(other.send(get("/second")));
  EXPECT_EQ(other.read_reply().status, 200u);
  EXPECT_EQ(first.read_reply().status, 200u);
}

TEST(Server, TakesARequestByteByByte) {
  const TestServer server;
  Peer peer = server.peer();
  for (const char c : chunked_post("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n") + post("fgh"))
    ASSERT_TRUE(peer.send(std::string(1, c)));
  EXPECT_EQ(peer.read_reply().body, "POST /p?|abcde");
  EXPECT_EQ(peer.read_reply().body, "POST /p?|fgh");
}

TEST(Server, BodiesUpToTheLimit) {
  ServerOptions options;
  options.max_body_bytes = 300'000;
  const TestServer server(options);
  for (const std::size_t bytes : {299'999, 300'000}) {
    const Reply reply = server.exchange(post(std::string(bytes, 'x')));
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.body.size(), bytes + 9);
  }
  // Refused on the announcement alone, and while chunks arrive.
  for (const std::string length : {"300001", "9223372036854775808", "99999999999999999999999"}) {
    const Reply reply =
        server.exchange("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + "\r\n\r\n");
    EXPECT_EQ(reply.status, 413u) << length;
    EXPECT_EQ(reply.body, "request_too_large");
    EXPECT_EQ(reply.header("Connection"), "close");
  }
  EXPECT_EQ(server.exchange(chunked_post("493E1\r\n")).status, 413u);
  EXPECT_EQ(server.exchange(post(std::string(300'001, 'x'))).status, 413u);
  EXPECT_EQ(server.handler->requests, 2);
}

TEST(Server, ARefusedUploadCanBeReadAlthoughItIsNotTaken) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  const TestServer server(options);
  Peer peer = server.peer();
  // A client that sends all before it reads: our answer must not be lost in a reset.
  EXPECT_TRUE(peer.send(post(std::string(8 << 20, 'x'))));
  EXPECT_EQ(peer.read_reply().status, 413u);
  EXPECT_TRUE(peer.ended());
}

// Each of these ends the connection: a second request behind it is never seen.
TEST(Server, MalformedRequestsAreRefusedAndTheConnectionEnds) {
  struct Case {
    unsigned status;
    std::string bytes;
  };
  const std::string smuggled = get("/smuggled");
  const std::vector<Case> cases = {
      {400,
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n"},
      {400, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
      {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
      {400, get("/", "A: b\r\n folded\r\n")},
      {400, get("/", "A : b\r\n")},
      {400, get("/../x")},
      {400, "GET / HTTP/3.0\r\nHost: h\r\n\r\n"},
      {400, "\r\n\r\n\r\n\r\n\r\n\r\n" + get("/")},
      {400, chunked_post("5\r\nhelloX\r\n0\r\n\r\n")},
      {400, chunked_post("fffffffffffffffff\r\n")},
      {400, chunked_post("0x5\r\nhello\r\n0\r\n\r\n")},
      {414, "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n"},
      {431, get("/", "A: " + std::string(40'000, 'a') + "\r\n")},
      {417, post("x", "Expect: foo\r\n")},
  };
  const TestServer server;
  for (const Case& one : cases) {
    Peer peer = server.peer();
    peer.send(one.bytes + smuggled);
    const Reply reply = peer.read_reply();
    EXPECT_EQ(reply.status, one.status) << one.bytes.substr(0, 100);
    EXPECT_EQ(reply.header("Connection"), "close");
    EXPECT_TRUE(peer.ended()) << one.bytes.substr(0, 100);
    EXPECT_EQ(peer.received(), "");
  }
  EXPECT_EQ(server.handler->requests, 0);
  EXPECT_EQ(server.exchange(get("/still")).status, 200u);
}

TEST(Server, ABodyIsNeverReadAsARequest) {
  const TestServer server;
  const std::string inner = get("/smuggled");
  for (const std::string method : {"GET", "HEAD", "DELETE", "POST"}) {
    Peer peer = server.peer();
    peer.send(method + " /p HTTP/1.1\r\nHost: h\r\nContent-Length: " +
              std::to_string(inner.size()) + "\r\n\r\n" + inner + get("/next"));
    EXPECT_EQ(peer.read_reply(method == "HEAD").status, 200u);
    EXPECT_EQ(peer.read_reply().body, "GET /next?|");
  }
}

TEST(Server, TrailersAreDropped) {
  const auto handler = std::make_shared<ScriptedHandler>();
  handler->request_hook = [](RequestHead head, std::string body,
                             std::shared_ptr<Exchange> exchange) {
    Response response;
    response.body = body + std::to_string(head.header_count("Authorization"));
    exchange->respond(std::move(response));
  };
  const TestServer server({}, handler);
  EXPECT_EQ(server.exchange(chunked_post("1\r\na\r\n0\r\nAuthorization: Bearer x\r\n\r\n")).body,
            "a0");
}

TEST(Server, HeadHasNoBodyAnd204NoLength) {
  const auto handler = std::make_shared<ScriptedHandler>();
  handler->request_hook = [](RequestHead head, std::string, std::shared_ptr<Exchange> exchange) {
    Response response;
    if (head.path == "/none") {
      response.status = 204;
    } else {
      response.body = "hello";
    }
    if (head.path == "/stream") {
      exchange->start_stream(200, {});
      exchange->write("hello");
      exchange->finish_stream();
    } else {
      exchange->respond(std::move(response));
    }
  };
  const TestServer server({}, handler);
  Peer peer = server.peer();
  peer.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n" +
            get("/none") + get("/"));
  Reply reply = peer.read_reply(true);
  EXPECT_EQ(reply.header("Content-Length"), "5");
  reply = peer.read_reply(true);
  EXPECT_EQ(reply.header("Transfer-Encoding"), "chunked");
  reply = peer.read_reply();
  EXPECT_EQ(reply.status, 204u);
  EXPECT_EQ(reply.header("Content-Length"), "");
  EXPECT_EQ(peer.read_reply().body, "hello");
}

std::unique_ptr<Response> refuse_without_key(const RequestHead& head, std::int64_t) {
  if (head.header("Key") == "good") return nullptr;
  auto response = std::make_unique<Response>();
  response->status = 401;
  response->body = "who?";
  response->headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

TEST(Server, RefusalOfTheHeadComesBeforeTheBody) {
  const auto handler = std::make_shared<ScriptedHandler>();
  handler->head_hook = refuse_without_key;
  const TestServer server({}, handler);

  Peer peer = server.peer();  // no body: the connection goes on
  peer.send(get("/"));
  EXPECT_EQ(peer.read_reply().status, 401u);
  peer.send(get("/", "Key: good\r\n"));
  EXPECT_EQ(peer.read_reply().status, 200u);

  peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");  // the body never comes
  const Reply reply = peer.read_reply();
  EXPECT_EQ(reply.status, 401u);
  EXPECT_EQ(reply.body, "who?");
  EXPECT_EQ(reply.header("WWW-Authenticate"), "Bearer");
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(handler->requests, 1);
}

TEST(Server, Continue100IsSaidAfterTheHeadWasAccepted) {
  const auto handler = std::make_shared<ScriptedHandler>();
  handler->head_hook = refuse_without_key;
  ServerOptions options;
  options.max_body_bytes = 100;
  const TestServer server(options, handler);
  const auto head = [](std::string_view fields) {
    return "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + std::string(fields) + "\r\n";
  };
  Peer good = server.peer();
  good.send(head("Key: good\r\nContent-Length: 5\r\n"));
  ASSERT_TRUE(good.wait_for("HTTP/1.1 100 Continue\r\n\r\n"));
  good.send("hello");
  Reply reply = good.read_reply();
  EXPECT_THAT(reply.interim, testing::ElementsAre(100u));
  EXPECT_EQ(reply.body, "POST /?|hello");
  good.send(head("Key: good\r\nContent-Length: 5\r\n") + "hello");  // did not wait: not told
  reply = good.read_reply();
  EXPECT_TRUE(reply.interim.empty());
  EXPECT_EQ(reply.status, 200u);

  reply = server.exchange(head("Key: bad\r\nContent-Length: 5\r\n"));
  EXPECT_TRUE(reply.interim.empty());
  EXPECT_EQ(reply.status, 401u);
  reply = server.exchange(head("Key: good\r\nContent-Length: 101\r\n"));
  EXPECT_TRUE(reply.interim.empty());
  EXPECT_EQ(reply.status, 413u);
}

TEST(Server, Http10) {
  const TestServer server;
  Peer one = server.peer();
  one.send("GET /a HTTP/1.0\r\n\r\n");
  const std::string all = one.read_to_end();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(all, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(all.ends_with("GET /a?|"));

  Peer kept = server.peer();
  for (int i = 0; i < 3; ++i) {
    kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const Reply reply = kept.read_reply();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.header("Connection"), "keep-alive");
  }
}

TEST(Server, ConnectionCloseIsObeyed) {
  const TestServer server;
  Peer peer = server.peer();
  peer.send(get("/", "Connection: close\r\n") + get("/never"));
  EXPECT_EQ(peer.read_reply().header("Connection"), "close");
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(server.handler->requests, 1);
}

TEST(Server, ResponseHeadersCannotBeSplit) {
  const auto handler = std::make_shared<ScriptedHandler>();
  handler->request_hook = [](RequestHead, std::string body, std::shared_ptr<Exchange> exchange) {
    Response response;
    response.headers.emplace_back("X-Echo", body);
    exchange->respond(std::move(response));
  };
  const TestServer server({}, handler);
  const Reply reply = server.exchange(post("a\r\nSet-Cookie: b\r\n\r\n<html>"));
  EXPECT_EQ(reply.header("Set-Cookie"), "");
  EXPECT_EQ(reply.header("X-Echo"), "a  Set-Cookie: b    <html>");
  EXPECT_EQ(reply.body, "");
}

TEST(Server, SlowRequestsEnd) {
  ServerOptions options;
  options.header_timeout = milliseconds(150);
  options.body_timeout = milliseconds(150);
  options.keep_alive_timeout = milliseconds(150);
  const TestServer server(options);

  Peer header = server.peer();  // dripping does not extend the deadline
  header.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 20 && header.send("A"); ++i) std::this_thread::sleep_for(milliseconds(15));
  EXPECT_EQ(header.read_reply().status, 408u);
  EXPECT_TRUE(header.ended());

  Peer body = server.peer();
  body.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(body.read_reply().status, 408u);
  EXPECT_TRUE(body.ended());

  Peer silent = server.peer();  // asked nothing, so nothing is said
  EXPECT_EQ(silent.read_to_end(), "");
  Peer idle = server.peer();
  idle.send(get("/"));
  EXPECT_EQ(idle.read_reply().status, 200u);
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(server.handler->requests, 1);
}

TEST(Server, ABodyHasToKeepUpARate) {
  ServerOptions options;
  options.body_rate_grace = milliseconds(50);
  options.min_body_bytes_per_second = 100;
  const TestServer server(options);
  Peer slow = server.peer();
  slow.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n");
  for (int i = 0; i < 10 && slow.send("x"); ++i) std::this_thread::sleep_for(milliseconds(40));
  EXPECT_EQ(slow.read_reply().status, 408u);
  EXPECT_EQ(server.handler->requests, 0);
}

TEST(Server, CutRequestsGetA400) {
  const TestServer server;
  for (const std::string bytes :
       {"GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"}) {
    Peer peer = server.peer();
    peer.send(bytes);
    peer.end();
    EXPECT_EQ(peer.read_reply().status, 400u);
  }
}

TEST(Server, AThousandConnections) {
  ServerOptions options;
  options.max_connections_per_address = 0;  // no limit
  const TestServer server(options);
  std::vector<Peer> peers;
  for (int i = 0; i < 1000; ++i) {
    peers.push_back(server.peer());
    ASSERT_TRUE(peers.back().connected()) << i;
    peers.back().send("GET /" + std::to_string(i));  // the rest comes later
  }
  EXPECT_EQ(server.exchange(get("/canary")).status, 200u);
  for (Peer& peer : peers) peer.send(" HTTP/1.1\r\nHost: h\r\n\r\n");
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(peers[static_cast<std::size_t>(i)].read_reply().body,
              "GET /" + std::to_string(i) + "?|");
}

TEST(Server, ConnectionsOverTheLimitGetA503) {
  ServerOptions options;
  options.max_connections = 3;
  const TestServer server(options);
  std::vector<Peer> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(server.peer());
    peers.back().send(get("/"));
    EXPECT_EQ(peers.back().read_reply().status, 200u);
  }
  {
    Peer refused = server.peer();
    refused.send(post("hello"));
    const Reply reply = refused.read_reply();
    EXPECT_EQ(reply.status, 503u);
    EXPECT_EQ(reply.body, "server_overloaded");
    EXPECT_TRUE(refused.ended());
  }
  EXPECT_EQ(server.handler->requests, 3);
  peers.clear();  // and then there is room again
  unsigned status = 503;
  for (int i = 0; i < 100 && status != 200; ++i) {
    status = server.exchange(get("/")).status;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(status, 200u);
}

TEST(Server, OneClientCannotTakeAllConnections) {
  ServerOptions options;
  options.host = "0.0.0.0";
  options.max_connections_per_address = 3;
  const TestServer server(options);
  std::vector<Peer> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(server.peer());
    peers.back().send(get("/"));
    EXPECT_EQ(peers.back().read_reply().status, 200u);
  }
  EXPECT_EQ(server.server->stats().connections, 3u);
  {
    Peer refused = server.peer();
    refused.send(get("/"));
    const Reply reply = refused.read_reply();
    EXPECT_EQ(reply.status, 503u);
    EXPECT_EQ(reply.body, "server_overloaded");
    EXPECT_EQ(reply.header("Connection"), "close");
    EXPECT_TRUE(refused.ended());
  }
  Peer other(server.server->port(), 0, "127.0.0.2");  // another client has its own
  other.send(get("/"));
  EXPECT_EQ(other.read_reply().status, 200u);

  peers.pop_back();  // and then there is room again
  unsigned status = 503;
  for (int i = 0; i < 100 && status != 200; ++i) {
    status = server.exchange(get("/")).status;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(status, 200u);
}

TEST(Server, AClientWithoutAKeyIsSentAwayAfterAWhile) {
  const auto handler = std::make_shared<ScriptedHandler>();
  handler->head_hook = refuse_without_key;
  ServerOptions options;
  options.max_unauthenticated_requests = 3;
  const TestServer server(options, handler);
  Peer peer = server.peer();
  for (int i = 1; i <= 3; ++i) {
    peer.send(get("/") + get("/", "Key: good\r\n"));
    const Reply reply = peer.read_reply();
    EXPECT_EQ(reply.status, 401u);
    EXPECT_EQ(reply.header("Connection"), i < 3 ? "" : "close");
    if (i < 3) {
      EXPECT_EQ(peer.read_reply().status, 200u);  // which does not count
    }
  }
  EXPECT_TRUE(peer.ended());
  EXPECT_EQ(peer.received(), "");
}

TEST(Server, OutOfDescriptorsItWaitsAndGoesOn) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "the sanitizer's check of virtual calls needs descriptors of its own";
#endif
  const TestServer server;
  Peer before = server.peer();
  before.send(get("/"));
  EXPECT_EQ(before.read_reply().status, 200u);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  const int highest = ::fcntl(0, F_DUPFD, 0);
  ASSERT_GE(highest, 0);
  ::close(highest);
  // The client's socket takes the last descriptor there is, so that accept() finds none.
  rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(highest) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  Peer peer = server.peer();
  EXPECT_TRUE(peer.connected());
  peer.send(get("/late"));
  EXPECT_EQ(peer.read_more(300), Peer::Read::kTimeout);
  before.send(get("/"));  // others are served meanwhile
  EXPECT_EQ(before.read_reply().status, 200u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(peer.read_reply().body, "GET /late?|");
}

TEST(Server, ListenSaysWhatIsWrong) {
  const TestServer server;
  ServerOptions options;
  options.port = server.server->port();
  const auto taken = Server::listen(options, server.handler);
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().code, ErrorCode::kIo);
  EXPECT_THAT(taken.error().message, HasSubstr("127.0.0.1:" + std::to_string(options.port)));
  EXPECT_THAT(taken.error().message, HasSubstr("in use"));
  options.host = "no such host.invalid";
  EXPECT_FALSE(Server::listen(options, server.handler).has_value());
  options.host = "localhost";
  options.port = 0;
  EXPECT_TRUE(Server::listen(options, server.handler).has_value());  // and never started
}

TEST(Server, StormOfConnections) {
  const TestServer server;
  for (int i = 0; i < 500; ++i) {
    Peer peer = server.peer();
    if (i % 3 == 0) peer.send(i % 2 == 0 ? "GET / HTT" : get("/"));
    if (i % 2 == 0) peer.reset();
  }
  EXPECT_EQ(server.exchange(get("/")).status, 200u);
}

}  // namespace
}  // namespace tessera::http
