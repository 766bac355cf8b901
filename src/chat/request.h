// A validated chat request, as everything behind the API sees it. Plain data; nothing here knows
// JSON bodies or sockets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/json.h"

namespace tessera::chat {

enum class Role : std::uint8_t { kSystem, kUser, kAssistant, kTool };  // "developer" is kSystem

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text as the client sent it; may not be a JSON object
};

struct Message {
  Role role = Role::kUser;
  std::string content;                   // text parts joined; empty for null
  std::optional<std::string> reasoning;  // reasoning_content (or reasoning) of an assistant message
  std::vector<ToolCall> tool_calls;      // of an assistant message
  std::string tool_call_id;              // of a tool message
};

// What the prompt is made of.
struct PromptInput {
  std::vector<Message> messages;   // at least one
  std::vector<json::Value> tools;  // whole tool objects in the client's key order; empty: none
  bool enable_thinking = false;    // the product's default is direct mode
  bool preserve_thinking = false;  // keep the reasoning of turns before the last user message
  bool continue_final_message =
      false;  // the last message is an assistant's to be continued, not closed
};

// Absent: the checkpoint's default for the mode.
struct Sampling {
  std::optional<double> temperature;         // 0 to 2; 0 is exact argmax
  std::optional<double> top_p;               // 0 to 1
  std::optional<std::int32_t> top_k;         // 0: all
  std::optional<double> min_p;               // 0 to 1
  std::optional<double> presence_penalty;    // -2 to 2
  std::optional<double> frequency_penalty;   // -2 to 2
  std::optional<double> repetition_penalty;  // > 0; 1 is none
  std::optional<std::int64_t> seed;          // absent: random
  std::vector<std::pair<TokenId, float>> logit_bias;
};

// Which tools may be, or must be, called.
struct ToolChoice {
  enum class Mode : std::uint8_t {
    kNone,      // no calls; the tools stay in the prompt
    kAuto,      // the model decides
    kRequired,  // at least one call
    kNamed      // exactly one call, of names[0]
  };
  Mode mode = Mode::kAuto;
  std::vector<std::string> names;  // the only tools that may be called; empty: all
};

// What a custom tool's input must be.
struct CustomFormat {
  enum class Syntax : std::uint8_t { kText, kRegex, kLark };
  Syntax syntax = Syntax::kText;
  std::string definition;  // of its grammar
};
using CustomTools = std::map<std::string, CustomFormat>;  // by the tool's name

// What the answer's content must be.
struct ResponseFormat {
  enum class Kind : std::uint8_t { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  std::string name;    // of the schema
  json::Value schema;  // an object, with kJsonSchema
  bool strict = false;
};

struct ChatRequest {
  PromptInput prompt;
  Sampling sampling;
  ToolChoice tool_choice;
  CustomTools custom_tools =
      {};  // those of the prompt's tools that are custom (chat/custom_tool.h)
  ResponseFormat response_format;
  std::optional<std::int32_t> max_tokens;       // absent: what is left of the context
  std::string max_tokens_field = "max_tokens";  // where the client wrote it
  // max_tokens cuts JSON and calls, too; else they are brought to their end within it.
  bool cut_at_max_tokens = false;
  std::vector<std::string> stop;    // not applied inside reasoning or tool calls
  std::int32_t choices = 1;         // n
  bool parallel_tool_calls = true;  // false: at most one call, the answer ends behind it
  // Tokens of reasoning in each choice, </think> included, at most; then the server closes the
  // block and the answer comes. 0: direct mode. Absent: no bound but max_tokens.
  std::optional<std::int32_t> thinking_budget;
  std::optional<std::int32_t> top_logprobs;  // absent: no logprobs; 0: of the chosen tokens alone
  std::int32_t max_context = 0;  // the caller's cap on prompt and answer; 0: the service's own
  AccountId account;             // whose request it is
  std::int32_t weight = 1;       // of the account beside others, when both wait
};

// Plain text to be continued: POST /v1/completions.
struct TextRequest {
  std::variant<std::string, std::vector<TokenId>>
      prompt;  // text: control tokens are not looked for
  Sampling sampling;
  std::optional<std::int32_t> max_tokens;
  std::vector<std::string> stop;
  std::int32_t choices = 1;
  std::optional<std::int32_t> top_logprobs;
  std::int32_t max_context = 0;
  AccountId account;
  std::int32_t weight = 1;  // of the account beside others, when both wait
};

}  // namespace tessera::chat
