// GET /v1/models and /v1/models/{id}: what this caller may use, and what it can do.
#include <fmt/format.h>

#include <algorithm>

#include "api/handler.h"
#include "base/json.h"

namespace tessera::api {
namespace {

constexpr std::string_view kModelsPrefix = "/v1/models/";
constexpr std::string_view kCapabilities =
    R"({"streaming":true,"tools":true,"parallel_tool_calls":true,"thinking":true,"logprobs":true,)"
    R"("json_object":true,"json_schema":true,"vision":false})";

std::string sampling_object(const chat::Sampling& sampling) {
  return fmt::format(
      R"({{"temperature":{},"top_p":{},"top_k":{},"min_p":{},"presence_penalty":{},"frequency_penalty":{},"repetition_penalty":{}}})",
      sampling.temperature.value_or(1), sampling.top_p.value_or(1), sampling.top_k.value_or(0),
      sampling.min_p.value_or(0), sampling.presence_penalty.value_or(0),
      sampling.frequency_penalty.value_or(0), sampling.repetition_penalty.value_or(1));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986, 2.1, once; what is no escape stays. SDKs encode the slash of the model's name.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::int32_t ApiHandler::context_of(const access::Caller& caller) const {
  const std::int32_t own = service_.model().max_context;
  return caller.context_tokens > 0 ? std::min(caller.context_tokens, own) : own;
}

std::optional<ApiError> ApiHandler::refuse_model(std::string_view name,
                                                 const access::Caller& caller) const {
  if (!has(options_.served_names, name)) {
    return ApiError{
        ErrorId::kModelNotFound,
        fmt::format(
            "The requested model does not exist here. This server has '{}'; see GET /v1/models.",
            options_.served_names.front()),
        "model"};
  }
  if (!caller.models.empty() && !has(caller.models, name)) {
    return ApiError{ErrorId::kModelNotAllowed,
                    "This API key may not use the requested model; GET /v1/models lists those that "
                    "it may.",
                    "model"};
  }
  return std::nullopt;
}

std::string ApiHandler::model_object(const std::string& name, const access::Caller& caller) const {
  const chat::ModelInfo& info = service_.model();
  const std::int32_t context = context_of(caller);
  return fmt::format(
      R"({{"id":{},"object":"model","created":{},"owned_by":"tessera","root":{},"parent":null,)"
      R"("max_model_len":{},"context_window":{},"system_fingerprint":{},"capabilities":{},)"
      R"("sampling_defaults":{{"direct":{},"thinking":{}}}}})",
      quoted(name), info.created, quoted(info.weights_name), context, context,
      quoted(info.fingerprint), kCapabilities, sampling_object(info.default_direct),
      sampling_object(info.default_thinking));
}

void ApiHandler::list_models(const Call& call) {
  std::string items;
  for (const std::string& name : options_.served_names) {
    if (refuse_model(name, call.caller())) continue;
    if (!items.empty()) items += ',';
    items += model_object(name, call.caller());
  }
  call.answer_json(R"({"object":"list","data":[)" + items + "]}");
}

void ApiHandler::get_model(const Call& call) {
  const std::string name =
      percent_decoded(std::string_view(call.head.path).substr(kModelsPrefix.size()));
  if (const auto error = refuse_model(name, call.caller())) return call.refuse(*error);
  call.answer_json(model_object(name, call.caller()));
}

}  // namespace tessera::api
