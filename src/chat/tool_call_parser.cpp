#include "chat/tool_call_parser.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/json.h"

namespace tessera::chat {
namespace {

constexpr std::string_view kFunctionOpen = "<function=";
constexpr std::string_view kFunctionClose = "</function>";
constexpr std::string_view kParameterOpen = "<parameter=";
constexpr std::string_view kParameterClose = "</parameter>";
constexpr std::string_view kSpaces = " \t\r\n";

// How far a look ahead goes, in bytes: it may be repeated with every token, and so is bounded.
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxGap = 64;

std::size_t skip_spaces(std::string_view text, std::size_t from) {
  return std::min(text.find_first_not_of(kSpaces, from), text.size());
}

// Closing tags that stand at the end of a value's last line instead of on lines of their own.
// Looked for in the value's last bytes alone, so that a stream need not hold back more.
constexpr std::size_t kMaxGlued = 256;
constexpr std::string_view kGlued[] = {"</tool_call>", kFunctionClose, kParameterClose};

std::string_view strip_spaces_behind(std::string_view text) {
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

std::string_view strip_glued_tags(std::string_view value) {
  const std::size_t before = value.size() - std::min(value.size(), kMaxGlued);
  std::string_view tail = value.substr(before);
  for (const std::string_view tag : kGlued) {
    const std::string_view text = strip_spaces_behind(tail);
    if (text.ends_with(tag)) tail = text.substr(0, text.size() - tag.size());
  }
  return value.substr(0, before + tail.size());
}

// How much of `text`, the beginning of a value, stays in the value whatever comes: all but the
// spaces and the glued tags, the last of them perhaps cut, that it ends with.
std::size_t certain_size(std::string_view text) {
  const std::size_t before = text.size() - std::min(text.size(), kMaxGlued);
  std::string_view tail = text.substr(before);
  if (const std::size_t last = tail.rfind('<'); last != std::string_view::npos) {
    const bool cut = std::any_of(std::begin(kGlued), std::end(kGlued), [&](std::string_view tag) {
      return tag.starts_with(tail.substr(last));
    });
    if (cut) tail = tail.substr(0, last);
  }
  while (true) {
    tail = strip_spaces_behind(tail);
    const auto* tag = std::find_if(std::begin(kGlued), std::end(kGlued),
                                   [&](std::string_view t) { return tail.ends_with(t); });
    if (tag == std::end(kGlued)) return before + tail.size();
    tail.remove_suffix(tag->size());
  }
}

// A JSON string's inside.
void append_escaped(std::string_view text, std::string& out) {
  std::string quoted;
  json::append_string(text, quoted);
  out.append(quoted, 1, quoted.size() - 2);
}

// What is looked at of a value of several types, to see whether it can only be text.
constexpr std::size_t kMaxUnsure = 256;

// A streamed string goes out in pieces of about so many bytes, not token by token: clients keep
// every piece.
constexpr std::size_t kStreamThreshold = 32;

}  // namespace

ToolCallParser::Status ToolCallParser::append(std::string_view text) {
  if (state_ != State::kNotACall) {
    buffer_ += text;
    parse();
  }
  return state_ == State::kNotACall ? Status::kNotACall : Status::kOpen;
}

ToolCallParser::Status ToolCallParser::on_close_tag(std::string_view literal) {
  if (state_ == State::kValue && value_style_known_ && own_lines_ && !at_line_start()) {
    return append(literal);
  }
  const Status status = finish();
  if (status == Status::kNotACall) buffer_ += literal;
  return status;
}

ToolCallParser::Status ToolCallParser::on_open_tag(std::string_view literal) {
  if (state_ == State::kValue) {
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    const bool behind_closing_tag =
        rest.starts_with(kParameterClose) || rest.starts_with(kFunctionClose);
    if (!behind_closing_tag) return append(literal);
  }
  return finish();
}

ToolCallParser::Status ToolCallParser::finish() {
  switch (state_) {
    case State::kValue:
      end_value_where_it_stands();
      end_call();
      return Status::kClosed;
    case State::kBetween:
      end_call();
      return Status::kClosed;
    case State::kFunction:
      if (started_ && at_ == buffer_.size()) return Status::kClosed;
      state_ = State::kNotACall;
      break;
    case State::kNotACall:
      break;
  }
  return Status::kNotACall;
}

std::vector<CallPiece> ToolCallParser::take_pieces() {
  return std::exchange(pieces_, {});
}

bool ToolCallParser::at_line_start() const {
  // Behind a closing tag of which only the confirmation was missing counts as well.
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  return buffer_.ends_with('\n') || rest.starts_with(kParameterClose) ||
         rest.starts_with(kFunctionClose);
}

void ToolCallParser::parse() {
  bool progress = true;
  while (progress) {
    switch (state_) {
      case State::kFunction:
        progress = parse_function();
        break;
      case State::kBetween:
        progress = parse_between();
        break;
      case State::kValue:
        progress = parse_value();
        break;
      case State::kNotACall:
        return;
    }
  }
}

ToolCallParser::Match ToolCallParser::match(std::string_view text, std::string_view tag) {
  if (text.starts_with(tag)) return Match::kYes;
  return tag.starts_with(text) ? Match::kPartial : Match::kNo;
}

ToolCallParser::Match ToolCallParser::read_name(std::size_t begin, std::string_view& name) const {
  const std::string_view rest = std::string_view(buffer_).substr(begin, kMaxName + 1);
  const std::size_t end = rest.find_first_of(">\n");
  if (end == std::string_view::npos) return rest.size() > kMaxName ? Match::kNo : Match::kPartial;
  if (rest[end] == '\n' || end == 0) return Match::kNo;
  name = rest.substr(0, end);
  return Match::kYes;
}

bool ToolCallParser::parse_function() {
  at_ = skip_spaces(buffer_, at_);
  if (at_ == buffer_.size()) return false;
  const Match prefix = match(std::string_view(buffer_).substr(at_), kFunctionOpen);
  if (prefix == Match::kPartial) return false;
  std::string_view name;
  const Match named =
      prefix == Match::kNo ? Match::kNo : read_name(at_ + kFunctionOpen.size(), name);
  if (named == Match::kPartial) return false;
  tool_ = named == Match::kYes ? tools_.find(std::string(name)) : nullptr;
  if (tool_ == nullptr) {
    state_ = State::kNotACall;
    return false;
  }
  push(CallPiece::Kind::kStart, std::string(name));
  started_ = true;
  at_ += kFunctionOpen.size() + name.size() + 1;
  state_ = State::kBetween;
  return true;
}

bool ToolCallParser::parse_between() {
  at_ = skip_spaces(buffer_, at_);
  if (at_ == buffer_.size()) return false;
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  const Match parameter = match(rest, kParameterOpen);
  const Match close = match(rest, kFunctionClose);
  const Match next_function = match(rest, kFunctionOpen);
  if (parameter == Match::kYes) {
    std::string_view name;
    const Match named = read_name(at_ + kParameterOpen.size(), name);
    if (named == Match::kPartial) return false;
    if (named == Match::kYes) {
      begin_value(name, at_ + kParameterOpen.size() + name.size() + 1);
      return true;
    }
  } else if (close == Match::kYes || next_function == Match::kYes) {
    if (close == Match::kYes) at_ += kFunctionClose.size();
    end_call();
    return true;
  } else if (parameter == Match::kPartial || close == Match::kPartial ||
             next_function == Match::kPartial) {
    return false;
  }
  // Words between parameters mean nothing.
  at_ = std::min(buffer_.find('<', at_ + 1), buffer_.size());
  return at_ < buffer_.size();
}

void ToolCallParser::begin_value(std::string_view name, std::size_t begin) {
  key_ = name;
  value_begin_ = at_ = begin;
  value_style_known_ = false;
  const bool text = !keys_.contains(key_) && tool_->is_text(key_);
  stream_ = text ? Stream::kText : Stream::kNone;
  in_string_ = behind_backslash_ = false;
  streamed_end_ = 0;
  state_ = State::kValue;
}

bool ToolCallParser::parse_value() {
  if (!value_style_known_) {
    if (value_begin_ == buffer_.size()) return false;
    value_style_known_ = true;
    own_lines_ = buffer_[value_begin_] == '\n';
    if (own_lines_) at_ = ++value_begin_;
  }
  if (stream_ == Stream::kNone && held_to_schema_ && value_begin_ < buffer_.size() &&
      !keys_.contains(key_) &&
      tool_->is_structure(key_, std::string_view(buffer_).substr(value_begin_, kMaxUnsure))) {
    stream_ = Stream::kJson;
  }
  // `at_`: up to there nothing ends the value.
  while (true) {
    if (!own_lines_) {
      at_ = std::min(buffer_.find('<', at_), buffer_.size());
    } else if (buffer_[at_ - 1] != '\n') {
      at_ = std::min(buffer_.find('\n', at_), buffer_.size() - 1) + 1;
    }
    if (at_ == buffer_.size()) break;
    const Match closing = closes_value(at_, std::string_view(buffer_).substr(at_));
    if (closing == Match::kPartial) break;
    if (closing == Match::kYes) {
      end_value(at_);
      return true;
    }
    ++at_;
  }
  // A union may turn out to be text long before its end.
  const std::string_view known = std::string_view(buffer_).substr(value_begin_, at_ - value_begin_);
  if (stream_ == Stream::kNone && known.size() <= kMaxUnsure && !keys_.contains(key_) &&
      tool_->begins_text(key_, known)) {
    stream_ = Stream::kText;
  }
  stream_value(kStreamThreshold);
  return false;
}

void ToolCallParser::stream_value(std::size_t threshold) {
  if (state_ != State::kValue || stream_ == Stream::kNone || !value_style_known_) return;
  const bool text = stream_ == Stream::kText;
  const std::string_view value = std::string_view(buffer_).substr(value_begin_, at_ - value_begin_);
  const std::size_t end = text ? value_begin_ + certain_size(value) : at_;
  const std::size_t begin = std::max(value_begin_, streamed_end_);
  if (end <= begin + threshold) return;
  std::string piece = streamed_end_ == 0 ? open_argument() : std::string();
  const std::string_view known = std::string_view(buffer_).substr(begin, end - begin);
  if (tool_->is_custom()) {
    piece += known;
  } else if (text) {
    if (streamed_end_ == 0) piece += '"';
    append_escaped(known, piece);
  } else {
    append_compact(known, piece);
  }
  push(CallPiece::Kind::kArguments, std::move(piece));
  streamed_end_ = end;
}

void ToolCallParser::append_compact(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (!in_string_ && kSpaces.find(c) != std::string_view::npos) continue;
    out += c;
    if (c == '"' && !behind_backslash_) in_string_ = !in_string_;
    behind_backslash_ = c == '\\' && !behind_backslash_;
  }
}

void ToolCallParser::push(CallPiece::Kind kind, std::string text) {
  if (kind == CallPiece::Kind::kArguments && text.empty()) return;  // it was out already
  pieces_.push_back({kind, std::move(text), tool_->is_custom()});
}

std::string ToolCallParser::open_argument() {
  const bool first = keys_.empty();
  if (!keys_.insert(key_).second || tool_->is_custom()) return {};  // input has nothing around it
  std::string json(1, first ? '{' : ',');
  json::append_string(key_, json);
  json += ':';
  return json;
}

ToolCallParser::Match ToolCallParser::closes_value(std::size_t at, std::string_view rest) const {
  const auto follows = [&](std::string_view tag, std::initializer_list<std::string_view> next) {
    const std::string_view behind = rest.substr(tag.size());
    const std::size_t gap = skip_spaces(behind.substr(0, kMaxGap), 0);
    if (gap == kMaxGap) return Match::kYes;
    Match result = Match::kNo;
    for (const std::string_view candidate : next) {
      const Match prefix = match(behind.substr(gap), candidate);
      if (prefix == Match::kYes) return Match::kYes;
      if (prefix == Match::kPartial) result = Match::kPartial;
    }
    return result;
  };
  if (rest.starts_with(kParameterClose)) {
    return follows(kParameterClose, {kParameterOpen, kFunctionClose, kFunctionOpen});
  }
  if (rest.starts_with(kFunctionClose)) return follows(kFunctionClose, {kFunctionOpen});
  if (rest.starts_with(kParameterOpen)) {
    std::string_view name;
    const Match named = read_name(at + kParameterOpen.size(), name);
    const bool unknown =
        named == Match::kYes && tool_->declares_parameters() && !tool_->has_parameter(name);
    return unknown ? Match::kNo : named;
  }
  for (const std::string_view tag : {kParameterClose, kFunctionClose, kParameterOpen}) {
    if (match(rest, tag) == Match::kPartial) return Match::kPartial;
  }
  return Match::kNo;
}

void ToolCallParser::end_value_where_it_stands() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  const bool at_tag = rest.starts_with(kParameterClose) || rest.starts_with(kFunctionClose);
  end_value(at_tag ? at_ : buffer_.size());
  at_ = buffer_.size();
}

