#include "api/openapi.h"

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

std::string make_document() {
  auto document = json::parse(kOpenApiFrame);
  auto schemas = json::parse(kAnswerSchemas);
  CHECK(document && schemas);
  schemas->if_object()->set("ChatCompletionRequest", body_schema(chat_fields()));
  schemas->if_object()->set("CompletionRequest", body_schema(completion_fields()));
  member(*document, "info").if_object()->set("version", TESSERA_VERSION);
  member(*document, "components").if_object()->set("schemas", std::move(*schemas));
  add_aliases(member(*document, "paths"));
  return json::to_text(*document);
}

}  // namespace

const std::string& openapi_document() {
  static const std::string document = make_document();
  return document;
}

}  // namespace tessera::api
