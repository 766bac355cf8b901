// TLS over real sockets: what is refused, that streams and departures work as they do without it,
// and that certificates can be changed under a running server.
#include "http/tls.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "http/test_peer.h"
#include "http/tls_files.h"
#include "http/wire.h"

namespace tessera::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

// A self-signed pair in a folder of its own.
class Pair {
 public:
  Pair() : folder_(std::filesystem::path(testing::TempDir()) / ("tls_test_" + unique())) {
    std::filesystem::create_directories(folder_);
  }
  ~Pair() { std::filesystem::remove_all(folder_); }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  std::string certificate() const { return folder_ / "cert.pem"; }
  std::string key() const { return folder_ / "key.pem"; }

  // Seconds from now.
  void write(const std::string& name, long from = -3600, long to = 3600) const {
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to);
    X509_set_pubkey(certificate, pair);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    CHECK(X509_sign(certificate, pair, EVP_sha256()) > 0);
    // As a careful operator does: written beside, then renamed.
    save(this->certificate(), [&](FILE* file) { PEM_write_X509(file, certificate); });
    save(key(), [&](FILE* file) {
      PEM_write_PrivateKey(file, pair, nullptr, nullptr, 0, nullptr, nullptr);
    });
    X509_free(certificate);
    EVP_PKEY_free(pair);
  }
  template <class Writer>
  static void save(const std::string& path, Writer writer) {
    FILE* file = std::fopen((path + ".new").c_str(), "w");
    CHECK(file != nullptr);
    writer(file);
    std::fclose(file);
    std::filesystem::rename(path + ".new", path);
  }

 private:
  static std::string unique() {
    static std::atomic<int> count{0};
    return std::to_string(::getpid()) + "_" + std::to_string(++count);
  }
  const std::filesystem::path folder_;
};

// A client; by default it takes any certificate.
class TlsPeer {
 public:
  using Setup = std::function<void(SSL_CTX*)>;
  explicit TlsPeer(std::uint16_t port, const Setup& setup = {}, int receive_buffer = 0)
      : context_(SSL_CTX_new(TLS_client_method())), socket_(connect(port, receive_buffer)) {
    if (setup) setup(context_);
    session_ = SSL_new(context_);
    SSL_set_fd(session_, socket_);
    connected_ = SSL_connect(session_) == 1;
  }
  ~TlsPeer() {
    close();
    SSL_free(session_);
    SSL_CTX_free(context_);
  }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  bool connected() const { return connected_; }
  SSL* session() { return session_; }
  bool send(std::string_view bytes) {
    return SSL_write(session_, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  // Up to and with `text`; what came when the connection ended before.
  std::string read_up_to(std::string_view text) {
    std::string all;
    char bytes[16384];
    while (all.find(text) == std::string::npos) {
      const int count = SSL_read(session_, bytes, sizeof(bytes));
      if (count <= 0) break;
      all.append(bytes, static_cast<std::size_t>(count));
    }
    return all;
  }
  // Whether the connection ended as TLS wants it: with a close_notify.
  bool ended_properly() {
    char byte;
    const int count = SSL_read(session_, &byte, 1);
    return SSL_get_error(session_, count) == SSL_ERROR_ZERO_RETURN;
  }
  void notify_end() { SSL_shutdown(session_); }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close();
  }
  std::string name_of_server() {
    X509* certificate = SSL_get1_peer_certificate(session_);
    if (certificate == nullptr) return {};
    char name[100] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof(name));
    X509_free(certificate);
    return name;
  }

 private:
  static int connect(std::uint16_t port, int receive_buffer) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer != 0)
      ::setsockopt(made, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(::connect(made, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    return made;
  }

  SSL_CTX* context_;
  int socket_;
  SSL* session_ = nullptr;
  bool connected_ = false;
};

class Tls : public testing::Test {
 protected:
  Tls() {
    ::signal(SIGPIPE, SIG_IGN);  // of this client: OpenSSL's own sockets raise it
    pair_.write("first");
    options_.tls_certificate_file = pair_.certificate();
    options_.tls_key_file = pair_.key();
    options_.tls_check_interval = milliseconds(20);
  }
  void start() { test_ = std::make_unique<TestServer>(options_, handler_); }
  std::uint16_t port() const { return test_->server->port(); }
  // The exchange of the next request, instead of an answer.
  void hold() {
    handler_->request_hook = [this](RequestHead, std::string, std::shared_ptr<Exchange> exchange) {
      exchange->on_disconnect([this] { gone_.set(); });
      held_ = std::move(exchange);
      asked_.set();
    };
  }

  Pair pair_;
  ServerOptions options_;
  std::shared_ptr<ScriptedHandler> handler_ = std::make_shared<ScriptedHandler>();
  std::shared_ptr<Exchange> held_;
  Event asked_;
  Event gone_;
  std::unique_ptr<TestServer> test_;
};

TEST_F(Tls, AnswersAndKeepsTheConnection) {
  start();
  TlsPeer peer(port());
  ASSERT_TRUE(peer.connected());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(peer.send(post("body " + std::to_string(i))));
    EXPECT_THAT(peer.read_up_to("POST /p?|body " + std::to_string(i)),
                StartsWith("HTTP/1.1 200 OK\r\n"));
  }
  const std::string large(3'000'000, 'x');
  ASSERT_TRUE(peer.send(post(large + "end", "Connection: close\r\n")));
  EXPECT_THAT(peer.read_up_to("xend"), HasSubstr("POST /p?|" + large + "end"));
  EXPECT_TRUE(peer.ended_properly());
}

