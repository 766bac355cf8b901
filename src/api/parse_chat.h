// The body of POST /v1/chat/completions → a typed, checked request. Parsed once; every check and
// every action uses the result. Which fields there are, and what is done with each: one table
// (parse_chat.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "api/limits.h"
#include "chat/request.h"

namespace tessera::api {

struct ChatCompletionRequest {
  std::string model;
  chat::ChatRequest chat;
  bool stream = false;
  bool include_usage = false;
  std::vector<std::string>
      ignored;  // names of unknown top-level fields, for X-Tessera-Ignored-Params
};

// How messages are read. As the template takes them is for showing prompts (`tessera render`): what
// the chat template prints and the API refuses goes through, that is missing call ids, tool names
// of any letters, calls without the "function" wrapper, and media parts as their placeholders,
// numbered where the template's add_vision_id says so.
struct Reading {
  bool as_template = false;
  bool number_media = false;
};

// `vocabulary`: token ids in logit_bias must lie below it.
Parsed<ChatCompletionRequest> parse_chat(std::string_view body, const RequestLimits& limits,
                                         std::int32_t vocabulary, const Reading& reading = {});

// Its parts, each in a file of its own.
Parsed<std::vector<chat::Message>> parse_messages(const json::Value& value,
                                                  const RequestLimits& limits,
                                                  const Reading& reading);
Parsed<std::vector<json::Value>> parse_tools(const json::Value& value, const RequestLimits& limits,
                                             const Reading& reading);
// Which tools may be used; `tools` tells whether the request has any.
Parsed<chat::ToolChoice> parse_tool_choice(const json::Value& value, bool has_tools);

}  // namespace tessera::api
