// Any bytes as the body of a chat or completion request. A fault that stops the reading must be the
// first of all faults that are collected, it must name something, and what is let through must keep
// to the tables' limits.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "api/parse_chat.h"
#include "api/parse_completion.h"
#include "base/check.h"
#include "base/utf8.h"

namespace tessera::api {
namespace {

constexpr std::int32_t kVocabulary = 1000;

void check_fault(const ApiError& fault) {
  CHECK(!fault.message.empty() && is_valid_utf8(fault.message) && is_valid_utf8(fault.param));
  CHECK(row(fault.id).status == 400);
}

void check_common(const chat::Sampling& sampling, const std::vector<std::string>& stop,
                  std::int32_t choices, std::optional<std::int32_t> max_tokens) {
  const auto within = [](const std::optional<double>& value, double min, double max) {
    return !value || (*value >= min && *value <= max);
  };
  CHECK(within(sampling.temperature, 0, 2) && within(sampling.top_p, 0, 1));
  CHECK(within(sampling.min_p, 0, 1) && within(sampling.repetition_penalty, 0.01, 10));
  CHECK(within(sampling.presence_penalty, -2, 2) && within(sampling.frequency_penalty, -2, 2));
  CHECK(sampling.logit_bias.size() <= kRequestLimits.logit_bias_entries);
  for (const auto& [token, bias] : sampling.logit_bias)
    CHECK(token >= 0 && token < kVocabulary && bias >= -100 && bias <= 100);
  CHECK(stop.size() <= kRequestLimits.stop_sequences);
  for (const std::string& text : stop)
    CHECK(!text.empty() && text.size() <= kRequestLimits.stop_bytes && is_valid_utf8(text));
  CHECK(choices >= 1 && choices <= kRequestLimits.standard_choices);
  CHECK(!max_tokens || *max_tokens >= 1);
}

void check_chat_body(std::string_view body, const ParseOptions& options) {
  const auto parsed = parse_chat(body, options);
  const std::vector<ApiError> faults = check_chat(body, options).problems;
  CHECK(parsed.has_value() == faults.empty());
  for (const ApiError& fault : faults) check_fault(fault);
  if (!parsed) {
    CHECK(parsed.error().id == faults[0].id && parsed.error().param == faults[0].param);
    return;
  }
  const chat::ChatRequest& chat = parsed->chat;
  check_common(chat.sampling, chat.stop, chat.choices, chat.max_tokens);
  CHECK(!chat.prompt.messages.empty());
  CHECK(chat.prompt.tools.size() <= kRequestLimits.tools);
  CHECK(chat.top_logprobs.value_or(0) <= kRequestLimits.top_logprobs);
  CHECK(chat.thinking_budget.value_or(0) >= 0);
}

void check_completion_body(std::string_view body, const ParseOptions& options) {
  const auto parsed = parse_completion(body, options);
  if (!parsed) return check_fault(parsed.error());
  const chat::TextRequest& text = parsed->text;
  check_common(text.sampling, text.stop, text.choices, text.max_tokens);
  CHECK(!parsed->prompts.empty());
  CHECK(parsed->prompts.size() * static_cast<std::size_t>(text.choices) <=
        kRequestLimits.completions);
  for (const auto& prompt : parsed->prompts) {
    if (const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) {
      CHECK(!tokens->empty());
      for (const TokenId token : *tokens) CHECK(token >= 0 && token < kVocabulary);
    }
  }
}

}  // namespace
}  // namespace tessera::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera::api;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const bool strict : {false, true}) {
    const ParseOptions options{.vocabulary = kVocabulary, .strict = strict};
    check_chat_body(body, options);
    check_completion_body(body, options);
  }
  return 0;
}