TEST_F(Tls, OldProtocolsAndOtherApplicationsAreRefused) {
  start();
  const auto exactly = [](int version) {
    return [version](SSL_CTX* context) {
      SSL_CTX_set_security_level(context, 0);
      SSL_CTX_set_min_proto_version(context, version);
      SSL_CTX_set_max_proto_version(context, version);
    };
  };
  EXPECT_FALSE(TlsPeer(port(), exactly(TLS1_VERSION)).connected());
  EXPECT_FALSE(TlsPeer(port(), exactly(TLS1_1_VERSION)).connected());
  EXPECT_TRUE(TlsPeer(port(), exactly(TLS1_2_VERSION)).connected());
  EXPECT_TRUE(TlsPeer(port(), exactly(TLS1_3_VERSION)).connected());
  EXPECT_FALSE(TlsPeer(port(),
                       [&](SSL_CTX* context) {  // no forward secrecy, no AEAD
                         exactly(TLS1_2_VERSION)(context);
                         SSL_CTX_set_cipher_list(context, "AES128-SHA:ECDHE-ECDSA-AES128-SHA");
                       })
                   .connected());
  const auto speaking = [](std::string protocols) {
    return [protocols](SSL_CTX* context) {
      SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(protocols.data()),
                              static_cast<unsigned>(protocols.size()));
    };
  };
  EXPECT_FALSE(TlsPeer(port(), speaking("\x02h2")).connected());
  TlsPeer both(port(), speaking("\x02h2\x08http/1.1"));
  ASSERT_TRUE(both.connected());
  const unsigned char* chosen = nullptr;
  unsigned bytes = 0;
  SSL_get0_alpn_selected(both.session(), &chosen, &bytes);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(chosen), bytes), "http/1.1");
  EXPECT_EQ(handler_->heads, 0);
}

TEST_F(Tls, RenegotiationIsRefusedAndTheConnectionGoesOn) {
  start();
  TlsPeer peer(port(),
               [](SSL_CTX* context) { SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION); });
  ASSERT_TRUE(peer.connected());
  SSL_renegotiate(peer.session());
  EXPECT_NE(SSL_do_handshake(peer.session()), 1);
  EXPECT_TRUE(TlsPeer(port()).connected());
}

TEST_F(Tls, PlainHttpIsToldSo) {
  start();
  Peer plain(port());
  plain.send(get("/") + get("/more"));
  const Reply reply = plain.read_reply();
  EXPECT_EQ(reply.status, 400u);
  EXPECT_EQ(reply.header("Connection"), "close");
  EXPECT_TRUE(plain.ended());
  Peer noise(port());
  noise.send(std::string("\0\1\2\3 noise that is neither", 25));
  EXPECT_TRUE(noise.ended() || noise.ended());  // an alert may come first
  EXPECT_EQ(handler_->heads, 0);
}

TEST_F(Tls, HalfAHandshakeIsNotWaitedFor) {
  options_.handshake_timeout = milliseconds(150);
  start();
  std::vector<Peer> silent;
  for (int i = 0; i < 200; ++i) {
    silent.emplace_back(port());
    if (i % 2 == 0) silent.back().send(std::string("\x16\x03\x01\x02\x00\x01", 6));
  }
  TlsPeer peer(port());
  ASSERT_TRUE(peer.connected());
  peer.send(get("/"));
  EXPECT_THAT(peer.read_up_to("GET /?|"), HasSubstr("200 OK"));
  for (Peer& one : silent) EXPECT_TRUE(one.ended());
}

