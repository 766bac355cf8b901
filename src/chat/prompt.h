// Messages to a prompt, exactly as the checkpoint's chat template renders them (docs/prompt.md),
// natively.
//
// The prompt is a row of spans: control tokens of the template's own, and text. Whatever a message,
// a tool or a call spells, it is text and never becomes a control token. Text that meets text is
// one span, so that the tokens are those of the template's text.
//
// Pure functions; any thread. Time and output are linear in the input: at most 5 times its JSON,
// plus 1 MiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "chat/request.h"
#include "text/tokenizer.h"

namespace tessera::chat {

enum class SpanKind : std::uint8_t { kText, kControl };

struct Span {
  SpanKind kind = SpanKind::kText;
  std::string text;  // of a control span: its literal, "<|im_start|>"
};

struct Prompt {
  std::vector<Span> spans;
  // Where a state is worth keeping, ascending: before spans[boundary], boundary <= spans.size().
  // One lies behind each message's "<|im_end|>\n", and one between the generation prompt's
  // "<|im_start|>assistant\n" and its think block. The latter is the cache trap: the think block is
  // gone when the turn comes back as history, so that the next request's prompt agrees with this
  // one up to exactly there. A boundary never lies inside a text that the tokenizer sees as one.
  std::vector<std::size_t> boundaries;
  bool ends_in_reasoning = false;  // the answer starts inside the think block
};

// `add_generation_prompt` off leaves the prompt behind the last message, as the template's variable
// does; it is off by itself when the last message is to be continued.
Prompt render_prompt(const PromptInput& input, bool add_generation_prompt = true);

// What the template prints.
std::string to_text(const Prompt& prompt);

struct TokenisedPrompt {
  std::vector<TokenId> ids;
  std::vector<std::int32_t> boundaries;  // Prompt::boundaries as numbers of tokens, ascending
};

// Text by encode_text, control tokens by their id; an error when the vocabulary lacks one that is
// needed.
Result<TokenisedPrompt> tokenise(const Prompt& prompt, const text::Tokenizer& tokenizer);

}  // namespace tessera::chat
