// The body of POST /v1/chat/completions → a typed, checked request. Parsed once; every check and
// every action uses the result. Which fields there are, and what is done with each: one table
// (chat_fields.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/limits.h"
#include "base/json.h"
#include "chat/request.h"
#include "chat/service.h"

namespace tessera::api {

// How messages are read. As the template takes them is for showing prompts (`tessera render`): what
// the chat template prints and the API refuses goes through, that is missing call ids, tool names
// of any letters, calls without the "function" wrapper, and media parts as their placeholders,
// numbered where the template's add_vision_id says so.
struct Reading {
  bool as_template = false;
  bool number_media = false;
};

struct ParseOptions {
  std::int32_t vocabulary = 0;                                 // token ids must lie below it
  std::int64_t max_choices = kRequestLimits.standard_choices;  // the operator's or tier's cap on n
  bool strict = false;  // unknown fields are refused, not ignored
  Reading reading = {};
};

// What requests for chats and for plain text have in common beyond what the service is told.
struct CommonRequest {
  std::string model;
  bool stream = false;
  bool include_usage = false;
  bool include_obfuscation = false;
  std::vector<std::string> ignored;  // unknown top-level fields, for X-Tessera-Ignored-Params
};

struct ChatCompletionRequest : CommonRequest {
  chat::ChatRequest chat;
  std::optional<json::Object> metadata;  // echoed in the answer
  bool function_calls = false;  // `functions` were given: the answer calls as their clients expect
};

// The service's refusal of such a request names tools: in the words of the request.
void use_older_names(chat::Refusal& refusal);

Parsed<ChatCompletionRequest> parse_chat(std::string_view body, const ParseOptions& options);

// All that parse_chat() would refuse, not the first fault alone: at most one for each top-level
// field and each message. Empty: the body is good. At most `kMaxProblems`. The request is what
// could be read, fields at fault left out.
constexpr std::size_t kMaxProblems = 100;
struct CheckedChat {
  std::vector<ApiError> problems;
  ChatCompletionRequest request;
  bool prompt_known = false;  // no field at fault is one that the prompt depends on
};
CheckedChat check_chat(std::string_view body, const ParseOptions& options);

}  // namespace tessera::api
