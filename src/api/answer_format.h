// What the events of one request look like to its client, whole or as a stream: OpenAI's shapes,
// written directly, no DOM. One implementation for chats (chat_format.h), one for plain text
// (text_format.h). One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

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

struct StreamShape {
  bool include_usage = false;  // every chunk carries "usage":null, and one more comes at the end
  bool obfuscate = false;      // pad chunks that carry a delta, so that sizes tell less of the text
};

// The choice of an event is the choice of the whole answer, whichever prompt it belongs to.
class AnswerFormat {
 public:
  virtual ~AnswerFormat() = default;

  // Streamed: each a whole SSE frame ("data: {…}\n\n"), or empty where there is nothing to say.
  virtual std::string opening(std::int32_t choice) = 0;
  virtual std::string frame(const chat::ChatEvent& event) = 0;
  virtual std::string usage_frame(const chat::Usage& usage) = 0;

  // Whole: events first, then the body.
  virtual void collect(const chat::ChatEvent& event) = 0;
  virtual std::string body(const chat::Usage& usage) = 0;
};

constexpr std::string_view kDoneFrame = "data: [DONE]\n\n";
std::string error_frame(const ApiError& error);

// What the two formats share.

// A JSON string. Line ends that are no control characters in JSON (U+0085, U+2028, U+2029) are
// escaped too: clients that split a stream by Unicode's lines would cut it there.
std::string quoted(std::string_view text);
// Valid UTF-8 for bytes that may not be: each byte that belongs to no code point becomes U+FFFD.
std::string with_replacements(std::string_view bytes);
std::string_view to_text(chat::FinishReason reason);
std::string usage_object(const chat::Usage& usage);
// A log probability as OpenAI writes it: -9999.0 for what cannot be.
std::string logprob_number(double logprob);
// `data: {…}`, of which the last brace is taken off, goes to a frame: with "usage":null and
// padding, as asked for; it adds kFrameEnd bytes at most.
std::string finish_frame(std::string chunk, const StreamShape& shape);
constexpr std::size_t kFrameEnd = 192;

}  // namespace tessera::api
