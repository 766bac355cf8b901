// The routes between a gate, a service and an exchange that do as told. What needs bytes on a wire
// is in tests/api.
#include "api/handler.h"

#include <gtest/gtest.h>

#include <future>

#include "api/openapi.h"
#include "api/test_doubles.h"
#include "base/json.h"

namespace tessera::api {
namespace {

constexpr std::string_view kChat = R"({"model":"m","messages":[{"role":"user","content":"x"}]})";

class HandlerTest : public testing::Test {
 protected:
  HandlerTest() { options.served_names = {"m", "only-this"}; }
  void TearDown() override { exchange->close(); }

  ApiHandler& handler() {
    if (handler_ == nullptr) handler_ = std::make_unique<ApiHandler>(options, service, gate);
    return *handler_;
  }
  static http::RequestHead head(std::string method, std::string path, std::string key = "good",
                                std::vector<http::Header> more = {}) {
    http::RequestHead made;
    made.method = std::move(method);
    made.path = std::move(path);
    made.client_address = "192.0.2.1";
    made.headers = std::move(more);
    if (!key.empty()) made.headers.emplace_back("Authorization", "Bearer " + key);
    return made;
  }
  // The whole way; the response that came, from the head or from the request.
  http::Response ask(const http::RequestHead& asked, std::string_view body = "") {
    if (auto refused = handler().on_head(asked, static_cast<std::int64_t>(body.size())))
      return *std::move(refused);
    exchange->response.reset();
    handler().on_request(asked, std::string(body), exchange);
    return exchange->response.value_or(http::Response{.status = 0, .headers = {}, .body = {}});
  }
  // The same for what a worker answers.
  http::Response ask_aside(const http::RequestHead& asked, std::string_view body) {
    if (auto response = ask(asked, body); response.status != 0) return response;
    exchange->wait();
    exchange->run_posted();
    return exchange->response.value_or(http::Response{.status = 0, .headers = {}, .body = {}});
  }
  static std::string code(const http::Response& response) {
    const auto parsed = json::parse(response.body);
    const json::Value* error = parsed ? parsed->find("error") : nullptr;
    return error == nullptr ? "" : *error->find("code")->if_string();
  }
  // Ends the last answer that was started.
  http::Response finish() {
    service.scripts.back()->events.emplace_back(chat::ChoiceFinished{0, chat::FinishReason::kStop});
    service.scripts.back()->events.emplace_back(chat::Completed{});
    service.scripts.back()->on_ready();
    exchange->run_posted();
    gate.commit();
    exchange->run_posted();
    return exchange->response.value();
  }

  HandlerOptions options;
  ScriptedService service;
  FakeGate gate;
  std::shared_ptr<FakeExchange> exchange = std::make_shared<FakeExchange>();

