// `text_completion` bodies and events of POST /v1/completions. Source: OpenAI's API reference for
// (legacy) completions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer_format.h"

namespace tessera::api {

struct TextShape : StreamShape {
  std::int32_t choices = 1;            // prompts × n
  bool logprobs = false;               // were asked for
  std::vector<std::string> echo = {};  // what stands before the text of each choice; empty: nothing
};

class TextFormat final : public AnswerFormat {
 public:
  TextFormat(const Identity& identity, TextShape shape);

  std::string opening(std::int32_t choice) override;  // the echo
  std::string frame(const chat::ChatEvent& event) override;
  std::string usage_frame(const chat::Usage& usage) override;
  void collect(const chat::ChatEvent& event) override;
  std::string body(const chat::Usage& usage) override;

 private:
  // The four parallel lists of OpenAI's older log probabilities, without their brackets.
  struct Logprobs {
    std::string tokens;
    std::string token_logprobs;
    std::string top_logprobs;
    std::string text_offset;
  };
  struct Choice {
    std::string text;
    std::size_t offset = 0;  // characters of text before the next token
    Logprobs logprobs;
    chat::FinishReason finish_reason = chat::FinishReason::kStop;
  };

  void append(const chat::ContentLogprob& entry, Choice& choice, Logprobs& out) const;
  std::string logprobs_object(const Logprobs& logprobs) const;
  std::string chunk(std::int32_t choice, std::string_view text, std::string_view logprobs,
                    std::string_view finish_reason) const;
  Choice& at(std::int32_t choice) { return choices_[static_cast<std::size_t>(choice)]; }

  const Identity identity_;
  const TextShape shape_;
  const std::string head_;  // {…,"choices":[
  std::vector<Choice> choices_;
};

}  // namespace tessera::api