void ToolCallParser::end_value(std::size_t end) {
  std::string_view value = std::string_view(buffer_).substr(value_begin_, end - value_begin_);
  at_ = end;
  if (std::string_view(buffer_).substr(end).starts_with(kParameterClose)) {
    at_ += kParameterClose.size();
  } else {
    value = strip_glued_tags(value);
  }
  if (value.ends_with('\n')) value.remove_suffix(1);
  state_ = State::kBetween;
  std::string piece;
  if (streamed_end_ > 0) {
    // White space behind JSON may be out already.
    const std::size_t out = std::min(streamed_end_ - value_begin_, value.size());
    CHECK(stream_ == Stream::kJson || out == streamed_end_ - value_begin_);
    value.remove_prefix(out);
  }
  if (stream_ == Stream::kJson) {
    if (streamed_end_ == 0) piece = open_argument();
    append_compact(value, piece);
  } else if (tool_->is_custom()) {
    if (streamed_end_ == 0 && !keys_.insert(key_).second) return;
    piece += value;
  } else if (streamed_end_ > 0) {
    append_escaped(value, piece);
    piece += '"';
  } else {
    piece = open_argument();
    if (piece.empty()) return;  // a key twice would be no valid object: the first counts
    piece += tool_->argument_json(key_, value);
  }
  push(CallPiece::Kind::kArguments, std::move(piece));
}

void ToolCallParser::end_call() {
  if (!tool_->is_custom()) push(CallPiece::Kind::kArguments, keys_.empty() ? "{}" : "}");
  push(CallPiece::Kind::kEnd, {});
  keys_.clear();
  tool_ = nullptr;
  unparsed_begin_ = at_;
  state_ = State::kFunction;
}

}  // namespace tessera::chat