 private:
  std::unique_ptr<ApiHandler> handler_;
};

// T19: every route × {no key, bad key, good key}. A new route is in here by being in the table.
TEST_F(HandlerTest, EveryRouteAsksForAKeyOrIsMeantToBeOpen) {
  const std::vector<std::string_view> open = {"/openapi.json", "/version", "/health",
                                              "/healthz",      "/livez",   "/readyz"};
  for (const ApiHandler::Route& route : ApiHandler::routes()) {
    const std::string path = std::string(route.path) + (route.path.ends_with('/') ? "m" : "");
    const bool is_open = std::find(open.begin(), open.end(), path) != open.end();
    EXPECT_EQ(route.needs_key, !is_open) << path;
    for (const std::string key : {"", "wrong"}) {
      const auto refused = handler().on_head(head(std::string(route.method), path, key), -1);
      ASSERT_EQ(refused != nullptr, !is_open) << path;
      if (is_open) continue;
      EXPECT_EQ(refused->status, 401u) << path;
      EXPECT_EQ(code(*refused), "invalid_api_key");
      EXPECT_EQ(header_of(refused->headers, "WWW-Authenticate"), "Bearer");
      EXPECT_FALSE(header_of(refused->headers, "X-Request-Id").empty());
    }
    EXPECT_EQ(handler().on_head(head(std::string(route.method), path), -1), nullptr) << path;
    // Without a key nothing is told of what there is.
    const auto other = handler().on_head(head("DELETE", path, ""), -1);
    EXPECT_EQ(other->status, is_open ? 405u : 401u);
    const auto wrong_method = handler().on_head(head("DELETE", path), -1);
    EXPECT_EQ(code(*wrong_method), "method_not_allowed");
    EXPECT_NE(header_of(wrong_method->headers, "Allow").find(route.method), std::string::npos);
  }
  EXPECT_EQ(handler().on_head(head("GET", "/v1/unknown", ""), -1)->status, 401u);
  EXPECT_EQ(handler().on_head(head("GET", "/v1/unknown"), -1)->status, 404u);
  EXPECT_EQ(handler().on_head(head("GET", "/unknown", ""), -1)->status, 404u);
}

// Where no key is asked for, too: who has sent a good one is told its rate.
TEST_F(HandlerTest, EveryAnswerToAGoodKeyTellsItsRate) {
  const auto tells = [](const http::Response& response) {
    return header_of(response.headers, "X-RateLimit-Limit-Requests") == "50";
  };
  for (const ApiHandler::Route& route : ApiHandler::routes()) {
    const std::string path = std::string(route.path) + (route.path.ends_with('/') ? "m" : "");
    EXPECT_TRUE(tells(*handler().on_head(head("DELETE", path), -1))) << path;
    EXPECT_TRUE(tells(*handler().on_head(head("OPTIONS", path), -1))) << path;
    if (route.method != "GET") continue;
    const auto fresh = std::make_shared<FakeExchange>();
    handler().on_request(head("GET", path), "", fresh);
    EXPECT_TRUE(tells(fresh->response.value())) << path;
  }
  EXPECT_TRUE(tells(*handler().on_head(head("GET", "/unknown"), -1)));
  EXPECT_FALSE(tells(*handler().on_head(head("GET", "/unknown", "wrong"), -1)));
  EXPECT_FALSE(tells(*handler().on_head(head("OPTIONS", "/v1/models", ""), -1)));
}

TEST_F(HandlerTest, TheDocumentHasEveryRoute) {
  const auto document = json::parse(openapi_document());
  ASSERT_TRUE(document);
  const json::Value* paths = document->find("paths");
  for (const ApiHandler::Route& route : ApiHandler::routes()) {
    const std::string path = std::string(route.path) + (route.path.ends_with('/') ? "{model}" : "");
    const json::Value* item = paths->find(path);
    ASSERT_NE(item, nullptr) << path;
    EXPECT_NE(item->find(route.method == "GET" ? "get" : "post"), nullptr) << path;
  }
  EXPECT_EQ(paths->if_object()->size(), ApiHandler::routes().size());
}

TEST_F(HandlerTest, KeysComeInOneHeaderOnly) {
  auto twice = head("GET", "/v1/models");
  twice.headers.emplace_back("Authorization", "Bearer good");
  EXPECT_EQ(handler().on_head(twice, -1)->status, 400u);
  auto in_query = head("GET", "/v1/models", "");
  in_query.query = "api_key=good";
  EXPECT_EQ(handler().on_head(in_query, -1)->status, 401u);
  for (const auto& [value, status] :
       std::vector<std::pair<std::string, unsigned>>{{"bEARER good", 0},
                                                     {"Basic good", 401},
                                                     {"Bearer good, Bearer good", 401},
                                                     {"good", 401},
                                                     {"Bearer", 401},
                                                     {"Bearer \x80\xff", 401}}) {
    const auto refused =
        handler().on_head(head("GET", "/v1/models", "", {{"Authorization", value}}), -1);
    EXPECT_EQ(refused == nullptr ? 0 : refused->status, status) << value;
  }
}

TEST_F(HandlerTest, ARepeatedHeaderOfTheBodyIsRefused) {
  const auto refused = [&](const std::string& name, const std::string& value) {
    const auto response = handler().on_head(
        head("POST", "/v1/chat/completions", "good", {{name, value}, {name, value}}), 2);
    return response == nullptr ? 0 : response->status;
  };
  EXPECT_EQ(refused("Content-Type", "application/json"), 400u);
  EXPECT_EQ(refused("Content-Encoding", "gzip"), 415u);
}

TEST_F(HandlerTest, EveryAnswerToAnIdentifiedCallerSaysWhatIsLeft) {
  const auto remaining = [](const http::Response& response) {
    EXPECT_EQ(header_of(response.headers, "X-RateLimit-Limit-Requests"), "50");
    EXPECT_EQ(header_of(response.headers, "X-RateLimit-Reset-Requests"), "60");
    return header_of(response.headers, "X-RateLimit-Remaining-Requests");
  };
  EXPECT_EQ(remaining(ask(head("GET", "/v1/models"))), "50");
  EXPECT_EQ(remaining(ask(head("GET", "/v1/nowhere"))), "50");
  EXPECT_EQ(remaining(ask(head("POST", "/v1/chat/completions"), "{")), "49");  // it counted
  EXPECT_EQ(remaining(ask(head("POST", "/v1/models"))), "49");
  EXPECT_EQ(remaining(ask(
                head("POST", "/v1/chat/completions", "good", {{"Content-Encoding", "gzip"}}), "x")),
            "49");
  ask(head("POST", "/v1/chat/completions"),
      R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(header_of(exchange->headers, "X-RateLimit-Remaining-Requests"), "48");
  EXPECT_EQ(header_of(ask(head("GET", "/healthz", "")).headers, "X-RateLimit-Limit-Requests"), "");
}

TEST_F(HandlerTest, WhatTheServerRefusesByItselfSaysSoTooOnceTheHeadPassed) {
  const auto asked = head("POST", "/v1/chat/completions", "good", {{"X-Request-Id", "mine"}});
  const auto known = handler().error_response(408, "request_timeout", "slow", &asked);
  EXPECT_EQ(code(known), "request_timeout");
  EXPECT_EQ(header_of(known.headers, "X-Request-Id"), "mine");
  EXPECT_EQ(header_of(known.headers, "X-RateLimit-Limit-Requests"), "50");
  const auto unknown = handler().error_response(400, "bad_http", "odd", nullptr);
  EXPECT_FALSE(header_of(unknown.headers, "X-Request-Id").empty());
  EXPECT_EQ(header_of(unknown.headers, "X-RateLimit-Limit-Requests"), "");
}

TEST_F(HandlerTest, ALimitIsToldBeforeTheBodyAndAfterIt) {
  gate.request_denial = access::Denial{access::DenialCode::kRateLimited, 1500, "50 a minute",
                                       access::RateState{50, 0, 12}};
  const auto before = handler().on_head(head("POST", "/v1/chat/completions"), 10);
  ASSERT_NE(before, nullptr);
  handler().on_request(head("POST", "/v1/chat/completions"), "{}", exchange);
  for (const http::Response& response : {*before, *exchange->response}) {
    EXPECT_EQ(response.status, 429u);
    EXPECT_EQ(code(response), "rate_limit_exceeded");
    EXPECT_NE(response.body.find(R"("type":"rate_limit_error")"), std::string::npos);
    EXPECT_EQ(header_of(response.headers, "Retry-After"), "2");
    EXPECT_EQ(header_of(response.headers, "retry-after-ms"), "1500");
    EXPECT_EQ(header_of(response.headers, "X-RateLimit-Remaining-Requests"), "0");
  }
  EXPECT_EQ(gate.log.requests_taken, 0);
  EXPECT_EQ(ask(head("GET", "/v1/models")).status, 200u);  // does not count
}

TEST_F(HandlerTest, DenialsHaveTheirStatusTypeAndCode) {
  using access::DenialCode;
  struct Row {
    DenialCode code;
    unsigned status;
    std::string type;
    std::string text;
  };
  for (const Row& row : std::vector<Row>{
           {DenialCode::kInvalidKey, 401, "invalid_request_error", "invalid_api_key"},
           {DenialCode::kTooManyBadKeys, 429, "rate_limit_error", "rate_limit_exceeded"},
           {DenialCode::kAccountDisabled, 403, "permission_error", "account_disabled"},
           {DenialCode::kRateLimited, 429, "rate_limit_error", "rate_limit_exceeded"},
           {DenialCode::kConcurrency, 429, "rate_limit_error", "concurrency_limit"},
           {DenialCode::kThinkingQuota, 429, "insufficient_quota", "insufficient_quota"},
           {DenialCode::kUsageStore, 503, "overloaded_error", "usage_store_unavailable"}}) {
    const auto response = error_response(to_api_error(access::Denial{row.code, 0, "text", {}}));
    EXPECT_EQ(response.status, row.status) << row.text;
    EXPECT_EQ(code(response), row.text);
    EXPECT_NE(response.body.find("\"type\":\"" + row.type + '"'), std::string::npos) << row.text;
    const bool quota = row.code == DenialCode::kThinkingQuota;
    EXPECT_EQ(header_of(response.headers, "x-should-retry"), quota ? "false" : "");
    if (row.status == 429 && !quota) {
      EXPECT_EQ(header_of(response.headers, "Retry-After"), "1");
    }
  }
}

TEST_F(HandlerTest, ARefusedAdmissionIsAnAnswer) {
  gate.admit_denial = access::Denial{access::DenialCode::kConcurrency, 10, "4 at once", {}};
  const auto response = ask(head("POST", "/v1/chat/completions"), kChat);
  EXPECT_EQ(code(response), "concurrency_limit");
  EXPECT_TRUE(service.scripts.empty());
}

TEST_F(HandlerTest, TheTierBoundsTheRequest) {
  auto tier = std::make_shared<access::Tier>();
  tier->name = "tiny";
  tier->max_choices = 2;
  tier->thinking_budget_tokens = 10;
  gate.callers["good"].tier = tier;
  const auto chat = [](const std::string& more) {
    return R"({"model":"m","messages":[{"role":"user","content":"x"}],)" + more + "}";
  };
  EXPECT_EQ(code(ask(head("POST", "/v1/chat/completions"), chat(R"("n":3)"))),
            "integer_above_max_value");
  ask(head("POST", "/v1/chat/completions"), chat(R"("n":2)"));
  EXPECT_EQ(service.last.choices, 2);
  EXPECT_EQ(service.last.max_context, 64);
  EXPECT_EQ(service.last.account, AccountId{1});
  EXPECT_EQ(gate.log.admitted.back().reasoning_tokens, 0);
  ask(head("POST", "/v1/chat/completions"),
      chat(R"("n":2,"thinking_budget":11,"chat_template_kwargs":{"enable_thinking":true})"));
  EXPECT_EQ(service.last.thinking_budget, 10);
  EXPECT_EQ(gate.log.admitted.back().reasoning_tokens, 20);
  ask(head("POST", "/v1/chat/completions"),
      chat(R"("max_tokens":4,"chat_template_kwargs":{"enable_thinking":true})"));
  EXPECT_EQ(gate.log.admitted.back().reasoning_tokens, 4);
  ask(head("POST", "/v1/chat/completions"),
      chat(R"("thinking_budget":0,"chat_template_kwargs":{"enable_thinking":true})"));
  EXPECT_EQ(gate.log.admitted.back().reasoning_tokens, 0);
}

TEST_F(HandlerTest, FactsOfARequestAreCountsAndNamesNeverContent) {
  ask(head("POST", "/v1/chat/completions", "good", {{"User-Agent", "me/1"}}), kChat);
  const access::RequestFacts& facts = gate.log.admitted.at(0);
  EXPECT_TRUE(facts.request_id.starts_with("chatcmpl-"));
  EXPECT_EQ(facts.endpoint, "chat.completions");
  EXPECT_EQ(facts.client_address, "192.0.2.1");
  EXPECT_EQ(facts.user_agent, "me/1");
  const http::Response response = finish();
  EXPECT_NE(response.body.find(facts.request_id), std::string::npos);
}

TEST_F(HandlerTest, AContextThatIsTooShortNamesTheTier) {
  service.refusal = chat::Refusal{chat::RefusalCode::kContextLengthExceeded,
                                  "maximum context length is 64, got 70.", "messages", 0};
  auto response = ask(head("POST", "/v1/chat/completions"), kChat);
  EXPECT_EQ(response.status, 400u);
  EXPECT_EQ(code(response), "context_length_exceeded");
  EXPECT_NE(response.body.find("'lite'"), std::string::npos);
  EXPECT_EQ(gate.log.settled.at(0).tokens.prompt, 0);
  options.context_overflow_status = 413;
  ApiHandler other(options, service, gate);
  exchange->response.reset();
  other.on_request(head("POST", "/v1/chat/completions"), std::string(kChat), exchange);
  EXPECT_EQ(exchange->response->status, 413u);
  EXPECT_EQ(code(*exchange->response), "context_length_exceeded");
}

TEST_F(HandlerTest, ModelsAreThoseThatTheKeyMayUse) {
  const auto all = ask(head("GET", "/v1/models"));
  EXPECT_NE(all.body.find(R"({"id":"m",)"), std::string::npos);
  EXPECT_NE(all.body.find(R"("max_model_len":64,"context_window":64,)"), std::string::npos);
  const auto some = ask(head("GET", "/v1/models", "other"));
  EXPECT_EQ(some.body.find(R"({"id":"m",)"), std::string::npos);
  EXPECT_NE(some.body.find(R"({"id":"only-this",)"), std::string::npos);
  EXPECT_EQ(code(ask(head("GET", "/v1/models/m", "other"))), "model_not_allowed");
  EXPECT_EQ(ask(head("GET", "/v1/models/m", "other")).status, 403u);
  EXPECT_EQ(ask(head("GET", "/v1/models/only%2dthis", "other")).status, 200u);
  EXPECT_EQ(code(ask(head("GET", "/v1/models/m%00"))), "model_not_found");
  EXPECT_EQ(code(ask(head("GET", "/v1/models/%"))), "model_not_found");
  EXPECT_EQ(code(ask(head("POST", "/v1/chat/completions", "other"), kChat)), "model_not_allowed");
}

TEST_F(HandlerTest, ADryRunTellsTokensAndRefusals) {
  const std::string path = "/v1/chat/completions/input_tokens";
  EXPECT_EQ(
      ask_aside(head("POST", path), kChat).body,
      R"({"object":"chat.completion.input_tokens","model":"m","input_tokens":3,"prompt_digest":"digest",)"
      R"("context_window":64,"max_output_tokens":97,"would_be_rejected":[]})");
  EXPECT_TRUE(gate.log.admitted.empty());
  EXPECT_EQ(gate.log.requests_taken, 1);
  EXPECT_EQ(ask_aside(head("POST", path), "{").status, 400u);  // no request that could be rejected
  const auto two = ask_aside(head("POST", path), R"({"model":"m","messages":[],"temperature":3})");
  EXPECT_EQ(two.status, 200u);
  EXPECT_NE(two.body.find("empty_array"), std::string::npos);
  EXPECT_NE(two.body.find("decimal_above_max_value"), std::string::npos);
  service.refusal = chat::Refusal{chat::RefusalCode::kContextLengthExceeded, "long", "messages", 0};
  const auto longer = ask_aside(head("POST", path), kChat);
  EXPECT_NE(longer.body.find(R"("input_tokens":3,)"), std::string::npos);
  EXPECT_NE(longer.body.find(R"("max_output_tokens":null,)"), std::string::npos);
  EXPECT_NE(longer.body.find("context_length_exceeded"), std::string::npos);
}

TEST_F(HandlerTest, TextAndTokens) {
  for (const std::string prefix : {"", "/v1"}) {
    EXPECT_EQ(ask(head("POST", prefix + "/tokenize"), R"({"content":"AB"})").body,
              R"({"tokens":[65,66],"count":2,"max_model_len":64})");
    EXPECT_EQ(ask(head("POST", prefix + "/detokenize"), R"({"tokens":[4,5]})").body,
              R"({"content":"\u0004\u0005","prompt":"\u0004\u0005"})");
  }
  EXPECT_EQ(ask(head("POST", "/tokenize"), R"({"model":"m","prompt":"A","with_pieces":true})").body,
            R"({"tokens":[{"id":65,"piece":"A"}],"count":1,"max_model_len":64})");
  EXPECT_EQ(ask_aside(head("POST", "/tokenize"), kChat).body,
            R"({"tokens":[1,2,3],"count":3,"max_model_len":64})");
  EXPECT_EQ(code(ask(head("POST", "/tokenize"), "{}")), "missing_required_parameter");
  EXPECT_EQ(code(ask(head("POST", "/tokenize"), R"({"content":5})")), "invalid_type");
  EXPECT_EQ(code(ask(head("POST", "/tokenize"), R"({"content":"","model":"x"})")),
            "model_not_found");
  EXPECT_EQ(code(ask(head("POST", "/detokenize"), R"({"tokens":[-1]})")),
            "integer_below_min_value");
  EXPECT_EQ(code(ask(head("POST", "/detokenize"), R"({"tokens":[49,50]})")),
            "integer_above_max_value");
  const auto text = [](std::size_t bytes) {
    return R"({"content":")" + std::string(bytes, 'x') + R"("})";
  };
  EXPECT_EQ(ask_aside(head("POST", "/tokenize"), text(kRequestLimits.tokenize_bytes)).status, 200u);
  EXPECT_EQ(code(ask_aside(head("POST", "/tokenize"), text(kRequestLimits.tokenize_bytes + 1))),
            "string_above_max_length");
  const auto tokens = [](std::size_t count) {
    std::string list = R"({"tokens":[1)";
    for (std::size_t i = 1; i < count; ++i) list += ",1";
    return list + "]}";
  };
  EXPECT_EQ(ask_aside(head("POST", "/detokenize"), tokens(kRequestLimits.detokenize_tokens)).status,
            200u);
  EXPECT_EQ(
      code(ask_aside(head("POST", "/detokenize"), tokens(kRequestLimits.detokenize_tokens + 1))),
      "array_above_max_length");
}

// Large bodies, and forms that may have to be compiled.
TEST_F(HandlerTest, WhatWouldHoldUpAnIoThreadIsDoneAside) {
  options.work_threads = 1;
  const auto with = [](const std::string& more) {
    return std::string(kChat.substr(0, kChat.size() - 1)) + ',' + more + '}';
  };
  const std::string form =
      R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}})";
  for (const std::string& body :
       {with(form), with(R"("stop":")" + std::string(40'000, 'x') + '"')}) {
    const bool large = body.size() > 32'768;
    // The only worker is busy meanwhile, so that nothing aside is done before we look.
    std::promise<void> go;
    service.before_measuring = [ready = go.get_future().share()] { ready.wait(); };
    const auto busy = std::make_shared<FakeExchange>();
    handler().on_request(head("POST", "/v1/chat/completions/input_tokens"), std::string(kChat),
                         busy);
    EXPECT_EQ(ask(head("POST", "/v1/chat/completions"), body).status, 0u);
    go.set_value();
    busy->wait();
    exchange->wait();
    if (large) {
      EXPECT_EQ(code(*exchange->response), "string_above_max_length");
      continue;
    }
    // Only the work is done there; the answer is the connection's thread's.
    EXPECT_EQ(gate.log.running, 1);
    EXPECT_FALSE(exchange->response);
    exchange->run_posted();
    EXPECT_EQ(finish().status, 200u);
    EXPECT_EQ(gate.log.running, 0);
  }
  service.refusal = chat::Refusal{chat::RefusalCode::kInvalidSchema, "bad", "response_format", 0};
  EXPECT_EQ(code(ask_aside(head("POST", "/v1/chat/completions"), with(form))), "invalid_schema");
  EXPECT_EQ(gate.log.running, 0);
}

TEST_F(HandlerTest, OneAccountPutsOnlySoMuchAside) {
  options.work_threads = 1;
  const std::string path = "/v1/chat/completions/input_tokens";
  const std::string body(kChat);
  std::promise<void> go;
  service.before_measuring = [ready = go.get_future().share()] { ready.wait(); };
  std::vector<std::shared_ptr<FakeExchange>> exchanges;
  int refused = 0;
  while (refused == 0 && exchanges.size() < 1000) {
    exchanges.push_back(std::make_shared<FakeExchange>());
    handler().on_request(head("POST", path), body, exchanges.back());
    if (exchanges.back()->response) {
      EXPECT_EQ(code(*exchanges.back()->response), "server_overloaded");
      EXPECT_FALSE(header_of(exchanges.back()->response->headers, "Retry-After").empty());
      ++refused;
    }
  }
  EXPECT_EQ(refused, 1);
  const auto other = std::make_shared<FakeExchange>();
  handler().on_request(head("POST", path, "other"), body, other);
  EXPECT_FALSE(other->response);
  go.set_value();
  other->wait();
  EXPECT_EQ(other->response->status, 200u);
}

// A client that is gone when its turn comes costs nothing.
TEST_F(HandlerTest, NothingIsDoneAsideForAClientThatLeft) {
  options.work_threads = 1;
  const std::string path = "/v1/chat/completions/input_tokens";
  std::promise<void> go;
  service.before_measuring = [ready = go.get_future().share()] { ready.wait(); };
  const auto first = std::make_shared<FakeExchange>();
  const auto second = std::make_shared<FakeExchange>();
  const auto third = std::make_shared<FakeExchange>();
  for (const auto& each : {first, second, third})
    handler().on_request(head("POST", path), std::string(kChat), each);
  second->close();
  go.set_value();
  third->wait();
  EXPECT_TRUE(first->response && third->response);
  EXPECT_FALSE(second->response);
}

TEST_F(HandlerTest, CompletionsTakeSeveralPromptsAndEcho) {
  ask(head("POST", "/v1/completions"), R"({"model":"m","prompt":["A",  "B"],"echo":true})");
  EXPECT_EQ(service.scripts.size(), 2u);
  EXPECT_EQ(gate.log.admitted.size(), 1u);
  EXPECT_EQ(gate.log.admitted[0].endpoint, "completions");
  for (const auto& script : service.scripts) {
    script->events.emplace_back(chat::ContentDelta{0, "!"});
    script->events.emplace_back(chat::ChoiceFinished{0, chat::FinishReason::kStop});
    script->events.emplace_back(chat::Completed{});
  }
  service.scripts[0]->on_ready();
  exchange->run_posted();
  gate.commit();
  exchange->run_posted();
  EXPECT_NE(exchange->response->body.find(R"({"text":"A!","index":0,)"), std::string::npos);
  EXPECT_NE(exchange->response->body.find(R"({"text":"B!","index":1,)"), std::string::npos);
  EXPECT_EQ(code(ask(head("POST", "/v1/completions"),
                     R"({"model":"m","prompt":"A","echo":true,"logprobs":1})")),
            "unsupported_value");
}

// However long: it is no work, with a key or without one.
TEST_F(HandlerTest, ABodyThatMeansNothingIsIgnored) {
  for (const ApiHandler::Route& route : ApiHandler::routes()) {
    if (route.method != "GET") continue;
    const std::string path = std::string(route.path) + (route.path.ends_with('/') ? "m" : "");
    const http::RequestHead asked = head("GET", path, route.needs_key ? "good" : "");
    const http::Response without = ask(asked);
    EXPECT_EQ(without.status, 200u) << path;
    EXPECT_EQ(ask(asked, std::string(1 << 20, 'b')).body, without.body) << path;
  }
}

TEST_F(HandlerTest, DrainingRefusesNewWorkOnly) {
  handler().start_draining();
  EXPECT_EQ(code(ask(head("POST", "/v1/chat/completions"), kChat)), "draining");
  EXPECT_EQ(gate.log.requests_taken, 0);
  EXPECT_EQ(code(ask(head("GET", "/readyz", ""))), "draining");
  EXPECT_EQ(ask(head("GET", "/healthz", "")).status, 200u);
}

TEST_F(HandlerTest, ReadinessTellsOfAStoreThatFails) {
  EXPECT_EQ(ask(head("GET", "/readyz", "")).body, R"({"status":"ok","store":"ok"})");
  gate.is_healthy = false;
  const http::Response failing = ask(head("GET", "/readyz", ""));
  EXPECT_EQ(failing.status, 200u);
  EXPECT_EQ(failing.body, R"({"status":"ok","store":"failing"})");
}

TEST_F(HandlerTest, ARequestIdIsEchoedOnlyIfHarmless) {
  for (const auto& [sent, echoed] :
       std::vector<std::pair<std::string, bool>>{{"a-b_c.1:2", true},
                                                 {std::string(128, 'a'), true},
                                                 {std::string(129, 'a'), false},
                                                 {"a\r\nSet-Cookie: x", false},
                                                 {"a b", false},
                                                 {"\xc3\xa4", false}}) {
    const auto response = ask(head("GET", "/healthz", "", {{"X-Request-Id", sent}}));
    EXPECT_EQ(header_of(response.headers, "X-Request-Id") == sent, echoed);
    EXPECT_FALSE(header_of(response.headers, "X-Request-Id").empty());
  }
}

TEST_F(HandlerTest, IgnoredNamesAreMadePrintable) {
  ask(head("POST", "/v1/chat/completions"),
      R"({"model":"m","messages":[{"role":"user","content":"x"}],"a\r\nX-Evil: 1":1})");
  EXPECT_EQ(header_of(finish().headers, "X-Tessera-Ignored-Params"), "a??X-Evil??1");
}

}  // namespace
}  // namespace tessera::api
