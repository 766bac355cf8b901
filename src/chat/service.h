// The seam between the API and whatever answers: a validated chat request in, chat events out. The
// local engine is one implementation (local/), an upstream cluster may be another; api/ cannot tell
// them apart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "chat/request.h"

namespace tessera::chat {

enum class FinishReason : std::uint8_t { kStop, kLength, kToolCalls };

// Pieces of choice `choice`, in order. Text is whole code points and may be empty only where a
// comment says so.
struct ReasoningDelta {
  std::int32_t choice = 0;
  std::string text;
};
// A token of the vocabulary with the model's own log probability for it: before temperature,
// penalties, bias and any constraint.
struct TokenLogprob {
  TokenId token = 0;
  std::string bytes;   // its text; may be part of a code point
  double logprob = 0;  // natural, -9999.0 at least
};
struct ContentLogprob : TokenLogprob {
  std::vector<TokenLogprob> top;  // the likeliest, best first; as many as were asked for
};
struct ContentDelta {
  std::int32_t choice = 0;
  std::string text;  // may be empty where there are entries: see below
  // Where they were asked for: of the tokens that the text is made of, those with at least one byte
  // in the answer. A token's entry comes with the delta that holds its last byte; where the text's
  // end was cut off (a stop string, newlines before a call) it comes later, without text. Over a
  // whole answer the entries' bytes are the content, and at both ends perhaps some more.
  std::vector<ContentLogprob> logprobs = {};
};
struct ToolCallStart {
  std::int32_t choice = 0;
  std::int32_t index = 0;  // of the call in its choice
  std::string id;
  std::string name;
  bool custom = false;  // a custom tool's
};
struct ToolCallArguments {
  std::int32_t choice = 0;
  std::int32_t index = 0;
  std::string text;     // a piece of the arguments' JSON text, or of the input
  bool custom = false;  // as of the call
};
struct ChoiceFinished {
  std::int32_t choice = 0;
  FinishReason reason = FinishReason::kStop;
};

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens =
      0;  // sampled, reasoning and </think> included, the end-of-turn token not
  std::int64_t cached_tokens = 0;
  std::int64_t reasoning_tokens = 0;  // up to and including </think>
};
// Terminal: every choice has finished.
struct Completed {
  Usage usage;
  std::string output_digest;  // hash over the generated token ids, hexadecimal
};
// Terminal: the request failed after it was accepted.
struct Failed {
  Error error;
};

using ChatEvent = std::variant<ReasoningDelta, ContentDelta, ToolCallStart, ToolCallArguments,
                               ChoiceFinished, Completed, Failed>;

// One accepted request. Exactly one terminal event comes. One thread at a time; destroying it
// cancels what still runs.
class ChatStream {
 public:
  virtual ~ChatStream() = default;
  // The next event, or nothing when none is there now: then `on_ready` is called once when there
  // is.
  virtual std::optional<ChatEvent> next() = 0;
  virtual void cancel() = 0;
  // What it has cost so far.
  virtual Usage usage() const = 0;
};

// Why a request was not accepted, for the API's error table.
enum class RefusalCode : std::uint8_t {
  kContextLengthExceeded,
  kInvalidRequest,
  kUnsupportedValue,
  kUnsupportedSchema,  // what a form asks for and nobody can hold an answer to
  kInvalidSchema,
  kInvalidRegex,
  kSchemaTooComplex,
  kMaxTokensTooSmall,  // for the shortest answer of the form that was asked for
  kOverloaded,
  kDraining,
  kInternal
};
struct Refusal {
  RefusalCode code = RefusalCode::kInvalidRequest;
  std::string message;
  std::string param;               // path of the field at fault; may be empty
  std::int32_t retry_after_s = 0;  // with kOverloaded and kDraining
};

struct ModelInfo {
  std::string
      weights_name;         // which weights are behind the served name ("Tessera demo 3.1M (Q8_0)")
  std::string fingerprint;  // build and weights: system_fingerprint
  std::int32_t max_context = 0;
  std::int32_t vocabulary = 0;
  std::int64_t created = 0;  // unix seconds
  Sampling default_direct;   // sampling defaults of the two modes, every field set but seed
  Sampling default_thinking;
};

// What a request's prompt comes to, without answering it.
struct PromptFacts {
  std::int64_t tokens = 0;
  std::string digest;  // SHA-256 over the token ids, hexadecimal: equal prompts, equal digests
  std::vector<TokenId> prompt = {};     // the tokens themselves
  std::optional<Refusal> refusal = {};  // what start() would say; then there is nothing below
  std::int32_t context = 0;             // tokens that prompt and answer may have together
  std::int32_t max_answer = 0;          // what the answer may have: max_tokens, or what is left
};

class ChatService {
 public:
  virtual ~ChatService() = default;
  virtual const ModelInfo& model() const = 0;
  // True once requests can be answered.
  virtual bool ready() const = 0;
  // Renders, tokenises and submits, on the caller's thread. `on_ready` may be called from any
  // thread, also before start() has returned; it must not block.
  virtual Result<std::unique_ptr<ChatStream>, Refusal> start(ChatRequest request,
                                                             std::function<void()> on_ready) = 0;
  // The same for plain text: its events are ContentDelta, ChoiceFinished and the terminal ones.
  virtual Result<std::unique_ptr<ChatStream>, Refusal> start_text(
      TextRequest request, std::function<void()> on_ready) = 0;
  // What start() would refuse, and what it would cost. A prompt that can be made is measured
  // whatever stands in the way of its answer.
  virtual Result<PromptFacts, Refusal> measure(const ChatRequest& request) = 0;

  // `control`: control tokens that are spelt out count as such.
  virtual Result<std::vector<TokenId>, Refusal> tokenise(std::string_view text, bool control) = 0;
  // The bytes of tokens, which need not be whole code points. kInvalidRequest: an id out of range.
  virtual Result<std::string, Refusal> detokenise(std::span<const TokenId> tokens) = 0;
};

}  // namespace tessera::chat
