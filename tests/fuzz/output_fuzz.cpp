// Any text as a model's output. What the client gets must not depend on how the text was cut into
// tokens, must be whole (indices in a row, arguments that are JSON, valid UTF-8, one end), and
// nothing may get lost where there is nothing to read into it.
//
// The first byte says how the answer is read. In the rest an added token's literal is that token; a
// record separator (kCut) is no byte of the output but ends a token there, so that one within
// <tool_call> makes text of it.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "chat/fake_tokenizer.h"
#include "chat/output_parser.h"

namespace tessera::chat {
namespace {

constexpr char kCut = '\x1e';
constexpr std::size_t kMaxBytes = 2'000;
constexpr std::size_t kMaxCutBytes = 100;  // every place to cut at is tried: quadratic

// The first byte's bits.
struct How {
  bool reasoning, tools, plain, stops, truncated, calls_fit;
  explicit How(unsigned bits)
      : reasoning((bits & 5) == 1),  // plain text has none
        tools((bits & 2) != 0),
        plain((bits & 4) != 0),
        stops((bits & 8) != 0),
        truncated((bits & 16) != 0),
        calls_fit((bits & 32) != 0) {}
};

constexpr std::string_view kStops[] = {"STOP", "\n\n\n", "oS", "é!"};

std::shared_ptr<const ToolSet> tools() {
  static const auto made = [] {
    const auto list =
        json::parse(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object",
        "properties":{"s":{"type":"string"},"i":{"type":"integer"},"o":{"type":"object"},
        "n":{"type":["null","string"]},"m":{"type":["integer","string"]},"a":{"type":"array"}}}}},
        {"type":"function","function":{"name":"ping"}}])");
    return std::make_shared<const ToolSet>(*list->if_array());
  }();
  return made;
}

// A stretch of the output: text, or an added token.
struct Piece {
  std::string bytes;
  bool added = false;
};

std::vector<Piece> pieces_of(std::string_view output, const FakeTokenizer& tokenizer) {
  std::vector<Piece> out;
  bool fresh = true;
  while (!output.empty()) {
    std::string_view added;
    for (TokenId id = 256; id < tokenizer.vocabulary_size(); ++id) {
      if (output.starts_with(tokenizer.bytes(id))) added = tokenizer.bytes(id);
    }
    if (!added.empty()) {
      out.push_back({std::string(added), true});
      output.remove_prefix(added.size());
      fresh = true;
      continue;
    }
    if (output.front() == kCut) {
      fresh = true;
    } else {
      if (fresh) out.push_back({});
      out.back().bytes += output.front();
      fresh = false;
    }
    output.remove_prefix(1);
  }
  return out;
}

struct Answer {
  std::vector<ChatEvent> events;
  bool stopped = false;
  std::int64_t reasoning_tokens = 0;
};

// An output, and the ways to cut it.
class Output {
 public:
  Output(How how, std::string_view text)
      : how_(how), tokenizer_(std::make_shared<FakeTokenizer>()) {
    pieces_ = pieces_of(text, *tokenizer_);
  }
  const std::vector<Piece>& pieces() const { return pieces_; }

  // Each piece a token, but text cut behind each `step` bytes.
  std::vector<TokenId> cut_every(std::size_t step) {
    std::vector<TokenId> out;
    for (const Piece& piece : pieces_) {
      for (std::size_t at = 0; at < piece.bytes.size(); at += step) {
        if (piece.added) {
          out.push_back(tokenizer_->control(piece.bytes));
          break;
        }
        out.push_back(token(piece.bytes.substr(at, step)));
      }
    }
    return out;
  }
  // Each piece a token, but for one cut in two at byte `place` of the whole.
  std::vector<TokenId> cut_at(std::size_t place) {
    std::vector<TokenId> out;
    for (const Piece& piece : pieces_) {
      const std::size_t size = piece.bytes.size();
      if (piece.added) {
        out.push_back(tokenizer_->control(piece.bytes));
      } else if (place > 0 && place < size) {
        out.push_back(token(piece.bytes.substr(0, place)));
        out.push_back(token(piece.bytes.substr(place)));
      } else {
        out.push_back(token(piece.bytes));
      }
      place = place > size ? place - size : 0;
    }
    return out;
  }

  Answer read(const std::vector<TokenId>& tokens, bool logprobs = false) const {
    OutputOptions options;
    options.starts_in_reasoning = how_.reasoning;
    options.plain = how_.plain;
    options.calls_fit = how_.calls_fit;
    if (how_.tools) options.tools = tools();
    if (how_.stops) options.stop.assign(std::begin(kStops), std::end(kStops));
    options.make_call_id = [] { return std::string("call"); };
    OutputParser parser(tokenizer_, options);
    Answer answer;
    for (std::size_t i = 0; i < tokens.size() && !answer.stopped; ++i) {
      std::optional<ContentLogprob> entry;
      if (logprobs) {
        entry.emplace();
        entry->bytes = tokenizer_->bytes(tokens[i]);
        entry->logprob = static_cast<double>(i);
      }
      answer.stopped = parser.append(tokens[i], answer.events, std::move(entry));
    }
    const bool truncated = how_.truncated && !answer.stopped;
    parser.finish(truncated ? OutputEnd::kTruncated : OutputEnd::kEnd, answer.events);
    answer.reasoning_tokens = parser.reasoning_tokens();
    return answer;
  }

