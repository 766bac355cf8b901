#include "api/chat_format.h"

#include <fmt/format.h>

#include <utility>

namespace tessera::api {
namespace {

// What all chunks of a stream begin with, in the order of the live API.
std::string chunk_head(const Identity& identity) {
  return fmt::format(
      R"(data: {{"id":{},"object":"chat.completion.chunk","created":{},"model":{},"service_tier":"default","system_fingerprint":{},"choices":[)",
      quoted(identity.id), identity.created, quoted(identity.model), quoted(identity.fingerprint));
}

// "token":…,"logprob":…,"bytes":[…]
void append_token(const chat::TokenLogprob& entry, std::string& out) {
  out += R"("token":)" + quoted(with_replacements(entry.bytes));
  out += R"(,"logprob":)" + logprob_number(entry.logprob) + R"(,"bytes":[)";
  for (std::size_t i = 0; i < entry.bytes.size(); ++i) {
    if (i != 0) out += ',';
    out += std::to_string(static_cast<unsigned char>(entry.bytes[i]));
  }
  out += ']';
}

// Each with a comma behind it.
std::string logprob_entries(const std::vector<chat::ContentLogprob>& entries) {
  std::string out;
  for (const chat::ContentLogprob& entry : entries) {
    out += '{';
    append_token(entry, out);
    out += R"(,"top_logprobs":[)";
    for (std::size_t i = 0; i < entry.top.size(); ++i) {
      out += i == 0 ? "{" : ",{";
      append_token(entry.top[i], out);
      out += '}';
    }
    out += "]},";
  }
  return out;
}

// What a call is, and where it has its text.
std::string_view kind_of(bool custom) {
  return custom ? "custom" : "function";
}

std::string_view text_member(bool custom) {
  return custom ? "input" : "arguments";
}

std::string logprobs_object(std::string entries) {
  if (!entries.empty()) entries.pop_back();
  return fmt::format(R"({{"content":[{}],"refusal":null}})", entries);
}

}  // namespace

ChatFormat::ChatFormat(const Identity& identity, ChatShape shape)
    : identity_(identity),
      shape_(std::move(shape)),
      chunk_head_(chunk_head(identity)),
      collected_(static_cast<std::size_t>(shape_.choices)) {}

std::string ChatFormat::chunk(std::int32_t choice, std::string_view delta,
                              std::string_view logprobs, std::string_view finish_reason) const {
  constexpr std::size_t kNames = 64;  // and the number
  std::string out;
  out.reserve(chunk_head_.size() + delta.size() + logprobs.size() + finish_reason.size() + kNames +
              kFrameEnd);
  out.append(chunk_head_).append(R"({"index":)").append(std::to_string(choice));
  out.append(R"(,"delta":)").append(delta);
  out.append(R"(,"logprobs":)").append(logprobs);
  out.append(R"(,"finish_reason":)").append(finish_reason).append("}]");
  return finish_frame(std::move(out), shape_);
}

std::string ChatFormat::reasoning_fields(std::string_view text) const {
  const std::string value = quoted(text);
  std::string out = R"("reasoning_content":)" + value;
  if (shape_.reasoning_alias) out += R"(,"reasoning":)" + value;
  return out;
}

std::string ChatFormat::opening(std::int32_t choice) {
  return chunk(choice, R"({"role":"assistant","content":""})");
}

std::string ChatFormat::frame(const chat::ChatEvent& event) {
  if (const auto* delta = std::get_if<chat::ReasoningDelta>(&event))
    return chunk(delta->choice, "{" + reasoning_fields(delta->text) + "}");
  if (const auto* delta = std::get_if<chat::ContentDelta>(&event)) {
    return chunk(delta->choice, R"({"content":)" + quoted(delta->text) + '}',
                 shape_.logprobs ? logprobs_object(logprob_entries(delta->logprobs)) : "null");
  }
  if (const auto* start = std::get_if<chat::ToolCallStart>(&event)) {
    return chunk(start->choice,
                 call_delta(start->index, start->custom, start->id,
                            fmt::format(R"({{"name":{},"{}":""}})", quoted(start->name),
                                        text_member(start->custom))));
  }
  // Later deltas of a call leave out id, type and name: SDKs take a repeated one for a changed one.
  if (const auto* piece = std::get_if<chat::ToolCallArguments>(&event)) {
    return chunk(piece->choice, call_delta(piece->index, piece->custom, "",
                                           fmt::format(R"({{"{}":{}}})", text_member(piece->custom),
                                                       quoted(piece->text))));
  }
  if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
    return chunk(finish->choice, "{}", "null", quoted(to_reason(finish->reason)));
  return {};
}

std::string ChatFormat::call_delta(std::int32_t index, bool custom, std::string_view id,
                                   std::string_view inner) const {
  if (shape_.function_calls) return fmt::format(R"({{"function_call":{}}})", inner);
  const std::string_view kind = kind_of(custom);
  std::string identity;
  if (!id.empty()) identity = fmt::format(R"("id":{},"type":"{}",)", quoted(id), kind);
  return fmt::format(R"({{"tool_calls":[{{"index":{},{}"{}":{}}}]}})", index, identity, kind,
                     inner);
}

std::string_view ChatFormat::to_reason(chat::FinishReason reason) const {
  const bool older = shape_.function_calls && reason == chat::FinishReason::kToolCalls;
  return older ? "function_call" : to_text(reason);
}

std::string ChatFormat::usage_frame(const chat::Usage& usage) {
  if (!shape_.include_usage) return {};
  return fmt::format("{}],\"usage\":{}}}\n\n", chunk_head_, usage_object(usage));
}

void ChatFormat::collect(const chat::ChatEvent& event) {
  if (const auto* delta = std::get_if<chat::ReasoningDelta>(&event))
    at(delta->choice).reasoning += delta->text;
  if (const auto* delta = std::get_if<chat::ContentDelta>(&event)) {
    at(delta->choice).content += delta->text;
    if (shape_.logprobs) at(delta->choice).logprobs += logprob_entries(delta->logprobs);
  }
  if (const auto* start = std::get_if<chat::ToolCallStart>(&event))
    at(start->choice).calls.push_back({start->id, start->name, "", start->custom});
  if (const auto* piece = std::get_if<chat::ToolCallArguments>(&event))
    at(piece->choice).calls[static_cast<std::size_t>(piece->index)].arguments += piece->text;
  if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
    at(finish->choice).finish_reason = finish->reason;
}

std::string ChatFormat::message(const Choice& choice) const {
  std::string out = R"({"role":"assistant","content":)";
  // Beside calls, no text is null, not "": what OpenAI's clients expect.
  out += choice.content.empty() && !choice.calls.empty() ? "null" : quoted(choice.content);
  out += R"(,"refusal":null)";
  if (shape_.thinking || !choice.reasoning.empty()) out += "," + reasoning_fields(choice.reasoning);
  if (!choice.calls.empty() && shape_.function_calls) {
    out += fmt::format(R"(,"function_call":{{"name":{},"arguments":{}}})",
                       quoted(choice.calls[0].name), quoted(choice.calls[0].arguments));
  } else if (!choice.calls.empty()) {
    out += R"(,"tool_calls":)";
    char before = '[';
    for (const Call& call : choice.calls) {
      out += std::exchange(before, ',');
      out += fmt::format(R"({{"id":{},"type":"{}","{}":{{"name":{},"{}":{}}}}})", quoted(call.id),
                         kind_of(call.custom), kind_of(call.custom), quoted(call.name),
                         text_member(call.custom), quoted(call.arguments));
    }
    out += ']';
  }
  return out + '}';
}

std::string ChatFormat::body(const chat::Usage& usage) {
  std::string out =
      fmt::format(R"({{"id":{},"object":"chat.completion","created":{},"model":{},"choices":[)",
                  quoted(identity_.id), identity_.created, quoted(identity_.model));
  for (std::size_t i = 0; i < collected_.size(); ++i) {
    if (i != 0) out += ',';
    const Choice& choice = collected_[i];
    out += fmt::format(R"({{"index":{},"message":{},"logprobs":{},"finish_reason":"{}"}})", i,
                       message(choice), shape_.logprobs ? logprobs_object(choice.logprobs) : "null",
                       to_reason(choice.finish_reason));
  }
  out += R"(],"usage":)" + usage_object(usage);
  if (shape_.metadata) out += R"(,"metadata":)" + json::to_text(json::Value(*shape_.metadata));
  out += R"(,"service_tier":"default","system_fingerprint":)" + quoted(identity_.fingerprint);
  return out + '}';
}

}  // namespace tessera::api