TEST_F(Tls, StreamsWithTrailers) {
  hold();
  start();
  TlsPeer peer(port());
  peer.send(get("/"));
  ASSERT_TRUE(asked_.wait());
  held_->start_stream(200, {});
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string frame = "data: " + std::to_string(i) + "\n\n";
    held_->write(frame);
    all += peer.read_up_to(frame);
  }
  held_->finish_stream({{"X-Digest", "abc"}});
  EXPECT_THAT(peer.read_up_to("\r\n\r\n"), HasSubstr("0\r\nX-Digest: abc\r\n\r\n"));
}

TEST_F(Tls, AClientThatLeavesIsNoticed) {
  hold();
  start();
  const auto leave = {+[](TlsPeer& peer) { peer.reset(); }, +[](TlsPeer& peer) { peer.close(); },
                      +[](TlsPeer& peer) {
                        peer.notify_end();
                        peer.close();
                      }};
  for (const bool streaming : {false, true}) {
    for (const auto& how : leave) {
      Event asked;
      Event gone;
      handler_->request_hook = [&](RequestHead, std::string, std::shared_ptr<Exchange> exchange) {
        exchange->on_disconnect([&] { gone.set(); });
        if (streaming) exchange->start_stream(200, {});
        held_ = std::move(exchange);
        asked.set();
      };
      TlsPeer peer(port());
      peer.send(post("hello"));
      ASSERT_TRUE(asked.wait());
      if (streaming) peer.read_up_to("\r\n\r\n");
      how(peer);
      EXPECT_TRUE(gone.wait()) << "streaming: " << streaming;
    }
  }
}

