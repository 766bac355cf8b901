// The one error table: every refusal that a client can see, with its HTTP status and OpenAI type.
// The envelope is
// {"error":{"message","type","param","code"}}, all four keys always there.
#pragma once

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
  kContextLengthExceeded,
  kInvalidApiKey,
  kModelNotFound,
  kUnknownUrl,
  kMethodNotAllowed,
  kRequestTimeout,
  kRequestTooLarge,
  kUriTooLong,
  kUnsupportedMediaType,
  kUnsupportedContentEncoding,
  kExpectationFailed,
  kHeadersTooLarge,
  kInternalError,
  kNumericalError,
  kEngineFailure,
  kServerOverloaded,
  kDraining,
  kModelLoading,
  kModelUnavailable,
  kCount
};

struct ErrorRow {
  ErrorId id;
  unsigned status;
  std::string_view type;
  std::string_view code;
};
const ErrorRow& row(ErrorId id);

// `message` is shown to the client: what was wrong, where, which limit, what to do. No address,
// path or key of ours.
struct ApiError {
  ErrorId id = ErrorId::kInternalError;
  std::string message;
  std::string param = {};  // path of the field at fault ("messages[2].content"); empty: null
  int retry_after_s = 0;   // > 0: Retry-After
};

// {"error":{…}}
std::string error_body(const ApiError& error);
http::Response error_response(const ApiError& error);

}  // namespace tessera::api
