// The body of POST /v1/completions → a typed, checked request; its table: completion_fields.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/parse_chat.h"
#include "base/ids.h"
#include "chat/request.h"

namespace tessera::api {

struct CompletionRequest : CommonRequest {
  // At least one, none of them empty. Choice j of prompt i has index i · n + j.
  std::vector<std::variant<std::string, std::vector<TokenId>>> prompts;
  // What holds for each of them; its prompt is empty. max_tokens is always set (default 16);
  // top_logprobs: the field `logprobs`, 0 to 5.
  chat::TextRequest text;
  bool echo = false;  // the prompt stands before the answer
};

Parsed<CompletionRequest> parse_completion(std::string_view body, const ParseOptions& options);

}  // namespace tessera::api
