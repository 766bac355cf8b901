#include "api/openapi.h"

#include <string>
#include <string_view>

#include "api/chat_fields.h"
#include "api/completion_fields.h"
#include "api/field_docs.h"
#include "api/openapi_text.h"
#include "base/check.h"

namespace tessera::api {
namespace {

json::Value& member(json::Value& object, std::string_view key) {
  CHECK(object.if_object() != nullptr);
  json::Value* value = object.if_object()->find(key);
  CHECK(value != nullptr);
  return *value;
}

// Routes that answer as another one does.
struct Alias {
  std::string_view path;
  std::string_view like;
  std::string_view operation;
};
constexpr Alias kAliases[] = {
    {"/v1/tokenize", "/tokenize", "tokenizeV1"},
    {"/v1/detokenize", "/detokenize", "detokenizeV1"},
    {"/health", "/readyz", "getHealth"},
    {"/livez", "/healthz", "getLivez"},
};

void add_aliases(json::Value& paths) {
  for (const Alias& alias : kAliases) {
    json::Object item;
    for (const auto& [method, operation] : *member(paths, alias.like).if_object()) {
      json::Object copy = *operation.if_object();
      copy.set("operationId", alias.operation);
      item.set(method, std::move(copy));
    }
    paths.if_object()->set(alias.path, std::move(item));
  }
}

constexpr std::string_view kCommonHeaders[] = {"X-Request-Id", "X-RateLimit-Limit-Requests",
                                               "X-RateLimit-Remaining-Requests",
                                               "X-RateLimit-Reset-Requests"};

void add_header(json::Object& headers, std::string_view name) {
  json::Object reference;
  reference.set("$ref", "#/components/headers/" + std::string(name));
  headers.set(name, std::move(reference));
}

json::Object common_headers() {
  json::Object headers;
  for (const std::string_view name : kCommonHeaders) add_header(headers, name);
  return headers;
}

// Which headers the answers of a route have.
json::Object headers_of(std::string_view path, std::string_view method) {
  json::Object headers = common_headers();
  if (method == "post") add_header(headers, "X-Tessera-Ignored-Params");
  if (path.ends_with("/completions")) add_header(headers, "X-Tessera-Output-Digest");
  return headers;
}

void add_headers(json::Value& document) {
  json::Value& paths = member(document, "paths");
  for (const auto& [path, item] : *paths.if_object()) {
    for (const auto& [method, operation] : *item.if_object()) {
      json::Value& responses = member(member(member(paths, path), method), "responses");
      member(responses, "200").if_object()->set("headers", headers_of(path, method));
    }
  }
  json::Object headers = common_headers();
  for (const std::string_view name : {"Retry-After", "x-should-retry"}) add_header(headers, name);
  json::Value& error = member(member(member(document, "components"), "responses"), "Error");
  error.if_object()->set("headers", std::move(headers));
}

std::string make_document() {
  auto document = json::parse(kOpenApiFrame);
  auto schemas = json::parse(kAnswerSchemas);
  CHECK(document && schemas);
  schemas->if_object()->set("ChatCompletionRequest", body_schema(chat_fields()));
  schemas->if_object()->set("CompletionRequest", body_schema(completion_fields()));
  member(*document, "info").if_object()->set("version", TESSERA_VERSION);
  member(*document, "components").if_object()->set("schemas", std::move(*schemas));
  add_aliases(member(*document, "paths"));
  add_headers(*document);
  return json::to_text(*document);
}

}  // namespace

const std::string& openapi_document() {
  static const std::string document = make_document();
  return document;
}

}  // namespace tessera::api
