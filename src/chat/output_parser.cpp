#include "chat/output_parser.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/check.h"

namespace tessera::chat {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// Appends a piece of text, to the last event where that is of the same kind.
template <class Delta>
void write_delta(std::int32_t choice, std::string text, std::vector<ChatEvent>& out) {
  if (text.empty()) return;
  Delta* last = out.empty() ? nullptr : std::get_if<Delta>(&out.back());
  if (last != nullptr && last->choice == choice) {
    last->text += text;
  } else {
    out.push_back(Delta{choice, std::move(text)});
  }
}

std::size_t first_code_point_bytes(std::string_view utf8) {
  const auto lead = static_cast<unsigned char>(utf8.front());
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

constexpr std::size_t kReplacementBytes = 3;  // U+FFFD

// Where the text of a token begins: `at`, or behind the replacement of an unfinished code point
// that it does not go on with.
std::size_t begin_of_token(std::string_view bytes, bool behind_unfinished, std::size_t at) {
  const bool goes_on = (static_cast<unsigned char>(bytes.front()) & 0xC0) == 0x80;
  return behind_unfinished && !goes_on ? at + kReplacementBytes : at;
}

}  // namespace

std::string random_call_id() {
  static constexpr std::string_view kDigits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::random_device device;
  std::uniform_int_distribution<std::size_t> digit(0, kDigits.size() - 1);
  std::string id = "call_";
  for (int i = 0; i < 24; ++i) id += kDigits[digit(device)];
  return id;
}

void OutputParser::NewlineTrim::append(std::string_view text, std::string& out) {
  if (at_start) {
    text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    if (text.empty()) return;
    at_start = false;
  }
  const std::size_t end = hold ? text.find_last_not_of('\n') + 1 : text.size();
  if (end > 0) {
    out += held;
    held.clear();
    out += text.substr(0, end);
  }
  held += text.substr(end);
}

OutputParser::OutputParser(std::shared_ptr<const text::Tokenizer> tokenizer, OutputOptions options)
    : tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      think_open_(tokenizer_->find_added("<think>")),
      think_close_(tokenizer_->find_added("</think>")),
      call_open_(tokenizer_->find_added("<tool_call>")),
      call_close_(tokenizer_->find_added("</tool_call>")),
      detokenizer_(tokenizer_),
      state_(options_.starts_in_reasoning ? State::kReasoning : State::kContent),
      stops_(options_.stop) {
  if (options_.tools != nullptr && options_.tools->empty()) options_.tools = nullptr;
  reasoning_.at_start = true;
  reasoning_.hold = true;
  trailing_.hold = options_.tools != nullptr;  // newlines before a call are a separator
}

std::optional<OutputParser::Tag> OutputParser::tag_of(TokenId token) const {
  if (options_.plain) return std::nullopt;
  if (token == think_open_) return Tag::kThinkOpen;
  if (token == think_close_) return Tag::kThinkClose;
  if (token == call_open_) return Tag::kCallOpen;
  if (token == call_close_) return Tag::kCallClose;
  return std::nullopt;
}

bool OutputParser::append(TokenId token, Events& out, std::optional<ContentLogprob> logprob) {
  if (stops_.stopped()) return true;
  if (state_ == State::kReasoning || rehearsing_) ++reasoning_tokens_;
  if (rehearsing_) ++rehearsal_tokens_;
  const std::optional<Tag> tag = tag_of(token);
  const std::string_view bytes = tokenizer_->bytes(token);
  if (tag) {
    flush_decoder(out);
    if (stops_.stopped()) return true;
    if (logprob) logprobs_.add(*std::move(logprob), source_end_, source_end_ + bytes.size());
    source_end_ += bytes.size();
    on_tag(*tag, bytes, out);
  } else if (tokenizer_->kind(token) == text::TokenKind::kControl) {
    flush_decoder(out);  // special tokens are never shown
  } else if (!bytes.empty()) {
    const std::size_t begin = begin_of_token(bytes, detokenizer_.is_holding(), source_end_);
    const std::string text = detokenizer_.append(token);
    if (!text.empty()) logprobs_.close(source_end_ + first_code_point_bytes(text));
    std::optional<std::size_t> end;
    if (!detokenizer_.is_holding()) end = source_end_ + text.size();
    if (logprob) logprobs_.add(*std::move(logprob), begin, end);
    on_decoded(text, out);
  }
  write_content_delta({}, out);
  return stops_.stopped();
}

// An unfinished code point will not be finished any more.
void OutputParser::flush_decoder(Events& out) {
  const std::string text = detokenizer_.finish();
  logprobs_.close(source_end_ + text.size());
  on_decoded(text, out);
}

void OutputParser::on_decoded(std::string_view text, Events& out) {
  if (text.empty()) return;
  source_end_ += text.size();
  on_text(text, out);
}

void OutputParser::on_text(std::string_view text, Events& out) {
  if (text.empty()) return;
  switch (state_) {
    case State::kReasoning:
      write_reasoning(text, out);
      break;
    case State::kContent:
      write_content(text, out);
      break;
    case State::kCall:
      if (rehearsing_) rehearsal_text_ += text;
      after_call_step(call_->append(text), out);
      break;
    case State::kAfterRehearsal:
      rehearsal_text_ += text;
      if (!is_blank(text)) withdraw_rehearsal(out);
      break;
  }
}

void OutputParser::on_tag(Tag tag, std::string_view literal, Events& out) {
  switch (state_) {
    case State::kReasoning:
      on_tag_in_reasoning(tag, literal, out);
      break;
    case State::kContent:
      on_tag_in_content(tag, literal, out);
      break;
    case State::kCall:
      on_tag_in_call(tag, literal, out);
      break;
    case State::kAfterRehearsal:
      if (tag == Tag::kCallOpen) {
        open_call(literal);
      } else {
        withdraw_rehearsal(out);
        on_tag_in_reasoning(tag, literal, out);
      }
      break;
  }
}

void OutputParser::on_tag_in_reasoning(Tag tag, std::string_view literal, Events& out) {
  if (tag == Tag::kThinkClose) {
    reasoning_.held.clear();
    leading_.at_start = true;
    state_ = State::kContent;
  } else if (tag == Tag::kThinkOpen && reasoning_.at_start) {
    // The prompt has opened the block; some models open it once more.
  } else if (tag == Tag::kCallOpen && options_.tools != nullptr) {
    rehearsing_ = true;
    rehearsal_tokens_ = 1;
    open_call(literal);
  } else {
    write_reasoning(literal, out);
  }
}

void OutputParser::on_tag_in_content(Tag tag, std::string_view literal, Events& out) {
  if (tag == Tag::kCallOpen && options_.tools != nullptr) {
    open_call(literal);
  } else if (tag == Tag::kThinkOpen && !spoken_) {
    ++reasoning_tokens_;
    if (!reasoning_.at_start) reasoning_.held = "\n";  // apart from the block before
    reasoning_.at_start = true;
    state_ = State::kReasoning;
  } else if (tag == Tag::kThinkClose && !spoken_) {
    leading_.at_start = true;  // closes what the prompt has closed already
  } else {
    write_content(literal, out);
  }
}

void OutputParser::on_tag_in_call(Tag tag, std::string_view literal, Events& out) {
  if (tag == Tag::kCallOpen) {
    const ToolCallParser::Status status = call_->on_open_tag(literal);
    if (status == ToolCallParser::Status::kOpen) {
      if (rehearsing_) rehearsal_text_ += literal;
      after_call_step(status, out);
    } else {
      source_end_ -= literal.size();  // what is handed back ends before the tag
      after_call_step(status, out);
      source_end_ += literal.size();
      if (!stops_.stopped()) on_tag(tag, literal, out);
    }
    return;
  }
  if (rehearsing_ && tag == Tag::kThinkClose) {  // the thinking is over, whatever the call lacks
    withdraw_rehearsal(out);
    on_tag_in_reasoning(tag, literal, out);
    return;
  }
  if (rehearsing_) rehearsal_text_ += literal;
  after_call_step(tag == Tag::kCallClose ? call_->on_close_tag(literal) : call_->append(literal),
                  out);
}

void OutputParser::write_reasoning(std::string_view text, Events& out) {
  std::string shown;
  reasoning_.append(text, shown);
  write_delta<ReasoningDelta>(options_.choice, std::move(shown), out);
}

// `text` is the source's last.
void OutputParser::write_content(std::string_view text, Events& out) {
  if (!is_blank(text)) spoken_ = true;
  std::string begun;
  std::string let_through;
  leading_.append(text, begun);
  logprobs_.map(source_end_ - begun.size(), begun.size());
  const bool stopped = stops_.append(begun, let_through);
  if (stopped) logprobs_.cut(passed_ + let_through.size());
  show_content(let_through, out);
}

// Content that no stop string can take back any more.
void OutputParser::show_content(std::string_view text, Events& out) {
  passed_ += text.size();
  std::string shown;
  trailing_.append(text, shown);
  write_content_delta(shown, out);
}

void OutputParser::write_content_delta(std::string_view text, Events& out) {
  std::size_t decided = source_end_;
  if (state_ == State::kCall && !rehearsing_) {  // it may turn out to be text
    decided = call_begin_;
    if (call_->started()) decided += call_open_literal_.size() + call_->settled();
  }
  std::vector<ContentLogprob> logprobs = logprobs_.take(passed_ - trailing_.held.size(), decided);
  if (text.empty() && logprobs.empty()) return;
  ContentDelta* last = out.empty() ? nullptr : std::get_if<ContentDelta>(&out.back());
  if (last == nullptr || last->choice != options_.choice) {
    last = &std::get<ContentDelta>(out.emplace_back(ContentDelta{options_.choice, {}}));
  }
  last->text += text;
  std::move(logprobs.begin(), logprobs.end(), std::back_inserter(last->logprobs));
}

void OutputParser::open_call(std::string_view literal) {
  call_ = std::make_unique<ToolCallParser>(*options_.tools, options_.calls_fit);
  call_open_literal_ = literal;
  call_begin_ = source_end_ - literal.size();
  if (rehearsing_) rehearsal_text_ += literal;
  state_ = State::kCall;
}

void OutputParser::after_call_step(ToolCallParser::Status status, Events& out) {
  write_call_pieces(out);
  if (status == ToolCallParser::Status::kOpen) return;
  if (rehearsing_) {
    if (status == ToolCallParser::Status::kClosed) {
      call_.reset();
      state_ = State::kAfterRehearsal;
    } else {
      withdraw_rehearsal(out);
    }
    return;
  }
  // Text behind a complete call stands on its own; that of no call belongs to the text before.
  const bool called = call_->started();
  std::string text = called ? std::string() : call_open_literal_;
  if (status == ToolCallParser::Status::kNotACall) text += call_->unparsed();
  call_.reset();
  state_ = State::kContent;
  if (called) leading_.at_start = true;
  if (status == ToolCallParser::Status::kNotACall) write_content(text, out);
}

void OutputParser::write_call_pieces(Events& out) {
  Events& target = rehearsing_ ? rehearsal_events_ : out;
  for (CallPiece& piece : call_->take_pieces()) {
    switch (piece.kind) {
      case CallPiece::Kind::kStart:
        if (!rehearsing_) end_content_segment(out);
        spoken_ = true;
        target.push_back(ToolCallStart{options_.choice, next_index_++, options_.make_call_id(),
                                       piece.text, piece.custom});
        break;
      case CallPiece::Kind::kArguments:
        target.push_back(ToolCallArguments{options_.choice, next_index_ - 1, std::move(piece.text),
                                           piece.custom});
        break;
      case CallPiece::Kind::kEnd:
        ++complete_calls_;
        break;
    }
  }
}

void OutputParser::end_content_segment(Events& out) {
  std::string let_through;
  stops_.flush(let_through);
  show_content(let_through, out);
  logprobs_.cut(passed_ - trailing_.held.size());
  trailing_.held.clear();
  write_content_delta({}, out);
}

void OutputParser::withdraw_rehearsal(Events& out) {
  rehearsing_ = false;
  rehearsal_events_.clear();
  call_.reset();
  // There were no calls before: reasoning comes first.
  next_index_ = 0;
  complete_calls_ = 0;
  spoken_ = false;
  state_ = State::kReasoning;
  write_reasoning(std::exchange(rehearsal_text_, {}), out);
}

void OutputParser::finish(OutputEnd end, Events& out) {
  if (stops_.stopped()) {
    logprobs_.close(source_end_);  // its code point lies behind the stop string
  } else {
    flush_decoder(out);
  }
  if (state_ == State::kCall && end == OutputEnd::kEnd) after_call_step(call_->finish(), out);
  if (state_ != State::kContent) end_content_segment(out);
  if (rehearsing_ && end == OutputEnd::kTruncated) withdraw_rehearsal(out);
  if (state_ == State::kCall && end == OutputEnd::kTruncated) {
    call_->truncate();
    write_call_pieces(out);
  }
  if (rehearsing_) {
    out.insert(out.end(), rehearsal_events_.begin(), rehearsal_events_.end());
    reasoning_tokens_ -= rehearsal_tokens_;
  }
  if (state_ == State::kContent) {
    trailing_.hold = false;  // no call has come: the newlines are content
    std::string let_through;
    stops_.flush(let_through);
    show_content(let_through, out);
    write_content_delta(std::exchange(trailing_.held, {}), out);
  }
  const FinishReason reason = end == OutputEnd::kTruncated ? FinishReason::kLength
                              : complete_calls_ > 0        ? FinishReason::kToolCalls
                                                           : FinishReason::kStop;
  out.push_back(ChoiceFinished{options_.choice, reason});
}

}  // namespace tessera::chat
