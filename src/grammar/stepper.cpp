#include "grammar/stepper.h"

#include <algorithm>

namespace tessera::grammar {
namespace {

// A newline and so many blanks are the longest white space.
constexpr std::uint8_t kMaxIndentation = 31;
// No white space in front of the answer's JSON.
constexpr std::uint8_t kNoSpace = 255;

}  // namespace

void Stepper::begin_answer() {
  Thread thread;
  const Plan& plan = g_.plan;
  if (plan.free_text) {
    thread.phase = Phase::kFree;
    emit(thread);
    return;
  }
  if (plan.json != kNone) {
    thread.phase = Phase::kValue;
    thread.alt = plan.json;
    thread.space = kNoSpace;
    emit(thread);
  }
  if (plan.calls) {
    thread = Thread();
    thread.phase = Phase::kCallStart;
    emit(thread);
  }
}

bool Stepper::may_end(const Thread& thread) const {
  switch (thread.phase) {
    case Phase::kThinking:
    case Phase::kFree:
      return g_.plan.may_end;
    case Phase::kDone:
    case Phase::kBehindCall:
      return true;
    case Phase::kNumber:
      return frame(thread.top).kind == FrameKind::kBottom && number_complete(thread);
    case Phase::kLiteral:
      return frame(thread.top).kind == FrameKind::kBottom && g_.literals[thread.state].end;
    default:
      return false;
  }
}

void Stepper::step(Thread thread, std::uint32_t symbol) {
  if (symbol >= 256) return step_symbol(thread, symbol);
  step_byte(thread, static_cast<std::uint8_t>(symbol));
}

void Stepper::step_symbol(Thread thread, std::uint32_t symbol) {
  const Phase phase = thread.phase;
  if (symbol == kThinkClose && phase == Phase::kThinking) {
    if (g_.plan.free_text) return begin_answer();
    thread.phase = Phase::kFixed;
    thread.state = kBehindThinking;
    return emit(thread);
  }
  const bool opens = phase == Phase::kCallStart || (phase == Phase::kFree && g_.plan.calls);
  if (symbol == kCallOpen && opens) {
    thread = Thread();
    thread.phase = Phase::kFixed;
    thread.state = kFunctionOpen;
    return emit(thread);
  }
  if (symbol == kCallClose && phase == Phase::kCallEnd) {
    thread = Thread();
    thread.phase = Phase::kBehindCall;
    emit(thread);
  }
}

void Stepper::step_byte(Thread& thread, std::uint8_t byte) {
  switch (thread.phase) {
    case Phase::kThinking:
    case Phase::kFree:
      return emit(thread);
    case Phase::kFixed:
      return step_fixed(thread, byte);
    case Phase::kCallStart:
    case Phase::kCallEnd:
    case Phase::kDone:
      return;
    case Phase::kBehindCall:
      if (!g_.plan.parallel_calls) return;
      thread.phase = Phase::kFixed;
      thread.state = kBetweenCalls;
      return step_fixed(thread, byte);
    case Phase::kToolName:
      return step_tool_name(thread, byte);
    case Phase::kTag:
      return step_tag(thread, byte);
    case Phase::kValue:
      if (read_space(thread, byte)) return emit(thread);
      return begin_value(thread, thread.alt, byte);
    case Phase::kLiteral:
      return step_literal(thread, byte);
    case Phase::kNumber:
      return step_number(thread, byte);
    case Phase::kRaw:
    case Phase::kRuleText:
    case Phase::kFreeName:
    case Phase::kString:
    case Phase::kKey:
    case Phase::kFreeKey:
      return step_text(thread, byte);
    case Phase::kColon:
      if (byte != ':') return;
      thread.phase = Phase::kValue;
      return emit(thread);
    case Phase::kObjectOpen:
    case Phase::kObjectComma:
      if (read_space(thread, byte)) return emit(thread);
      if (byte == '"') begin_key(thread);
      if (byte == '}' && thread.phase == Phase::kObjectOpen && object_may_end(frame(thread.top))) {
        end_container(thread);
      }
      return;
    case Phase::kArrayOpen: {
      if (read_space(thread, byte)) return emit(thread);
      if (byte == ']') return step_behind_value(thread, byte);
      const Items items = next_items(frame(thread.top));
      for (const Item& item : items) {
        const Thread inside = enter_item(thread, item);
        begin_value(inside, item.node, byte);
      }
      return;
    }
    case Phase::kBehindValue:
      if (read_space(thread, byte)) return emit(thread);
      return step_behind_value(thread, byte);
  }
}

bool Stepper::read_space(Thread& thread, std::uint8_t byte) {
  if (byte == '\n' && thread.space == 0) {
    thread.space = 2;
    return true;
  }
  if (byte == ' ' && thread.space == 0) {
    thread.space = 1;
    return true;
  }
  const bool indents = thread.space >= 2 && thread.space < 2 + kMaxIndentation;
  if ((byte == ' ' || byte == '\t') && indents) {
    ++thread.space;
    return true;
  }
  return false;
}

void Stepper::begin_value(Thread thread, NodeId node, std::uint8_t byte) {
  thread.space = 0;
  const std::uint32_t depth = frame(thread.top).depth;
  for (const AltId id : g_.nodes[node].alts) {
    if (g_.alts[id].height + depth <= kMaxNesting) begin_alt(thread, id, byte);
  }
}

void Stepper::begin_alt(Thread thread, AltId id, std::uint8_t byte) {
  const Alt& alt = g_.alts[id];
  thread.alt = alt.index;
  switch (alt.kind) {
    case Alt::Kind::kLiteral:
      thread.state = alt.index;
      thread.alt = 0;
      if (in_unique(thread)) thread.extra = push_character(0, kLiteralItem);
      if (m_.in_item(thread)) thread.extra = push_character(frame(thread.top).item, kLiteralItem);
      return step_literal(thread, byte);
    case Alt::Kind::kNumber:
      return begin_number(thread, byte);
    case Alt::Kind::kString:
      if (byte != '"') return;
      thread.phase = Phase::kString;
      thread.state = g_.strings[alt.index].language->start();
      if (m_.in_item(thread)) {
        thread.phase = Phase::kFreeKey;
        thread.space = 1;
        thread.count = kNone;  // there are no names
        thread.extra = push_character(frame(thread.top).item, kStringItem);
        if (!free_key_lives(thread, thread.state, kNone, thread.extra)) return;
      } else if (in_unique(thread)) {
        thread.phase = Phase::kFreeKey;
        thread.count = kNone;  // there are no names
        thread.extra = push_character(0, kStringItem);
        if (!free_key_lives(thread, thread.state, kNone, thread.extra)) return;
      }
      return emit(thread);
    case Alt::Kind::kArray:
    case Alt::Kind::kObject: {
      const bool array = alt.kind == Alt::Kind::kArray;
      if (byte != (array ? '[' : '{')) return;
      Frame inner;
      inner.kind = array ? FrameKind::kArray : FrameKind::kObject;
      inner.parent = thread.top;
      inner.depth = frame(thread.top).depth + 1;
      inner.alt = alt.index;
      if (m_.in_item(thread)) {
        inner.item = push_character(frame(thread.top).item, array ? kArrayItem : kObjectItem);
        if (!item_lives(frame(thread.top), link(inner.item), alt.values)) return;
        if (array && g_.arrays[alt.index].differ) inner.item = 0;  // each of its items begins anew
      }
      thread.top = push(inner);
      thread.alt = 0;
      thread.phase = array ? Phase::kArrayOpen : Phase::kObjectOpen;
      return emit(thread);
    }
  }
}

void Stepper::end_value(Thread thread) {
  const FrameKind kind = frame(thread.top).kind;
  const std::uint32_t top = thread.top;
  thread = Thread();
  thread.top = top;
  thread.phase = Phase::kBehindValue;
  if (kind == FrameKind::kBottom) thread.phase = Phase::kDone;
  if (kind == FrameKind::kCall) {
    thread.phase = Phase::kFixed;
    thread.state = kParameterEnd;
  }
  emit(thread);
}

void Stepper::step_literal(Thread thread, std::uint8_t byte) {
  const LiteralNode& node = g_.literals[thread.state];
  if (thread.phase == Phase::kLiteral && node.end && m_.in_item(thread)) {
    Machine::Threads behind;
    Stepper(m_, behind).end_item_text(thread);
    for (Thread& next : behind) step_byte(next, byte);
  } else if (thread.phase == Phase::kLiteral && node.end) {
    // A longer literal may go on; what ends here is behind its value already.
    Thread behind = thread;
    const bool fresh = use_item(behind);
    const std::uint32_t top = behind.top;
    behind = Thread();
    behind.top = top;
    const FrameKind kind = frame(top).kind;
    if (kind == FrameKind::kCall) {
      behind.phase = Phase::kFixed;
      behind.state = kParameterEnd;
      step_fixed(behind, byte);
    } else if (kind != FrameKind::kBottom && fresh) {
      behind.phase = Phase::kBehindValue;
      step_byte(behind, byte);
    }
  }
  for (const auto& [edge, to] : node.edges) {
    if (edge != byte) continue;
    thread.phase = Phase::kLiteral;
    thread.state = to;
    if (thread.extra != 0) thread.extra = push_character(thread.extra, byte);
    if (!literal_lives(thread)) return;
    if (!g_.literals[to].edges.empty()) return emit(thread);
    if (m_.in_item(thread)) return end_item_text(thread);
    if (use_item(thread)) end_value(thread);
    return;
  }
}

bool Stepper::literal_lives(const Thread& thread) const {
  if (thread.extra == 0) return true;
  if (m_.in_item(thread)) {
    const std::uint32_t ways = g_.literals[thread.state].ends_below;
    return ways > closed_texts(frame(thread.top), thread.extra).size();
  }
  return g_.literals[thread.state].ends_below > used_below(frame(thread.top), thread.extra);
}

bool Stepper::use_item(Thread& thread) {
  if (!in_unique(thread)) return true;
  Frame next = frame(thread.top);
  if (is_used(next, thread.extra)) return false;
  Frame used;
  used.kind = FrameKind::kUsed;
  used.parent = next.used;
  used.alt = thread.extra;
  next.used = push(used);
  thread.top = push(next);
  return true;
}

Stepper::Items Stepper::next_items(const Frame& at) const {
  const ArrayAlt& array = g_.arrays[at.alt];
  Items items;
  const std::uint32_t index = at.next;
  if (index >= array.max) return items;
  for (std::uint32_t kind = 0; kind <= array.counted.size(); ++kind) {
    const std::uint32_t counts = array.counts_behind(at.count, kind);
    // What is counted no further is not looked for.
    if (counts == kNone || (kind != 0 && counts == at.count)) continue;
    const NodeId node = array.item_node(index, kind);
    if (!fits(node, at.depth) || !array.is_feasible(index + 1, counts)) continue;
    if ((array.differ || at.item != 0) && !next_item_lives(at, node)) continue;
    items.items[items.size++] = {node, counts};
  }
  return items;
}

Thread Stepper::enter_item(const Thread& thread, const Item& item) {
  Frame next = frame(thread.top);
  const ArrayAlt& array = g_.arrays[next.alt];
  // Behind the last index that makes a difference, all are alike.
  const auto last = std::max(static_cast<std::uint32_t>(array.prefix.size()), array.min);
  if (array.max != kUnbounded || next.next < last) ++next.next;
  next.count = item.counts;
  if (array.differ || next.item != 0) begin_item(next);
  Thread inside;
  inside.top = push(next);
  inside.phase = Phase::kValue;
  inside.alt = item.node;
  return inside;
}

bool Stepper::array_may_end(const Frame& at) const {
  const ArrayAlt& array = g_.arrays[at.alt];
  return at.next >= array.min && array.counts_suffice(at.count);
}

void Stepper::step_behind_value(Thread thread, std::uint8_t byte) {
  const Frame& at = frame(thread.top);
  const bool array = at.kind == FrameKind::kArray;
  thread.space = 0;
  if (byte == ',' && array) {
    const Items items = next_items(at);
    for (const Item& item : items) emit(enter_item(thread, item));
  } else if (byte == ',' && object_may_go_on(at)) {
    thread.phase = Phase::kObjectComma;
    emit(thread);
  } else if (byte == (array ? ']' : '}') && (array ? array_may_end(at) : object_may_end(at))) {
    end_container(thread);
  }
}

}  // namespace tessera::grammar
