// Stepper: which bytes a thread can read at all, cheaply and not exactly: what is left out is not
// stepped on when masks are made.
#include "grammar/stepper.h"

namespace tessera::grammar {
namespace {

constexpr std::string_view kSpace = " \n\t";
constexpr std::string_view kBehindValue = " \n\t,]}";
constexpr std::string_view kNumber = "0123456789+-.eE";

}  // namespace

void Stepper::add_first_bytes(NodeId node, ByteSet& bytes) const {
  if (node == kNone) return;
  for (const AltId id : g_.nodes[node].alts) {
    const Alt& alt = g_.alts[id];
    switch (alt.kind) {
      case Alt::Kind::kLiteral:
        for (const auto& [byte, to] : g_.literals[alt.index].edges) bytes.add(byte);
        break;
      case Alt::Kind::kNumber:
        bytes.add(kNumber);
        break;
      case Alt::Kind::kString:
        bytes.add('"');
        break;
      case Alt::Kind::kArray:
        bytes.add('[');
        break;
      case Alt::Kind::kObject:
        bytes.add('{');
        break;
    }
  }
}

// Of a character that is read in part.
void Stepper::add_rest_bytes(const Thread& thread, ByteSet& bytes) {
  switch (thread.part) {
    case kBackslash:
      return bytes.add("\"\\/bfnrtu");
    case kUtf8:
      for (std::uint32_t byte = 0x80; byte < 0xC0; ++byte)
        bytes.add(static_cast<std::uint8_t>(byte));
      return;
    case kHighHalf:
      return bytes.add("\\");
    case kHighSlash:
      return bytes.add("u");
    default:
      return bytes.add("0123456789abcdefABCDEF");
  }
}

void Stepper::add_next_bytes(const Thread& thread, ByteSet& bytes) const {
  const bool in_text = thread.phase == Phase::kString || thread.phase == Phase::kRaw ||
                       thread.phase == Phase::kKey || thread.phase == Phase::kFreeKey ||
                       thread.phase == Phase::kRuleText || thread.phase == Phase::kFreeName;
  if (in_text && thread.part != kWhole) return add_rest_bytes(thread, bytes);
  switch (thread.phase) {
    case Phase::kCallStart:
    case Phase::kCallEnd:
    case Phase::kDone:
      return;
    case Phase::kColon:
      return bytes.add(':');
    case Phase::kObjectOpen:
    case Phase::kObjectComma:
      bytes.add(kSpace);
      return bytes.add("\"}");
    case Phase::kBehindValue:
      return bytes.add(kBehindValue);
    case Phase::kValue:
      bytes.add(kSpace);
      return add_first_bytes(thread.alt, bytes);
    case Phase::kArrayOpen: {
      bytes.add(kSpace);
      bytes.add(']');
      const Items items = next_items(frame(thread.top));
      for (const Item& item : items) add_first_bytes(item.node, bytes);
      return;
    }
    case Phase::kNumber:
      bytes.add(kNumber);
      return bytes.add(kBehindValue);
    case Phase::kLiteral:
      for (const auto& [byte, to] : g_.literals[thread.state].edges) bytes.add(byte);
      return bytes.add(kBehindValue);
    case Phase::kToolName:
    case Phase::kTag: {
      const bool tag = thread.phase == Phase::kTag;
      const KeyTrie& trie = tag ? g_.calls[frame(thread.top).alt].trie : g_.call_names;
      for (const auto& [symbol, to] : trie.node(thread.state).edges) {
        bytes.add(static_cast<std::uint8_t>(symbol));
      }
      return;
    }
    case Phase::kKey: {
      bytes.add("\"\\");
      const Frame& at = frame(thread.top);
      for (const auto& [symbol, to] : g_.objects[at.alt].trie.node(thread.state).edges) {
        if (symbol >= 128) return bytes.add_all();
        bytes.add(static_cast<std::uint8_t>(symbol));
      }
      return;
    }
    case Phase::kFreeName:
    case Phase::kRuleText: {
      if (thread.phase == Phase::kFreeName) bytes.add('>');
      const Language& language = *g_.strings[thread.alt].language;
      for (std::uint32_t c = 0; c < 128; ++c) {
        if (language.next(thread.state, c) != Language::kDead)
          bytes.add(static_cast<std::uint8_t>(c));
      }
      if (!language.can_step(thread.state, 128, kMaxCodePoint)) return;
      for (std::uint32_t byte = 0xC2; byte <= 0xF4; ++byte)
        bytes.add(static_cast<std::uint8_t>(byte));
      return;
    }
    case Phase::kFixed:
      return bytes.add(static_cast<std::uint8_t>(fixed_text(thread.state)[thread.count]));
    default:
      return bytes.add_all();
  }
}

}  // namespace tessera::grammar
