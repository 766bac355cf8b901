#include "api/origin.h"

#include <gtest/gtest.h>

#include "api/handler.h"
#include "api/test_doubles.h"

namespace tessera::api {
namespace {

http::RequestHead request(std::string method, std::vector<http::Header> headers) {
  http::RequestHead head;
  head.method = std::move(method);
  head.path = "/v1/models";
  head.headers = std::move(headers);
  return head;
}

TEST(OriginPolicyTest, CorsIsOffUnlessOriginsAreListed) {
  const OriginPolicy off({});
  EXPECT_TRUE(off.headers(request("GET", {{"Origin", "https://a.example"}})).empty());
  EXPECT_EQ(off.preflight(request("OPTIONS", {{"Origin", "https://a.example"},
                                              {"Access-Control-Request-Method", "POST"}})),
            nullptr);
}

TEST(OriginPolicyTest, AnOriginMatchesExactlyOrNotAtAll) {
  const OriginPolicy policy({{"https://a.example", "http://localhost:3000"}, {}, false});
  for (const auto& [origin, allowed] :
       std::vector<std::pair<std::string, bool>>{{"https://a.example", true},
                                                 {"http://localhost:3000", true},
                                                 {"http://a.example", false},
                                                 {"https://a.example.evil", false},
                                                 {"https://a.example:444", false},
                                                 {"https://A.example", false},
                                                 {"null", false},
                                                 {"", false}}) {
    const auto headers = policy.headers(request("GET", {{"Origin", origin}}));
    EXPECT_EQ(header_of(headers, "Access-Control-Allow-Origin"), allowed ? origin : "") << origin;
    EXPECT_EQ(header_of(headers, "Vary"), "Origin");
    EXPECT_EQ(header_of(headers, "Access-Control-Allow-Credentials"), "");
  }
  // Two Origin headers are none.
  EXPECT_EQ(header_of(policy.headers(request("GET", {{"Origin", "https://a.example"},
                                                     {"Origin", "https://a.example"}})),
                      "Access-Control-Allow-Origin"),
            "");
}

TEST(OriginPolicyTest, AnyOriginIsAStarAndNeverAnEcho) {
  const OriginPolicy policy({{"*"}, {}, false});
  EXPECT_EQ(header_of(policy.headers(request("GET", {{"Origin", "https://x.example"}})),
                      "Access-Control-Allow-Origin"),
            "*");
}

TEST(OriginPolicyTest, APreflightAllowsOurHeadersAndTheSdks) {
  const OriginPolicy policy({{"https://a.example"}, {}, false});
  const auto response = policy.preflight(request(
      "OPTIONS", {{"Origin", "https://a.example"},
                  {"Access-Control-Request-Method", "POST"},
                  {"Access-Control-Request-Headers",
                   "authorization,X-Stainless-Lang, x-stainless-os, x-evil, x-stainless-a\"b, "
                   "x-stainless-" +
                       std::string(64, 'a')}}));
  ASSERT_NE(response, nullptr);
  EXPECT_EQ(response->status, 204u);
  EXPECT_EQ(header_of(response->headers, "Access-Control-Allow-Headers"),
            "authorization, content-type, idempotency-key, last-event-id, x-request-id, "
            "x-stainless-lang, x-stainless-os");
}

TEST(OriginPolicyTest, LoopbackAnswersToItsOwnNamesAlone) {
  const OriginPolicy policy({{}, {"box.lan"}, true});
  for (const std::string host : {"localhost", "localhost:8080", "LocalHost:1", "127.0.0.1:80",
                                 "[::1]:80", "[::1]", "box.lan:80", "BOX.lan", ""})
    EXPECT_TRUE(policy.takes_host(host)) << host;
  for (const std::string host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                                 "[::2]:80", "box.lan.", "[::1"})
    EXPECT_FALSE(policy.takes_host(host)) << host;
  EXPECT_TRUE(OriginPolicy({}).takes_host("evil.example"));
}

TEST(OriginPolicyTest, OriginsAreCheckedAtTheStart) {
  EXPECT_TRUE(check_origins({"*", "https://a.example", "http://[::1]:80", "app://x"}));
  for (const std::string origin : {"", "a.example", "https://", "https://a.example/", "://a",
                                   "https://a.example/x", "https://*.example", "https://a b"})
    EXPECT_FALSE(check_origins({origin})) << origin;
}

class OriginRoutesTest : public testing::Test {
 protected:
  std::unique_ptr<http::Response> ask(const http::RequestHead& head) {
    return handler_.on_head(head, -1);
  }
  ScriptedService service_;
  FakeGate gate_;
  ApiHandler handler_{
      {.served_names = {"m"},
       .origins = {.cors_origins = {"https://a.example"}, .allowed_hosts = {}, .check_host = true}},
      service_,
      gate_};
};

TEST_F(OriginRoutesTest, PreflightsNeedNoKey) {
  const auto response = ask(request(
      "OPTIONS", {{"Origin", "https://a.example"}, {"Access-Control-Request-Method", "POST"}}));
  EXPECT_EQ(response->status, 204u);
  EXPECT_EQ(header_of(response->headers, "Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_EQ(header_of(response->headers, "Vary"), "Origin");
  const auto forbidden = ask(request(
      "OPTIONS", {{"Origin", "https://b.example"}, {"Access-Control-Request-Method", "POST"}}));
  EXPECT_EQ(forbidden->status, 403u);
  EXPECT_NE(forbidden->body.find("origin_not_allowed"), std::string::npos);
  EXPECT_EQ(header_of(forbidden->headers, "Access-Control-Allow-Origin"), "");
}

TEST_F(OriginRoutesTest, PlainOptionsTellMethods) {
  const auto response = ask(request("OPTIONS", {}));
  EXPECT_EQ(response->status, 204u);
  EXPECT_EQ(header_of(response->headers, "Allow"), "GET, HEAD, OPTIONS");
  auto unknown = request("OPTIONS", {});
  unknown.path = "/nowhere";
  EXPECT_EQ(ask(unknown)->status, 404u);
}

TEST_F(OriginRoutesTest, ErrorsCanBeReadByThePageToo) {
  const auto response = ask(request("GET", {{"Origin", "https://a.example"}}));
  EXPECT_EQ(response->status, 401u);
  EXPECT_EQ(header_of(response->headers, "Access-Control-Allow-Origin"), "https://a.example");
}

TEST_F(OriginRoutesTest, AnotherHostIsRefusedWhateverTheMethod) {
  for (const std::string method : {"GET", "OPTIONS", "DELETE"}) {
    const auto response =
        ask(request(method, {{"Host", "evil.example"}, {"Authorization", "Bearer good"}}));
    EXPECT_EQ(response->status, 403u) << method;
    EXPECT_NE(response->body.find("host_not_allowed"), std::string::npos);
  }
  EXPECT_EQ(gate_.log.bad_keys, 0);
}

}  // namespace
}  // namespace tessera::api
