// One choice's tokens to chat events: reasoning, content, tool calls. The segments are told apart
// by token id, never by searching text (docs/prompt.md tells the rules). Owns the choice's
// detokenizer and its stop strings, so that nothing else has to see text before it is an event. One
// object a choice; one thread; linear in the tokens.
//
//   parser.append(token, events) for each sampled token; when it returns true a stop string has
//   matched: cancel. parser.finish(reason, events) once, at the end, whatever the end was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "chat/logprob_aligner.h"
#include "chat/service.h"
#include "chat/stop_matcher.h"
#include "chat/tool_call_parser.h"
#include "chat/tool_set.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace tessera::chat {

// "call_" and 24 random base62 characters.
std::string random_call_id();

struct OutputOptions {
  std::int32_t choice = 0;
  bool plain = false;                    // all is content: no think block, no calls
  bool starts_in_reasoning = false;      // Prompt::ends_in_reasoning
  std::shared_ptr<const ToolSet> tools;  // null or empty: tool calls are not looked for
  bool calls_fit = false;         // calls are held to their tools' schemas while they are written
  std::vector<std::string> stop;  // applied to content alone
  std::function<std::string()> make_call_id = random_call_id;
};

// kEnd: an end token or a stop string. kTruncated: max_tokens or the context is used up.
enum class OutputEnd : std::uint8_t { kEnd, kTruncated };

class OutputParser {
 public:
  OutputParser(std::shared_ptr<const text::Tokenizer> tokenizer, OutputOptions options);

  // Appends what became known with `token` (no end token) to `out`. True once a stop string has
  // matched: further tokens are ignored. `logprob`: what goes out with the content that the token
  // makes, if it makes any.
  bool append(TokenId token, std::vector<ChatEvent>& out,
              std::optional<ContentLogprob> logprob = std::nullopt);
  // Appends what was held back, and ChoiceFinished: kLength when truncated, else kToolCalls when
  // there is a complete call, else kStop.
  void finish(OutputEnd end, std::vector<ChatEvent>& out);

  // Tokens so far that were reasoning: up to and including </think>.
  std::int64_t reasoning_tokens() const { return reasoning_tokens_; }

 private:
  using Events = std::vector<ChatEvent>;
  enum class Tag : std::uint8_t { kThinkOpen, kThinkClose, kCallOpen, kCallClose };
  enum class State : std::uint8_t {
    kReasoning,
    kContent,
    kCall,            // behind <tool_call>
    kAfterRehearsal,  // behind a call inside the reasoning, which counts if nothing but calls
                      // follows
  };

  // Text with the newlines at its ends taken off: leading ones dropped, trailing ones held back.
  struct NewlineTrim {
    bool at_start = false;  // drop newlines that come now
    bool hold = false;      // hold back trailing newlines
    std::string held;
    void append(std::string_view text, std::string& out);
  };

  std::optional<Tag> tag_of(TokenId token) const;
  void flush_decoder(Events& out);
  void on_decoded(std::string_view text, Events& out);
  void on_text(std::string_view text, Events& out);
  void on_tag(Tag tag, std::string_view literal, Events& out);
  void on_tag_in_reasoning(Tag tag, std::string_view literal, Events& out);
  void on_tag_in_content(Tag tag, std::string_view literal, Events& out);
  void on_tag_in_call(Tag tag, std::string_view literal, Events& out);

  void write_reasoning(std::string_view text, Events& out);
  void write_content(std::string_view text, Events& out);
  void show_content(std::string_view text, Events& out);
  void write_content_delta(std::string_view text, Events& out);
  void end_content_segment(Events& out);
  void open_call(std::string_view literal);
  void after_call_step(ToolCallParser::Status status, Events& out);
  void write_call_pieces(Events& out);
  void withdraw_rehearsal(Events& out);

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  OutputOptions options_;
  std::optional<TokenId> think_open_, think_close_, call_open_, call_close_;
  text::Detokenizer detokenizer_;
  State state_ = State::kContent;
  std::int64_t reasoning_tokens_ = 0;

  NewlineTrim reasoning_;
  NewlineTrim leading_;   // of a content segment, before the stop strings
  NewlineTrim trailing_;  // of a content segment, after the stop strings
  StopMatcher stops_;
  bool spoken_ = false;  // content that is not white space, or a call

  LogprobAligner logprobs_;
  std::size_t source_end_ = 0;  // bytes of all text so far, up to what is being looked at
  std::size_t call_begin_ = 0;  // in it, of the call's <tool_call>
  std::size_t passed_ = 0;      // bytes of content that stop strings have let through

  std::unique_ptr<ToolCallParser> call_;  // in state kCall
  std::string call_open_literal_;
  std::int32_t next_index_ = 0;
  std::int32_t complete_calls_ = 0;

  // A call inside the reasoning may be a rehearsal: its events wait here, beside the text that it
  // is otherwise.
  bool rehearsing_ = false;
  std::int64_t rehearsal_tokens_ = 0;
  std::string rehearsal_text_;
  Events rehearsal_events_;
};

}  // namespace tessera::chat
