// `chat.completion` bodies and `chat.completion.chunk` events. Source: OpenAI's API reference for
// chat completions; reasoning as SGLang, llama.cpp and DeepSeek have it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer_format.h"
#include "base/json.h"

namespace tessera::api {

struct ChatShape : StreamShape {
  std::int32_t choices = 1;
  bool thinking = false;                      // reasoning_content is there, if only empty
  bool reasoning_alias = false;               // the same once more as "reasoning", as vLLM calls it
  bool logprobs = false;                      // were asked for
  bool function_calls = false;                // calls as function_call, as before tools
  std::optional<json::Object> metadata = {};  // of the request, echoed in whole answers
};

class ChatFormat final : public AnswerFormat {
 public:
  ChatFormat(const Identity& identity, ChatShape shape);

  std::string opening(std::int32_t choice) override;  // role and empty content
  std::string frame(const chat::ChatEvent& event) override;
  std::string usage_frame(const chat::Usage& usage) override;
  void collect(const chat::ChatEvent& event) override;
  std::string body(const chat::Usage& usage) override;

 private:
  struct Call {
    std::string id;
    std::string name;
    std::string arguments;  // or the input
    bool custom = false;
  };
  struct Choice {
    std::string reasoning;
    std::string content;
    std::string logprobs;  // entries, each with a comma behind it
    std::vector<Call> calls;
    chat::FinishReason finish_reason = chat::FinishReason::kStop;
  };

  std::string chunk(std::int32_t choice, std::string_view delta, std::string_view logprobs = "null",
                    std::string_view finish_reason = "null") const;
  std::string reasoning_fields(std::string_view text) const;
  std::string message(const Choice& choice) const;
  std::string call_delta(std::int32_t index, bool custom, std::string_view id,
                         std::string_view inner) const;
  std::string_view to_reason(chat::FinishReason reason) const;
  Choice& at(std::int32_t choice) { return collected_[static_cast<std::size_t>(choice)]; }

  const Identity identity_;
  const ChatShape shape_;
  const std::string chunk_head_;  // data: {…,"choices":[
  std::vector<Choice> collected_;
};

}  // namespace tessera::api
