#include "api/response_writer.h"

#include <fmt/format.h>

#include "base/json.h"

namespace tessera::api {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  json::append_string(text, out);
  return out;
}

std::string head_of(const Identity& identity, std::string_view object) {
  return fmt::format(
      R"({{"id":{},"object":"{}","created":{},"model":{},"system_fingerprint":{},"service_tier":"default",)",
      quoted(identity.id), object, identity.created, quoted(identity.model),
      quoted(identity.fingerprint));
}

std::string usage_object(const chat::Usage& usage) {
  return fmt::format(
      R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}},)"
      R"("completion_tokens_details":{{"reasoning_tokens":{}}}}})",
      usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens + usage.completion_tokens,
      usage.cached_tokens, usage.reasoning_tokens);
}

std::string message_object(const CollectedChoice& choice) {
  std::string out = R"({"role":"assistant","content":)";
  // Beside calls, no text is null, not "": what OpenAI's clients expect.
  out += choice.content.empty() && !choice.tool_calls.empty() ? "null" : quoted(choice.content);
  out += R"(,"refusal":null)";
  if (choice.reasoning) out += R"(,"reasoning_content":)" + quoted(*choice.reasoning);
  if (!choice.tool_calls.empty()) {
    out += R"(,"tool_calls":)";
    char before = '[';
    for (const CollectedCall& call : choice.tool_calls) {
      out += std::exchange(before, ',');
      out += fmt::format(R"({{"id":{},"type":"function","function":{{"name":{},"arguments":{}}}}})",
                         quoted(call.id), quoted(call.name), quoted(call.arguments));
    }
    out += ']';
  }
  out += '}';
  return out;
}

}  // namespace

std::string_view to_text(chat::FinishReason reason) {
  switch (reason) {
    case chat::FinishReason::kStop:
      return "stop";
    case chat::FinishReason::kLength:
      return "length";
    case chat::FinishReason::kToolCalls:
      return "tool_calls";
  }
  return "stop";
}

std::string completion_body(const Identity& identity, const std::vector<CollectedChoice>& choices,
                            const chat::Usage& usage) {
  std::string body = head_of(identity, "chat.completion") + R"("choices":[)";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i != 0) body += ',';
    body += fmt::format(R"({{"index":{},"message":{},"logprobs":null,"finish_reason":"{}"}})", i,
                        message_object(choices[i]), to_text(choices[i].finish_reason));
  }
  body += R"(],"usage":)" + usage_object(usage) + "}";
  return body;
}

ChunkWriter::ChunkWriter(const Identity& identity, bool include_usage)
    : head_("data: " + head_of(identity, "chat.completion.chunk") + R"("choices":[)"),
      tail_(include_usage ? "],\"usage\":null}\n\n" : "]}\n\n") {}

std::string ChunkWriter::frame(std::int32_t choice, std::string_view delta,
                               std::string_view finish_reason) const {
  return fmt::format(R"({}{{"index":{},"delta":{},"logprobs":null,"finish_reason":{}}}{})", head_,
                     choice, delta, finish_reason, tail_);
}

std::string ChunkWriter::role(std::int32_t choice) const {
  return frame(choice, R"({"role":"assistant","content":""})", "null");
}

std::string ChunkWriter::reasoning(std::int32_t choice, std::string_view text) const {
  return frame(choice, fmt::format(R"({{"reasoning_content":{}}})", quoted(text)), "null");
}

std::string ChunkWriter::content(std::int32_t choice, std::string_view text) const {
  return frame(choice, fmt::format(R"({{"content":{}}})", quoted(text)), "null");
}

std::string ChunkWriter::call_start(const chat::ToolCallStart& start) const {
  return frame(
      start.choice,
      fmt::format(
          R"({{"tool_calls":[{{"index":{},"id":{},"type":"function","function":{{"name":{},"arguments":""}}}}]}})",
          start.index, quoted(start.id), quoted(start.name)),
      "null");
}

std::string ChunkWriter::call_arguments(const chat::ToolCallArguments& piece) const {
  return frame(piece.choice,
               fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})",
                           piece.index, quoted(piece.text)),
               "null");
}

std::string ChunkWriter::finish(std::int32_t choice, chat::FinishReason reason) const {
  return frame(choice, "{}", quoted(to_text(reason)));
}

std::string ChunkWriter::usage(const chat::Usage& usage) const {
  return fmt::format("{}],\"usage\":{}}}\n\n", head_, usage_object(usage));
}

std::string ChunkWriter::error(const ApiError& error) {
  return fmt::format("data: {}\n\n", error_body(error));
}

}  // namespace tessera::api
