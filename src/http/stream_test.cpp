// Answers that take their time: streams, slow readers, clients that leave, shutdown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <future>
#include <thread>

#include "http/test_peer.h"

namespace tessera::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Keeps each request's exchange for the test to answer, and tells when its client is gone.
struct Held {
  std::shared_ptr<Exchange> exchange;
  Event gone;
  std::atomic<int> gone_calls{0};
};

class HoldingServer {
 public:
  explicit HoldingServer(ServerOptions options = {}) {
    const auto handler = std::make_shared<ScriptedHandler>();
    handler->request_hook = [this](RequestHead, std::string, std::shared_ptr<Exchange> exchange) {
      auto held = std::make_shared<Held>();
      held->exchange = std::move(exchange);
      held->exchange->on_disconnect([held] {
        ++held->gone_calls;
        held->gone.set();
      });
      std::lock_guard lock(mutex_);
      held_.push_back(std::move(held));
      changed_.notify_all();
    };
    test_ = std::make_unique<TestServer>(options, handler);
  }
  ~HoldingServer() { test_->server->shutdown(); }

  Peer peer(int receive_buffer = 0) { return test_->peer(receive_buffer); }
  Server& server() { return *test_->server; }
  std::shared_ptr<Held> next() {
    std::unique_lock lock(mutex_);
    CHECK(changed_.wait_for(lock, std::chrono::seconds(10), [this] { return !held_.empty(); }));
    auto held = std::move(held_.front());
    held_.erase(held_.begin());
    return held;
  }
  // A request whose stream has begun, as its client sees it too.
  std::shared_ptr<Held> stream(Peer& peer, std::string_view request = "") {
    peer.send(request.empty() ? get("/") : std::string(request));
    auto held = next();
    held->exchange->start_stream(200, {{"Content-Type", "text/event-stream"}});
    held->exchange->write("first");
    EXPECT_TRUE(peer.wait_for("first"));
    return held;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Held>> held_;
  std::unique_ptr<TestServer> test_;
};

Response text(std::string body) {
  Response response;
  response.body = std::move(body);
  return response;
}

// Waits for what another thread is about to make true.
template <class Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

TEST(Stream, FramesArriveAsTheyAreWrittenAndTheConnectionGoesOn) {
  HoldingServer server;
  Peer peer = server.peer();
  for (int round = 0; round < 3; ++round) {
    peer.send(post("body"));
    const auto held = server.next();
    held->exchange->start_stream(200, {{"Content-Type", "text/event-stream"}, {"X-One", "two"}});
    ASSERT_TRUE(peer.wait_for("\r\n\r\n"));  // the head alone, at once
    std::string expected;
    for (int i = 0; i < 10; ++i) {
      const std::string frame = "data: " + std::to_string(i) + "\n\n";
      held->exchange->write(frame);
      ASSERT_TRUE(peer.wait_for(frame));
      expected += frame;
    }
    EXPECT_EQ(server.server().active_exchanges(), 1u);
    held->exchange->finish_stream();
    const Reply reply = peer.read_reply();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.header("x-one"), "two");
    EXPECT_EQ(reply.header("Content-Length"), "");
    EXPECT_TRUE(reply.whole);
    EXPECT_EQ(reply.body, expected);
    EXPECT_TRUE(eventually([&] { return server.server().active_exchanges() == 0; }));
    EXPECT_EQ(held->gone_calls, 0);
    held->exchange->write("too late");  // does nothing
    held->exchange->respond(text("too late"));
    EXPECT_EQ(held->exchange->buffered(), 0u);
  }
}

TEST(Stream, SilenceIsFilledWithComments) {
  ServerOptions options;
  options.stream_ping_interval = milliseconds(20);
  HoldingServer server(options);
  Peer peer = server.peer();
  const auto held = server.stream(peer);
  EXPECT_TRUE(peer.wait_for(": ping\n\n"));
  held->exchange->write("second");
  held->exchange->finish_stream();
  EXPECT_TRUE(peer.wait_for("second"));
}

