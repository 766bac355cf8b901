// The inside of one <tool_call> block, as it comes, to calls:
//
//   <function=NAME>
//   <parameter=KEY>
//   VALUE
//   </parameter>
//   </function>
//
// A value may spell anything, so a tag inside it counts only at the start of a line, and a closing
// tag only when what must follow it does follow. Models are sloppy, so a missing closing tag is
// closed by what comes next, and a value on its tag's own line ends at the first closing tag. What
// is no call at all is handed back verbatim.
//
// One object a block; one thread; linear in the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "chat/tool_set.h"

namespace tessera::chat {

struct CallPiece {
  enum class Kind : std::uint8_t { kStart, kArguments, kEnd };
  Kind kind = Kind::kStart;
  // kStart: the tool's name; kArguments: a piece of the arguments' JSON, or of a custom tool's
  // input
  std::string text;
  bool custom = false;
};

class ToolCallParser {
 public:
  enum class Status : std::uint8_t {
    kOpen,      // more to come
    kClosed,    // the block is over
    kNotACall,  // what unparsed() says is text and no call; the block is over
  };

  // `tools` must outlive the parser. `held_to_schema`: values fit their parameters' schemas, so
  // that arrays and objects can go out before they are whole.
  explicit ToolCallParser(const ToolSet& tools, bool held_to_schema = false)
      : tools_(tools), held_to_schema_(held_to_schema) {}

  Status append(std::string_view text);
  // The control token </tool_call>, and a further <tool_call>. kOpen: it was part of a value.
  Status on_close_tag(std::string_view literal);
  Status on_open_tag(std::string_view literal);
  // The model ended its turn: what is open is closed.
  Status finish();
  // The model was cut off: what of an open value is known goes out, nothing is closed.
  void truncate() { stream_value(0); }

  // What became known since the last call.
  std::vector<CallPiece> take_pieces();
  // With kNotACall: the text behind the last complete call of this block.
  std::string_view unparsed() const { return std::string_view(buffer_).substr(unparsed_begin_); }
  // A call has started: the block can no longer turn out to be no call.
  bool started() const { return started_; }
  // So much of the block, its first bytes, unparsed() will never hand back.
  std::size_t settled() const { return tool_ != nullptr ? at_ : unparsed_begin_; }

 private:
  enum class State : std::uint8_t { kFunction, kBetween, kValue, kNotACall };
  enum class Match : std::uint8_t { kNo, kPartial, kYes };
  // How a value goes out before it is whole: not at all, as a string's inside, as the JSON it is.
  enum class Stream : std::uint8_t { kNone, kText, kJson };

  // How `text`, which more text may follow, begins with `tag`.
  static Match match(std::string_view text, std::string_view tag);
  void parse();
  bool parse_function();
  bool parse_between();
  bool parse_value();
  Match closes_value(std::size_t at, std::string_view rest) const;
  // Reads NAME> of a tag whose NAME starts at `begin`.
  Match read_name(std::size_t begin, std::string_view& name) const;
  void begin_value(std::string_view name, std::size_t begin);
  void end_value(std::size_t end);
  void end_value_where_it_stands();
  // Lets out what is known of a value that may stream, if that is more than `threshold` bytes.
  void stream_value(std::size_t threshold);
  // The same text without the white space between JSON's tokens.
  void append_compact(std::string_view text, std::string& out);
  // The JSON that comes before an argument: "{" or ",", and the key. Empty when the key was there
  // before.
  std::string open_argument();
  void push(CallPiece::Kind kind, std::string text);
  void end_call();
  bool at_line_start() const;

  const ToolSet& tools_;
  const bool held_to_schema_;
  const ToolSet::Tool* tool_ = nullptr;
  State state_ = State::kFunction;
  bool started_ = false;
  std::string buffer_;
  std::size_t at_ = 0;              // parsed so far
  std::size_t unparsed_begin_ = 0;  // behind the last complete call
  std::vector<CallPiece> pieces_;

  std::string key_;
  std::size_t value_begin_ = 0;
  Stream stream_ = Stream::kNone;
  bool in_string_ = false;  // kJson: where append_compact() stands
  bool behind_backslash_ = false;
  std::size_t streamed_end_ = 0;  // what of the value is out; value_begin_ or less: nothing
  bool own_lines_ = false;        // the value starts on a line of its own
  bool value_style_known_ = false;
  std::unordered_set<std::string> keys_;  // of this call
};

}  // namespace tessera::chat