TEST_F(Tls, AHalfClosedClientGetsItsAnswer) {
  hold();
  start();
  TlsPeer peer(port());
  peer.send(post("hello"));
  ASSERT_TRUE(asked_.wait());
  peer.notify_end();
  EXPECT_THAT(peer.read_up_to("\r\n\r\n"), StartsWith("HTTP/1.1 102 "));
  Response response;
  response.body = "here";
  held_->respond(std::move(response));
  EXPECT_THAT(peer.read_up_to("here"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(peer.ended_properly());
}

TEST_F(Tls, ASlowReaderGetsEverythingInOrder) {
  hold();
  start();
  TlsPeer slow(port(), {}, 4096);
  slow.send(get("/"));
  ASSERT_TRUE(asked_.wait());
  held_->start_stream(200, {});
  std::string expected;
  for (int i = 0; expected.size() < 12'000'000; ++i) {
    std::string frame(static_cast<std::size_t>(1 + i % 40'000), static_cast<char>('a' + i % 26));
    expected += frame;
    held_->write(std::move(frame));
  }
  std::this_thread::sleep_for(milliseconds(50));  // until the socket is full
  held_->write("END");
  held_->finish_stream();
  const std::string all = slow.read_up_to("END\r\n0\r\n\r\n");
  std::string body;
  for (std::size_t at = all.find("\r\n\r\n") + 4; at < all.size();) {
    const std::size_t line = all.find("\r\n", at);
    const std::size_t size = std::stoul(all.substr(at, line - at), nullptr, 16);
    body += all.substr(line + 2, size);
    at = line + 2 + size + 2;
  }
  EXPECT_EQ(body.size(), expected.size() + 3);
  EXPECT_TRUE(body == expected + "END");
}

TEST_F(Tls, AReaderThatStopsIsGivenUp) {
  options_.write_stall_timeout = milliseconds(200);
  hold();
  start();
  TlsPeer stuck(port(), {}, 4096);
  stuck.send(get("/"));
  ASSERT_TRUE(asked_.wait());
  Response response;
  response.body = std::string(20 << 20, 'x');
  held_->respond(std::move(response));
  EXPECT_TRUE(gone_.wait());
}

TEST_F(Tls, ANewPairIsUsedAndABadOneIsNot) {
  start();
  TlsPeer before(port());
  EXPECT_EQ(before.name_of_server(), "first");
  const auto becomes = [&](const std::string& name) {
    for (int i = 0; i < 500; ++i) {
      if (TlsPeer(port()).name_of_server() == name) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  };
  pair_.write("second");
  EXPECT_TRUE(becomes("second"));
  before.send(get("/"));  // the old connection goes on
  EXPECT_THAT(before.read_up_to("GET /?|"), HasSubstr("200 OK"));

  Pair other;
  other.write("other");
  std::filesystem::copy_file(other.key(), pair_.key(),
                             std::filesystem::copy_options::overwrite_existing);
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(TlsPeer(port()).name_of_server(), "second");  // not a pair
  pair_.write("late", -3600, -1800);
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(TlsPeer(port()).name_of_server(), "second");  // expired
  std::filesystem::remove(pair_.certificate());
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(TlsPeer(port()).name_of_server(), "second");
  pair_.write("third");
  EXPECT_TRUE(becomes("third"));
}

TEST_F(Tls, ListenSaysWhatIsWrong) {
  const auto message = [&] {
    options_.port = 0;
    const auto listening = Server::listen(options_, handler_);
    return listening ? std::string() : listening.error().message;
  };
  EXPECT_EQ(message(), "");
  options_.tls_key_file = "";
  EXPECT_THAT(message(), HasSubstr("needs a certificate file and a key file"));
  options_.tls_key_file = pair_.key() + ".absent";
  EXPECT_THAT(message(), HasSubstr("key.pem.absent"));
  EXPECT_THAT(message(), HasSubstr("No such file"));
  options_.tls_key_file = pair_.key() + ".pipe";
  ASSERT_EQ(::mkfifo(options_.tls_key_file.c_str(), 0600), 0);
  EXPECT_THAT(message(), HasSubstr("a named pipe"));
  options_.tls_key_file = pair_.certificate();
  EXPECT_THAT(message(), HasSubstr("as the key"));
  options_.tls_key_file = pair_.key();
  options_.tls_certificate_file = pair_.key();
  EXPECT_THAT(message(), HasSubstr("cannot read a certificate"));
  Pair other;
  other.write("other");
  options_.tls_certificate_file = other.certificate();
  EXPECT_THAT(message(), HasSubstr("mismatch"));
}

TEST_F(Tls, DatesAreToldApart) {
  const auto fault = [&](long from, long to) {
    pair_.write("dated", from, to);
    const auto context = TlsContext::load(pair_.certificate(), pair_.key());
    return context ? (*context)->date_fault(std::time(nullptr)) : context.error().message;
  };
  EXPECT_EQ(fault(-3600, 3600), "");
  EXPECT_EQ(fault(-3600, -60), "it has expired");
  EXPECT_EQ(fault(60, 3600), "it is not valid yet");
  EXPECT_TRUE(TlsFiles::open(pair_.certificate(), pair_.key(), std::time(nullptr)).has_value());
}

TEST_F(Tls, ShutdownEndsEverything) {
  hold();
  start();
  TlsPeer streaming(port());
  streaming.send(get("/"));
  ASSERT_TRUE(asked_.wait());
  held_->start_stream(200, {});
  streaming.read_up_to("\r\n\r\n");
  TlsPeer idle(port());
  Peer half(port());
  test_->server->shutdown();
  EXPECT_TRUE(gone_.wait());
  EXPECT_FALSE(streaming.ended_properly());  // a cut stream does not look finished
  EXPECT_TRUE(half.ended());
}

// What was ready before a connection was closed may be reported after: the descriptor's number is
// another connection's then.
TEST(Wire, WhatIsClosedReadsNobodysBytes) {
  Pair pair;
  pair.write("localhost");
  auto context = TlsContext::load(pair.certificate(), pair.key());
  ASSERT_TRUE(context) << context.error().message;
  boost::asio::io_context loop;
  boost::asio::ip::tcp::acceptor acceptor(loop, {boost::asio::ip::address_v4::loopback(), 0});
  boost::asio::ip::tcp::socket client(loop);
  client.connect(acceptor.local_endpoint());
  Wire wire(acceptor.accept(), *context);
  const int number = wire.socket().native_handle();
  wire.close();

  int others[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, others), 0);
  ASSERT_EQ(::dup2(others[0], number), number);
  const std::string_view hello = "\x16\x03\x01 not for the closed one";
  ASSERT_EQ(::send(others[1], hello.data(), hello.size(), 0), std::ssize(hello));
  std::vector<char> taken(16384);
  EXPECT_EQ(wire.read(taken).status, IoStatus::kFailed);
  EXPECT_EQ(::recv(number, taken.data(), taken.size(), MSG_DONTWAIT), std::ssize(hello));
  OutputQueue output;
  output.append(std::string_view("HTTP/1.1 200 OK"));
  EXPECT_EQ(wire.write(output).status, IoStatus::kFailed);
  EXPECT_EQ(::recv(others[1], taken.data(), taken.size(), MSG_DONTWAIT), -1);
  for (const int descriptor : {number, others[0], others[1]}) ::close(descriptor);
}

}  // namespace
}  // namespace tessera::http