TEST(Stream, QueuedFramesShareAChunk) {
  HoldingServer server;
  Peer peer = server.peer();
  peer.send(get("/"));
  const auto held = server.next();
  Event go;
  held->exchange->post([&] {  // while the strand is busy nothing is taken
    held->exchange->start_stream(200, {});
    for (int i = 0; i < 100; ++i) held->exchange->write("frame");
    held->exchange->finish_stream();
    go.set();
  });
  ASSERT_TRUE(go.wait());
  ASSERT_TRUE(peer.wait_for("\r\n\r\n1f4\r\n"));  // 500 bytes
  const Reply reply = peer.read_reply();
  EXPECT_EQ(reply.body.size(), 500u);
  EXPECT_TRUE(reply.whole);
}

TEST(Stream, ManyWritersOnManyConnections) {
  HoldingServer server;
  constexpr int kStreams = 50;
  std::vector<Peer> peers;
  std::vector<std::shared_ptr<Held>> held;
  for (int i = 0; i < kStreams; ++i) {
    peers.push_back(server.peer());
    held.push_back(server.stream(peers.back()));
  }
  std::thread engine([&] {  // as the engine does: one step, a frame for everyone
    for (int step = 0; step < 200; ++step) {
      for (const auto& one : held) one->exchange->write("data: token\n\n");
    }
    for (const auto& one : held) one->exchange->finish_stream();
  });
  for (Peer& peer : peers) {
    const Reply reply = peer.read_reply();
    EXPECT_TRUE(reply.whole);
    EXPECT_EQ(reply.body.size(), 5u + 200 * 13);
  }
  engine.join();
}

TEST(Stream, TrailersStandBehindTheLastChunk) {
  HoldingServer server;
  Peer peer = server.peer();
  auto held = server.stream(peer);
  held->exchange->finish_stream({{"X-Digest", "abc\r\nX-Other: d"}, {"Content-Length", "1"}});
  ASSERT_TRUE(peer.wait_for("\r\n0\r\nX-Digest: abc  X-Other: d\r\n\r\n")) << peer.received();
  peer.send(get("/"));  // the connection goes on
  held = server.next();
  held->exchange->respond(text("next"));
  ASSERT_TRUE(peer.wait_for("next"));

  Peer old = server.peer();
  held = server.stream(old, "GET / HTTP/1.0\r\n\r\n");
  held->exchange->finish_stream({{"X-Digest", "abc"}});
  EXPECT_TRUE(old.read_to_end().ends_with("\r\n\r\nfirst"));
}

TEST(Stream, StatsCountWhatIsBuffered) {
  HoldingServer server;
  Peer slow = server.peer(4096);
  const auto held = server.stream(slow);
  EXPECT_EQ(server.server().stats().connections, 1u);
  EXPECT_EQ(server.server().stats().active_exchanges, 1u);
  EXPECT_EQ(server.server().stats().buffered_bytes, 0u);
  held->exchange->write(std::string(20 << 20, 'x'));
  EXPECT_TRUE(eventually([&] { return server.server().stats().buffered_bytes > 1'000'000; }));
  slow.reset();
  EXPECT_TRUE(eventually([&] {
    const ServerStats stats = server.server().stats();
    return stats.connections + stats.active_exchanges + stats.buffered_bytes == 0;
  }));
}

