#include "api/text_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/utf8.h"

namespace tessera::api {
namespace {

// A token as a string: its text, or "bytes:\xe2\x80" for a part of a code point.
std::string token_name(std::string_view bytes) {
  if (is_valid_utf8(bytes)) return std::string(bytes);
  std::string out = "bytes:";
  for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

// Code points whose first byte is in `bytes`.
std::size_t characters(std::string_view bytes) {
  return static_cast<std::size_t>(std::count_if(bytes.begin(), bytes.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

void append_item(std::string& list, std::string_view item) {
  if (!list.empty()) list += ',';
  list += item;
}

}  // namespace

TextFormat::TextFormat(const Identity& identity, TextShape shape)
    : identity_(identity),
      shape_(std::move(shape)),
      head_(fmt::format(
          R"({{"id":{},"object":"text_completion","created":{},"model":{},"system_fingerprint":{},"choices":[)",
          quoted(identity.id), identity.created, quoted(identity.model),
          quoted(identity.fingerprint))),
      choices_(static_cast<std::size_t>(shape_.choices)) {
  for (std::size_t i = 0; i < shape_.echo.size(); ++i) {
    choices_[i].text = shape_.echo[i];
    choices_[i].offset = characters(shape_.echo[i]);
  }
}

void TextFormat::append(const chat::ContentLogprob& entry, Choice& choice, Logprobs& out) const {
  append_item(out.tokens, quoted(token_name(entry.bytes)));
  append_item(out.token_logprobs, logprob_number(entry.logprob));
  append_item(out.text_offset, std::to_string(choice.offset));
  choice.offset += characters(entry.bytes);
  std::string top;
  std::unordered_set<std::string> names;  // two tokens of the same text: the likelier one counts
  for (const chat::TokenLogprob& likely : entry.top) {
    const std::string name = token_name(likely.bytes);
    if (names.insert(name).second)
      append_item(top, quoted(name) + ":" + logprob_number(likely.logprob));
  }
  append_item(out.top_logprobs, "{" + top + "}");
}

std::string TextFormat::logprobs_object(const Logprobs& logprobs) const {
  if (!shape_.logprobs) return "null";
  return fmt::format(
      R"({{"tokens":[{}],"token_logprobs":[{}],"top_logprobs":[{}],"text_offset":[{}]}})",
      logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs, logprobs.text_offset);
}

std::string TextFormat::chunk(std::int32_t choice, std::string_view text, std::string_view logprobs,
                              std::string_view finish_reason) const {
  return finish_frame(
      fmt::format(R"(data: {}{{"text":{},"index":{},"logprobs":{},"finish_reason":{}}}])", head_,
                  quoted(text), choice, logprobs, finish_reason),
      shape_);
}

std::string TextFormat::opening(std::int32_t choice) {
  const std::string& echo = at(choice).text;
  return echo.empty() ? std::string() : chunk(choice, echo, "null", "null");
}

std::string TextFormat::frame(const chat::ChatEvent& event) {
  if (const auto* delta = std::get_if<chat::ContentDelta>(&event)) {
    Logprobs logprobs;
    if (shape_.logprobs)
      for (const auto& entry : delta->logprobs) append(entry, at(delta->choice), logprobs);
    return chunk(delta->choice, delta->text, logprobs_object(logprobs), "null");
  }
  if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
    return chunk(finish->choice, "", "null", quoted(to_text(finish->reason)));
  return {};
}

std::string TextFormat::usage_frame(const chat::Usage& usage) {
  if (!shape_.include_usage) return {};
  return fmt::format("data: {}],\"usage\":{}}}\n\n", head_, usage_object(usage));
}

void TextFormat::collect(const chat::ChatEvent& event) {
  if (const auto* delta = std::get_if<chat::ContentDelta>(&event)) {
    Choice& choice = at(delta->choice);
    choice.text += delta->text;
    if (shape_.logprobs)
      for (const auto& entry : delta->logprobs) append(entry, choice, choice.logprobs);
  }
  if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
    at(finish->choice).finish_reason = finish->reason;
}

std::string TextFormat::body(const chat::Usage& usage) {
  std::string out = head_;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const Choice& choice = choices_[i];
    if (i != 0) out += ',';
    out += fmt::format(R"({{"text":{},"index":{},"logprobs":{},"finish_reason":"{}"}})",
                       quoted(choice.text), i, logprobs_object(choice.logprobs),
                       to_text(choice.finish_reason));
  }
  return out + R"(],"usage":)" + usage_object(usage) + '}';
}

}  // namespace tessera::api
