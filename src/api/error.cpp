#include "api/error.h"

#include <array>

#include "base/check.h"
#include "base/json.h"

namespace tessera::api {
namespace {

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::string_view kServer = "api_error";
constexpr std::string_view kOverloaded = "overloaded_error";
constexpr std::string_view kPermission = "permission_error";
constexpr std::string_view kRate = "rate_limit_error";
constexpr bool kRetryPointless = true;

constexpr std::array kRows = {
    ErrorRow{ErrorId::kBadHttp, 400, kInvalid, "bad_http"},
    ErrorRow{ErrorId::kInvalidJson, 400, kInvalid, "invalid_json"},
    ErrorRow{ErrorId::kInvalidUnicode, 400, kInvalid, "invalid_unicode"},
    ErrorRow{ErrorId::kDuplicateKey, 400, kInvalid, "duplicate_key"},
    ErrorRow{ErrorId::kJsonTooDeep, 400, kInvalid, "json_too_deep"},
    ErrorRow{ErrorId::kMissingRequiredParameter, 400, kInvalid, "missing_required_parameter"},
    ErrorRow{ErrorId::kInvalidType, 400, kInvalid, "invalid_type"},
    ErrorRow{ErrorId::kInvalidValue, 400, kInvalid, "invalid_value"},
    ErrorRow{ErrorId::kUnknownParameter, 400, kInvalid, "unknown_parameter"},
    ErrorRow{ErrorId::kUnsupportedParameter, 400, kInvalid, "unsupported_parameter"},
    ErrorRow{ErrorId::kUnsupportedValue, 400, kInvalid, "unsupported_value"},
    ErrorRow{ErrorId::kUnsupportedContent, 400, kInvalid, "unsupported_content"},
    ErrorRow{ErrorId::kIntegerBelowMinValue, 400, kInvalid, "integer_below_min_value"},
    ErrorRow{ErrorId::kIntegerAboveMaxValue, 400, kInvalid, "integer_above_max_value"},
    ErrorRow{ErrorId::kDecimalBelowMinValue, 400, kInvalid, "decimal_below_min_value"},
    ErrorRow{ErrorId::kDecimalAboveMaxValue, 400, kInvalid, "decimal_above_max_value"},
    ErrorRow{ErrorId::kEmptyArray, 400, kInvalid, "empty_array"},
    ErrorRow{ErrorId::kArrayAboveMaxLength, 400, kInvalid, "array_above_max_length"},
    ErrorRow{ErrorId::kStringAboveMaxLength, 400, kInvalid, "string_above_max_length"},
    ErrorRow{ErrorId::kInvalidFunctionParameters, 400, kInvalid, "invalid_function_parameters"},
    ErrorRow{ErrorId::kUnsupportedSchema, 400, kInvalid, "unsupported_schema"},
    ErrorRow{ErrorId::kInvalidSchema, 400, kInvalid, "invalid_schema"},
    ErrorRow{ErrorId::kInvalidRegex, 400, kInvalid, "invalid_regex"},
    ErrorRow{ErrorId::kSchemaTooComplex, 400, kInvalid, "schema_too_complex"},
    ErrorRow{ErrorId::kMaxTokensTooSmall, 400, kInvalid, "max_tokens_too_small"},
    ErrorRow{ErrorId::kContextLengthExceeded, 400, kInvalid, "context_length_exceeded"},
    ErrorRow{ErrorId::kInvalidApiKey, 401, kInvalid, "invalid_api_key"},
    ErrorRow{ErrorId::kAccountDisabled, 403, kPermission, "account_disabled"},
    ErrorRow{ErrorId::kModelNotAllowed, 403, kPermission, "model_not_allowed"},
    ErrorRow{ErrorId::kOriginNotAllowed, 403, kPermission, "origin_not_allowed"},
    ErrorRow{ErrorId::kHostNotAllowed, 403, kPermission, "host_not_allowed"},
    ErrorRow{ErrorId::kModelNotFound, 404, kInvalid, "model_not_found"},
    ErrorRow{ErrorId::kUnknownUrl, 404, kInvalid, "unknown_url"},
    ErrorRow{ErrorId::kMethodNotAllowed, 405, kInvalid, "method_not_allowed"},
    ErrorRow{ErrorId::kRequestTimeout, 408, kInvalid, "request_timeout"},
    ErrorRow{ErrorId::kRequestTooLarge, 413, kInvalid, "request_too_large"},
    ErrorRow{ErrorId::kUriTooLong, 414, kInvalid, "uri_too_long"},
    ErrorRow{ErrorId::kUnsupportedMediaType, 400, kInvalid, "unsupported_media_type"},
    ErrorRow{ErrorId::kUnsupportedContentEncoding, 415, kInvalid, "unsupported_content_encoding"},
    ErrorRow{ErrorId::kExpectationFailed, 417, kInvalid, "expectation_failed"},
    ErrorRow{ErrorId::kRateLimitExceeded, 429, kRate, "rate_limit_exceeded"},
    ErrorRow{ErrorId::kConcurrencyLimit, 429, kRate, "concurrency_limit"},
    ErrorRow{ErrorId::kInsufficientQuota, 429, "insufficient_quota", "insufficient_quota",
             kRetryPointless},
    ErrorRow{ErrorId::kHeadersTooLarge, 431, kInvalid, "headers_too_large"},
    ErrorRow{ErrorId::kInternalError, 500, kServer, "internal_error"},
    ErrorRow{ErrorId::kNumericalError, 500, kServer, "numerical_error", kRetryPointless},
    ErrorRow{ErrorId::kGrammarDeadEnd, 500, kServer, "grammar_dead_end", kRetryPointless},
    ErrorRow{ErrorId::kEngineFailure, 500, kServer, "engine_failure"},
    ErrorRow{ErrorId::kTimeout, 504, kServer, "timeout"},
    ErrorRow{ErrorId::kServerOverloaded, 503, kOverloaded, "server_overloaded"},
    ErrorRow{ErrorId::kDraining, 503, kOverloaded, "draining"},
    ErrorRow{ErrorId::kModelUnavailable, 503, kOverloaded, "model_unavailable"},
    ErrorRow{ErrorId::kUsageStoreUnavailable, 503, kOverloaded, "usage_store_unavailable"},
};
static_assert(kRows.size() == static_cast<std::size_t>(ErrorId::kCount));

}  // namespace

const ErrorRow& row(ErrorId id) {
  const ErrorRow& found = kRows[static_cast<std::size_t>(id)];
  CHECK(found.id == id);
  return found;
}

std::string error_object(const ApiError& error) {
  const ErrorRow& entry = row(error.id);
  std::string body = R"({"message":)";
  json::append_string(error.message, body);
  body += R"(,"type":)";
  json::append_string(entry.type, body);
  body += R"(,"param":)";
  if (error.param.empty()) {
    body += "null";
  } else {
    json::append_string(error.param, body);
  }
  body += R"(,"code":)";
  json::append_string(entry.code, body);
  body += '}';
  return body;
}

std::string error_body(const ApiError& error) {
  return R"({"error":)" + error_object(error) + '}';
}

unsigned status_of(const ApiError& error) {
  return error.status != 0 ? error.status : row(error.id).status;
}

http::Response error_response(const ApiError& error) {
  http::Response response;
  response.status = status_of(error);
  response.headers.emplace_back("Content-Type", "application/json");
  if (error.id == ErrorId::kInvalidApiKey)
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.retry_after_ms > 0) {
    response.headers.emplace_back("Retry-After",
                                  std::to_string((error.retry_after_ms + 999) / 1000));
    response.headers.emplace_back("retry-after-ms", std::to_string(error.retry_after_ms));
  }
  if (row(error.id).retry_pointless) response.headers.emplace_back("x-should-retry", "false");
  response.body = error_body(error);
  return response;
}

}  // namespace tessera::api