TEST(Stream, ToHttp10EndsWithTheConnection) {
  HoldingServer server;
  Peer peer = server.peer();
  auto held = server.stream(peer, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  held->exchange->write(" second");
  held->exchange->finish_stream();
  const std::string all = peer.read_to_end();
  EXPECT_THAT(all, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(all.ends_with("\r\n\r\nfirst second")) << all;

  Peer cut = server.peer();  // a cut stream does not look finished
  held = server.stream(cut, "GET / HTTP/1.0\r\n\r\n");
  server.server().shutdown();
  Peer::Read last = Peer::Read::kBytes;
  while (last == Peer::Read::kBytes) last = cut.read_more();
  EXPECT_EQ(last, Peer::Read::kReset);
}

TEST(Stream, ASlowReaderHoldsBackTheWriterAndNothingElse) {
  ServerOptions options;
  options.max_output_buffer_bytes = 200'000;
  HoldingServer server(options);
  Peer slow = server.peer(4096);
  const auto held = server.stream(slow);
  std::atomic<int> writable{0};
  std::atomic<bool> writing{true};
  held->exchange->on_writable([&] {
    if (!writing) EXPECT_LE(held->exchange->buffered(), 32768u);
    ++writable;
  });
  // Until the kernel's buffers are full too: what waits is still there after a turn of the strand.
  std::size_t written = 5;
  const auto full = [&] { return held->exchange->buffered() >= options.max_output_buffer_bytes; };
  for (int stable = 0; stable < 3;) {
    while (!full()) {
      held->exchange->write(std::string(1000, 'x'));
      written += 1000;
      stable = 0;
      ASSERT_LT(written, std::size_t{64} << 20);
    }
    Event turned;
    held->exchange->post([&] { turned.set(); });
    ASSERT_TRUE(turned.wait());
    std::this_thread::sleep_for(milliseconds(10));
    stable = full() ? stable + 1 : 0;
  }
  writing = false;
  const int before = writable;
  Peer other = server.peer();
  server.stream(other);
  auto reading = std::async(std::launch::async, [&] { return slow.read_reply(); });
  EXPECT_TRUE(eventually([&] { return writable == before + 1; }));
  held->exchange->finish_stream();
  const Reply reply = reading.get();
  EXPECT_TRUE(reply.whole);
  EXPECT_EQ(reply.body.size(), written);
  EXPECT_EQ(held->gone_calls, 0);
}

TEST(Stream, AReaderThatStopsIsGivenUp) {
  ServerOptions options;
  options.write_stall_timeout = milliseconds(200);
  HoldingServer server(options);
  Peer stuck = server.peer(4096);
  const auto held = server.stream(stuck);
  // More than the kernel buffers on both sides.
  for (int i = 0; i < 200; ++i) held->exchange->write(std::string(100'000, 'x'));
  EXPECT_TRUE(held->gone.wait());
  EXPECT_EQ(held->exchange->buffered(), 0u);
  EXPECT_TRUE(eventually([&] { return server.server().active_exchanges() == 0; }));

  Peer whole = server.peer(4096);  // an answer in one piece is no different
  whole.send(get("/"));
  const auto second = server.next();
  second->exchange->respond(text(std::string(20 << 20, 'x')));
  EXPECT_TRUE(second->gone.wait());
}

TEST(Stream, AClientThatLeavesIsNoticed) {
  HoldingServer server;
  {
    Peer peer = server.peer();  // reset while streaming: without any write of ours
    const auto held = server.stream(peer);
    peer.reset();
    EXPECT_TRUE(held->gone.wait());
  }
  {
    Peer peer = server.peer();  // closed while streaming, and nothing to write: the probe finds out
    const auto held = server.stream(peer);
    peer.close();
    EXPECT_TRUE(held->gone.wait());
    EXPECT_EQ(held->gone_calls, 1);
    held->exchange->write("nobody reads");
    EXPECT_EQ(held->exchange->buffered(), 0u);
    Event late;  // whoever asks later is told as well
    held->exchange->on_disconnect([&] { late.set(); });
    EXPECT_TRUE(late.wait());
    Event posted;
    held->exchange->post([&] { posted.set(); });
    EXPECT_TRUE(posted.wait());
  }
  {
    Peer peer = server.peer();  // closed while a plain answer is awaited
    peer.send(post("hello"));
    const auto held = server.next();
    peer.close();
    EXPECT_TRUE(held->gone.wait());
  }
  {
    Peer peer = server.peer();  // reset then
    peer.send(post("hello"));
    const auto held = server.next();
    peer.reset();
    EXPECT_TRUE(held->gone.wait());
  }
  {
    Peer peer = server.peer();  // closed with more requests sent than we are willing to hold
    peer.send(get("/"));
    const auto held = server.next();
    const std::string more(150'000, '\n');
    peer.send(more);
    std::this_thread::sleep_for(milliseconds(50));
    peer.reset();
    EXPECT_TRUE(held->gone.wait());
  }
  EXPECT_TRUE(eventually([&] { return server.server().active_exchanges() == 0; }));
}

// Rings in the moments in which they are of no use any more, or nearly.
TEST(Stream, RingsMeetAnswersAndClientsThatEnd) {
  HoldingServer server;
  {
    Peer peer = server.peer();  // the last token and the end in one call; two answers in a row
    ASSERT_TRUE(peer.send(post("one") + post("two")));
    std::shared_ptr<Held> before;
    for (const std::string body : {"first", "second"}) {
      const auto held = server.next();
      held->exchange->on_ring(
          [exchange = std::weak_ptr(held->exchange), body, calls = 0]() mutable {
            const auto alive = exchange.lock();
            if (alive == nullptr || ++calls > 1) return;
            alive->start_stream(200, {});
            alive->write(body);
            alive->finish_stream();
          });
      if (before) before->exchange->ring();  // of the answer that is over
      held->exchange->ring();
      held->exchange->ring();
      const Reply reply = peer.read_reply();
      EXPECT_TRUE(reply.whole);
      EXPECT_EQ(reply.body, body);
      before = held;
    }
  }
  {
    Peer peer = server.peer();  // gone between ring and call, and while others ring on
    const auto held = server.stream(peer);
    Event rung;
    held->exchange->on_ring([&] {
      held->exchange->write("nobody reads");
      rung.set();
    });
    std::atomic<bool> stop{false};
    std::thread ringing([&] {
      while (!stop) held->exchange->ring();
    });
    EXPECT_TRUE(rung.wait());
    peer.reset();
    EXPECT_TRUE(held->gone.wait());
    stop = true;
    ringing.join();
    Event called;  // behind the last ring
    held->exchange->post([&] { called.set(); });
    EXPECT_TRUE(called.wait());
  }
  EXPECT_TRUE(eventually([&] { return server.server().active_exchanges() == 0; }));
}

TEST(Stream, AHalfClosedClientGetsItsWholeAnswer) {
  HoldingServer server;
  {
    Peer peer = server.peer();
    peer.send(post("hello"));
    const auto held = server.next();
    peer.end();
    ASSERT_TRUE(peer.wait_for("HTTP/1.1 102 Processing\r\n\r\n"));
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_EQ(held->gone_calls, 0);
    held->exchange->respond(text("here"));
    const Reply reply = peer.read_reply();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_EQ(reply.body, "here");
    EXPECT_TRUE(reply.whole);
    EXPECT_TRUE(peer.ended());
  }
  {
    Peer peer = server.peer();  // and its whole stream, with the probes within
    const auto held = server.stream(peer);
    peer.end();
    ASSERT_TRUE(peer.wait_for("first\r\n0"));
    std::this_thread::sleep_for(milliseconds(50));
    held->exchange->write("second");
    ASSERT_TRUE(peer.wait_for("first\r\n06\r\nsecond"));
    held->exchange->finish_stream();
    const Reply reply = peer.read_reply();
    EXPECT_EQ(reply.body, "firstsecond");
    EXPECT_TRUE(reply.whole);
    EXPECT_EQ(held->gone_calls, 0);
  }
  {
    Peer peer = server.peer();  // a fast answer needs no probe
    peer.send(get("/") + get("/second"));
    peer.end();
    server.next()->exchange->respond(text("one"));
    server.next()->exchange->respond(text("two"));
    Reply reply = peer.read_reply();
    EXPECT_TRUE(reply.interim.empty());
    EXPECT_EQ(reply.body, "one");
    EXPECT_EQ(peer.read_reply().body, "two");
  }
}

TEST(Stream, AHalfClosedClientThatThenLeavesIsNoticed) {
  HoldingServer server;
  Peer peer = server.peer();
  peer.send(post("hello"));
  const auto held = server.next();
  peer.end();
  ASSERT_TRUE(peer.wait_for("102"));
  peer.close();
  EXPECT_TRUE(held->gone.wait());
}

TEST(Stream, UrgentDataDoesNotSpin) {
  HoldingServer server;
  Peer peer = server.peer();
  const auto held = server.stream(peer);
  peer.send_urgent();
  peer.end();
  ASSERT_TRUE(peer.wait_for("first\r\n0"));  // the watch for errors is armed now
  timespec before{};
  timespec after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(milliseconds(200));
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const auto used_ms =
      (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1'000'000;
  EXPECT_LT(used_ms, 100);
  held->exchange->write("second");
  held->exchange->finish_stream();
  EXPECT_TRUE(peer.read_reply().whole);
}

TEST(Stream, AForgottenExchangeIsAnswered) {
  HoldingServer server;
  Peer peer = server.peer();
  peer.send(get("/"));
  server.next()->exchange.reset();
  Reply reply = peer.read_reply();
  EXPECT_EQ(reply.status, 500u);
  EXPECT_EQ(reply.body, "internal_error");

  // Here the last owner is the callback, which ends in the middle of a call of the exchange.
  Peer cut = server.peer();
  Exchange* exchange = server.stream(cut)->exchange.get();
  exchange->on_disconnect(nullptr);
  reply = cut.read_reply();
  EXPECT_FALSE(reply.whole);  // cut, not finished
  EXPECT_EQ(reply.body, "first");
}

TEST(Stream, StopAcceptingLetsAnswersEnd) {
  HoldingServer server;
  Peer idle = server.peer();
  idle.send(get("/"));
  server.next()->exchange->respond(text("one"));
  EXPECT_EQ(idle.read_reply().body, "one");
  Peer streaming = server.peer();
  const auto stream = server.stream(streaming);
  Peer waiting = server.peer();
  waiting.send(get("/") + get("/never"));
  const auto answer = server.next();

  server.server().stop_accepting();
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(eventually([&] { return !server.peer().connected(); }));
  EXPECT_EQ(server.server().active_exchanges(), 2u);
  stream->exchange->write("second");
  stream->exchange->finish_stream();
  EXPECT_EQ(streaming.read_reply().body, "firstsecond");
  EXPECT_TRUE(streaming.ended());
  answer->exchange->respond(text("two"));
  const Reply reply = waiting.read_reply();
  EXPECT_EQ(reply.body, "two");
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(waiting.ended());
  EXPECT_TRUE(eventually([&] { return server.server().active_exchanges() == 0; }));
}

TEST(Stream, ShutdownEndsEverything) {
  std::vector<std::shared_ptr<Held>> held;
  {
    HoldingServer server;
    std::vector<Peer> peers;
    for (int i = 0; i < 20; ++i) {
      peers.push_back(server.peer());
      if (i % 2 == 0) {
        held.push_back(server.stream(peers.back()));
      } else {
        peers.back().send(i % 4 == 1 ? "GET / HT" : post("hello"));
        if (i % 4 == 3) held.push_back(server.next());
      }
    }
    held[1]->exchange->on_ring([exchange = held[1]->exchange.get()] { exchange->write("y"); });
    std::thread writer([&] {  // at the same time
      for (int i = 0; i < 1000; ++i) held[0]->exchange->write("x");
      for (int i = 0; i < 1000; ++i) held[1]->exchange->ring();
    });
    server.server().shutdown();
    writer.join();
    for (const auto& one : held) EXPECT_EQ(one->gone_calls, 1);
    EXPECT_EQ(server.server().active_exchanges(), 0u);
    const Reply reply = peers[0].read_reply();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_FALSE(reply.whole);  // a cut stream does not look finished
    for (std::size_t i = 1; i < peers.size(); i += 2) EXPECT_TRUE(peers[i].ended());
  }
  // Exchanges may outlive the server.
  for (const auto& one : held) {
    one->exchange->write("x");
    one->exchange->post([] { ADD_FAILURE() << "ran after the server's end"; });
    one->exchange->ring();
    one->exchange->on_disconnect([] {});
  }
}

}  // namespace
}  // namespace tessera::http
