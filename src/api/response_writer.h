// Answers in OpenAI's shapes: `chat.completion` bodies and `chat.completion.chunk` events, written
// directly, no DOM. Source: OpenAI's API reference for chat completions. Plain functions and a
// small class; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/error.h"
#include "chat/service.h"

namespace tessera::api {

// What every part of one answer repeats.
struct Identity {
  std::string id;            // "chatcmpl-…"
  std::int64_t created = 0;  // unix seconds
  std::string model;         // the served name that was asked for
  std::string fingerprint;
};

struct CollectedCall {
  std::string id;
  std::string name;
  std::string arguments;
};

// One choice of an answer that is not streamed.
struct CollectedChoice {
  std::optional<std::string> reasoning;  // absent in direct mode
  std::string content;
  std::vector<CollectedCall> tool_calls;
  chat::FinishReason finish_reason = chat::FinishReason::kStop;
};

std::string_view to_text(chat::FinishReason reason);

std::string completion_body(const Identity& identity, const std::vector<CollectedChoice>& choices,
                            const chat::Usage& usage);

// The events of a streamed answer, each a whole SSE frame ("data: {…}\n\n").
class ChunkWriter {
 public:
  // With `include_usage` every chunk but the last carries "usage":null.
  ChunkWriter(const Identity& identity, bool include_usage);

  std::string role(
      std::int32_t choice) const;  // the first delta of a choice: role and empty content
  std::string reasoning(std::int32_t choice, std::string_view text) const;
  std::string content(std::int32_t choice, std::string_view text) const;
  std::string call_start(const chat::ToolCallStart& start) const;
  std::string call_arguments(const chat::ToolCallArguments& piece) const;
  std::string finish(std::int32_t choice, chat::FinishReason reason) const;
  std::string usage(const chat::Usage& usage) const;  // choices is empty
  static std::string error(const ApiError& error);
  static std::string_view done() { return "data: [DONE]\n\n"; }

 private:
  std::string frame(std::int32_t choice, std::string_view delta,
                    std::string_view finish_reason) const;

  std::string head_;  // "data: {…,"choices":["
  std::string tail_;  // "]…}\n\n"
};

}  // namespace tessera::api