 private:
  TokenId token(const std::string& bytes) {
    if (bytes.size() == 1) return static_cast<unsigned char>(bytes.front());
    return tokenizer_->add(bytes);
  }

  How how_;
  std::shared_ptr<FakeTokenizer> tokenizer_;
  std::vector<Piece> pieces_;
};

// The same answer in one spelling, however it came in pieces. Without arguments where the parser
// was told that they fit: these here do not.
struct Summary {
  struct Run {
    std::string kind;
    std::string text;
    bool operator==(const Run&) const = default;
  };
  std::vector<Run> runs;

  bool operator==(const Summary&) const = default;
  void add(std::string kind, const std::string& text) {
    if (text.empty()) return;
    if (runs.empty() || runs.back().kind != kind) runs.push_back({std::move(kind), {}});
    runs.back().text += text;
  }
};

Summary summary_of(const Answer& answer, const How& how) {
  Summary out;
  std::int32_t calls = 0;
  for (const ChatEvent& event : answer.events) {
    if (const auto* reasoning = std::get_if<ReasoningDelta>(&event)) {
      out.add("reasoning", reasoning->text);
    } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
      out.add("content", content->text);
    } else if (const auto* start = std::get_if<ToolCallStart>(&event)) {
      CHECK(start->index == calls && !start->id.empty() && tools()->find(start->name) != nullptr);
      out.add("call " + std::to_string(calls++), start->name);
    } else if (const auto* arguments = std::get_if<ToolCallArguments>(&event)) {
      CHECK(arguments->index == calls - 1);
      if (!how.calls_fit) out.add("arguments " + std::to_string(calls - 1), arguments->text);
    } else {
      const auto* finished = std::get_if<ChoiceFinished>(&event);
      CHECK(finished != nullptr && &event == &answer.events.back());
      out.add("finish", std::to_string(static_cast<int>(finished->reason)));
    }
  }
  CHECK(!answer.events.empty() && std::holds_alternative<ChoiceFinished>(answer.events.back()));
  return out;
}

// What each answer promises. Arguments of a call that was cut may be anything.
void check_whole(const Summary& summary, const How& how, bool stopped) {
  const auto& runs = summary.runs;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CHECK(is_valid_utf8(runs[i].text));
    const bool last = i + 2 >= runs.size();
    if (runs[i].kind.starts_with("arguments") && !(how.truncated && last)) {
      const auto arguments = json::parse(runs[i].text);
      CHECK(arguments && arguments->if_object() != nullptr);
    }
    if (runs[i].kind == "content" && how.stops) {
      for (const std::string_view stop : kStops)
        CHECK(runs[i].text.find(stop) == std::string::npos);
    }
  }
  CHECK(how.tools || stopped || runs.back().text == (how.truncated ? "1" : "0"));
}

// Where no tag and no stop string means anything, content is the output.
void check_nothing_lost(const Output& output, const How& how, const Summary& summary) {
  if (how.stops || how.reasoning || (how.tools && !how.plain)) return;
  std::string text;
  for (const Piece& piece : output.pieces()) {
    if (piece.added && (!how.plain || piece.bytes.starts_with("<|im_"))) return;
    text += piece.bytes;
  }
  if (!is_valid_utf8(text)) return;
  std::string content;
  for (const Summary::Run& run : summary.runs) content += run.kind == "finish" ? "" : run.text;
  CHECK(content == text && summary.runs.size() == (text.empty() ? 1 : 2));
}

// Log probabilities ride along and change nothing; each token's goes out once, in order.
void check_logprobs(const Answer& answer, const Summary& expected, const How& how) {
  CHECK(summary_of(answer, how) == expected);
  double before = -1;
  for (const ChatEvent& event : answer.events) {
    const auto* content = std::get_if<ContentDelta>(&event);
    if (content == nullptr) continue;
    for (const ContentLogprob& entry : content->logprobs) {
      CHECK(entry.logprob > before);
      before = entry.logprob;
    }
  }
}

}  // namespace
}  // namespace tessera::chat

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera::chat;
  if (size == 0 || size > kMaxBytes) return 0;
  const How how(data[0]);
  Output output(how, std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  const std::vector<tessera::TokenId> bytes = output.cut_every(1);
  const Answer answer = output.read(bytes);
  const Summary expected = summary_of(answer, how);
  CHECK(answer.reasoning_tokens >= 0 &&
        answer.reasoning_tokens <= static_cast<std::int64_t>(bytes.size()));
  check_whole(expected, how, answer.stopped);
  check_nothing_lost(output, how, expected);
  check_logprobs(output.read(bytes, true), expected, how);
  for (const std::size_t step : {std::size_t{2}, std::size_t{3}, std::size_t{7}, kMaxBytes}) {
    const auto tokens = output.cut_every(step);
    CHECK(summary_of(output.read(tokens), how) == expected);
    check_logprobs(output.read(tokens, true), expected, how);
  }
  for (std::size_t place = 1; place + 1 < size && size <= kMaxCutBytes; ++place)
    CHECK(summary_of(output.read(output.cut_at(place)), how) == expected);
  return 0;
}
