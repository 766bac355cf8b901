// The one error table: every refusal that a client can see, with its HTTP status and OpenAI type.
// The envelope is
// {"error":{"message","type","param","code"}}, all four keys always there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/server.h"

namespace tessera::api {

enum class ErrorId {
  kBadHttp,
  kInvalidJson,
  kInvalidUnicode,
  kDuplicateKey,
  kJsonTooDeep,
  kMissingRequiredParameter,
  kInvalidType,
  kInvalidValue,
  kUnknownParameter,
  kUnsupportedParameter,
  kUnsupportedValue,
  kUnsupportedContent,
  kIntegerBelowMinValue,
  kIntegerAboveMaxValue,
  kDecimalBelowMinValue,
  kDecimalAboveMaxValue,
  kEmptyArray,
  kArrayAboveMaxLength,
  kStringAboveMaxLength,
  kInvalidFunctionParameters,
  kUnsupportedSchema,
  kInvalidSchema,
  kInvalidRegex,
  kSchemaTooComplex,
  kMaxTokensTooSmall,
  kContextLengthExceeded,
  kInvalidApiKey,
  kAccountDisabled,
  kModelNotAllowed,
  kOriginNotAllowed,
  kHostNotAllowed,
  kModelNotFound,
  kUnknownUrl,
  kMethodNotAllowed,
  kRequestTimeout,
  kRequestTooLarge,
  kUriTooLong,
  kUnsupportedMediaType,
  kUnsupportedContentEncoding,
  kExpectationFailed,
  kRateLimitExceeded,
  kConcurrencyLimit,
  kInsufficientQuota,
  kHeadersTooLarge,
  kInternalError,
  kNumericalError,
  kGrammarDeadEnd,
  kEngineFailure,
  kTimeout,
  kServerOverloaded,
  kDraining,
  kModelUnavailable,
  kUsageStoreUnavailable,
  kCount
};

struct ErrorRow {
  ErrorId id;
  unsigned status;
  std::string_view type;
  std::string_view code;
  // SDKs retry 408, 429 and 5xx by themselves; this tells them not to, where it would end the same
  // way (x-should-retry: false).
  bool retry_pointless = false;
};
const ErrorRow& row(ErrorId id);

// `message` is shown to the client: what was wrong, where, which limit, what to do. No address,
// path or key of ours.
struct ApiError {
  ErrorId id = ErrorId::kInternalError;
  std::string message;
  std::string param = {};  // path of the field at fault ("messages[2].content"); empty: null
  std::int64_t retry_after_ms = 0;  // > 0: Retry-After (whole seconds, rounded up), retry-after-ms
  unsigned status = 0;              // instead of the row's, where an operator chose so
};
unsigned status_of(const ApiError& error);

// {"message",…}, and {"error":{…}}
std::string error_object(const ApiError& error);
std::string error_body(const ApiError& error);
http::Response error_response(const ApiError& error);

}  // namespace tessera::api
