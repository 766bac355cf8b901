// Stepper: members of objects, and the texts around the parameters of a call.
#include <algorithm>
#include <bit>

#include "grammar/stepper.h"

namespace tessera::grammar {
namespace {

constexpr std::string_view kFixedTexts[] = {"\n\n", "\n<function=", "\n</parameter>\n", "\n",
                                            ">\n"};

}  // namespace

Stepper::KeyRange Stepper::key_range(const Frame& at) const {
  const ObjectAlt& object = g_.objects[at.alt];
  if (at.count >= object.max || object.last_from[at.next] == kNone) return {};
  KeyRange range{at.next, object.last_from[at.next]};
  const std::uint32_t required = object.required_from(at.next) + missing_marks(at);
  if (object.max - at.count <= required) {  // no room for what is optional
    range.first = range.last;
    if (!object.keys[range.last].required) return {};
  }
  if (object.regions.empty()) {  // what is skipped will be missing
    while (range.first <= range.last &&
           at.count + 1 + object.possible_from(range.last + 1) < object.min) {
      if (range.last == range.first) return {};
      --range.last;
    }
  }
  return range;
}

bool Stepper::reaches(const Frame& at, std::uint32_t trie_node) const {
  const KeyRange range = key_range(at);
  if (trie_node == kNone || range.first > range.last) return false;
  const ObjectAlt& object = g_.objects[at.alt];
  const auto& keys = object.trie.node(trie_node).keys;
  for (auto key = std::lower_bound(keys.begin(), keys.end(), range.first);
       key != keys.end() && *key <= range.last; ++key) {
    if (fits(object.keys[*key].node, at.depth) && key_lives(at, *key)) return true;
  }
  return false;
}

std::uint32_t Stepper::missing_marks(const Frame& at) const {
  const auto missing = static_cast<std::uint8_t>(g_.objects[at.alt].needed & ~at.marks);
  return static_cast<std::uint32_t>(std::popcount(missing));
}

bool Stepper::region_fits(const Frame& at, const ObjectAlt::Region& region) const {
  if (!fits(region.node, at.depth)) return false;
  const ObjectAlt& object = g_.objects[at.alt];
  const std::uint32_t missing = missing_marks(at);
  if (missing == 0 || object.max - at.count > missing) return true;
  return (region.marks & object.needed & ~at.marks) != 0;  // no room for others
}

bool Stepper::free_keys(const Frame& at) const {
  const ObjectAlt& object = g_.objects[at.alt];
  return at.count < object.max && object.required_from(at.next) == 0 &&
         std::any_of(
             object.regions.begin(), object.regions.end(),
             [&](const auto& region) { return region_fits(at, region); });
}

bool Stepper::object_may_go_on(const Frame& at) const {
  return reaches(at, 0) || free_keys(at);
}

bool Stepper::object_may_end(const Frame& at) const {
  const ObjectAlt& object = g_.objects[at.alt];
  return object.required_from(at.next) == 0 && at.count >= object.min && missing_marks(at) == 0;
}

void Stepper::begin_key(const Thread& thread) {
  const Frame at = frame(thread.top);
  Thread key;
  key.top = thread.top;
  if (reaches(at, 0)) {
    key.phase = Phase::kKey;
    emit(key);
  }
  if (!free_keys(at)) return;
  const ObjectAlt& object = g_.objects[at.alt];
  for (std::uint32_t i = 0; i < object.regions.size(); ++i) {
    if (!region_fits(at, object.regions[i])) continue;
    key.phase = Phase::kFreeKey;
    key.alt = i;
    key.state = object.regions[i].language->start();
    key.count = 0;  // the trie's node: a name of the schema is no free key
    if (free_key_lives(key, key.state, 0, 0)) emit(key);
  }
}

void Stepper::end_key(Thread thread) {
  Frame next = frame(thread.top);
  const ObjectAlt& object = g_.objects[next.alt];
  const std::uint32_t key = object.trie.node(thread.state).key;
  const KeyRange range = key_range(next);
  if (key == kNone || key < range.first || key > range.last) return;
  const NodeId node = object.keys[key].node;
  if (!fits(node, next.depth) || !key_lives(next, key)) return;
  if (next.item != 0) note_key(next, name_hash(object.names[key]));
  next.next = key + 1;
  next.count = object.max == kUnbounded ? std::min(next.count + 1, object.min) : next.count + 1;
  thread = Thread();
  thread.top = push(next);
  thread.phase = Phase::kColon;
  thread.alt = node;
  emit(thread);
}

void Stepper::end_free_key(Thread thread) {
  if (!region_language(thread).accepts(thread.state)) return;
  if (is_item_string(thread)) return end_item_text(thread);
  const Frame& at = frame(thread.top);
  if (at.kind == FrameKind::kObject && thread.count != kNone &&
      g_.objects[at.alt].trie.node(thread.count).key != kNone)
    return;
  if (!is_used(at, thread.extra)) leave_free_key(thread);
}

void Stepper::leave_free_key(Thread thread) {
  Frame next = frame(thread.top);
  Frame used;
  used.kind = FrameKind::kUsed;
  used.parent = next.used;
  used.alt = thread.extra;
  next.used = push(used);
  if (next.kind == FrameKind::kArray) {
    thread.top = push(next);
    return end_value(thread);
  }
  const ObjectAlt& object = g_.objects[next.alt];
  next.next = static_cast<std::uint32_t>(object.keys.size());
  next.marks |= static_cast<std::uint8_t>(object.regions[thread.alt].marks & object.needed);
  next.count = object.max == kUnbounded ? std::min(next.count + 1, object.min) : next.count + 1;
  const NodeId node = object.regions[thread.alt].node;
  if (next.item != 0) note_key(next, frame(thread.extra).hash);
  thread = Thread();
  thread.top = push(next);
  thread.phase = Phase::kColon;
  thread.alt = node;
  emit(thread);
}

bool Stepper::is_used(const Frame& object, std::uint32_t characters) const {
  for (std::uint32_t used = object.used; used != 0; used = frame(used).parent) {
    ++m_.compared_;
    if (frame(frame(used).alt).hash == frame(characters).hash) return true;
  }
  return false;
}

std::uint32_t Stepper::used_below(const Frame& object, std::uint32_t characters) const {
  return used_below(object, link(characters));
}

std::uint32_t Stepper::used_below(const Frame& object, Link prefix) const {
  std::uint32_t count = 0;
  for (std::uint32_t used = object.used; used != 0; used = frame(used).parent) {
    std::uint32_t at = frame(used).alt;
    ++m_.compared_;
    for (; frame(at).depth > prefix.depth; at = frame(at).parent) ++m_.compared_;
    count += frame(at).depth == prefix.depth && frame(at).hash == prefix.hash;
  }
  return count;
}

std::string_view Stepper::fixed_text(std::uint32_t fixed) {
  return kFixedTexts[fixed];
}

std::optional<std::uint32_t> Stepper::only_symbol(const Thread& thread) const {
  // The one edge behind which a name of [first, last] is.
  const auto only_edge = [&](const KeyTrie& trie, std::uint32_t first,
                             std::uint32_t last) -> std::optional<std::uint32_t> {
    std::optional<std::uint32_t> only;
    for (const auto& [symbol, to] : trie.node(thread.state).edges) {
      if (!trie.reaches(to, first, last)) continue;
      if (only) return std::nullopt;
      only = symbol;
    }
    return only;
  };
  switch (thread.phase) {
    case Phase::kFixed:
      return static_cast<std::uint8_t>(fixed_text(thread.state)[thread.count]);
    case Phase::kColon:
      return ':';
    case Phase::kCallStart:
      return kCallOpen;
    case Phase::kCallEnd:
      return kCallClose;
    case Phase::kToolName:
      return only_edge(g_.call_names, 0, kNone);
    case Phase::kTag: {
      const Frame& at = frame(thread.top);
      const KeyRange range = tag_range(at);
      return only_edge(g_.calls[at.alt].trie, range.first, range.last);
    }
    case Phase::kKey: {
      if (thread.part != 0) return std::nullopt;
      const Frame& at = frame(thread.top);
      const KeyRange range = key_range(at);
      const KeyTrie& trie = g_.objects[at.alt].trie;
      const std::uint32_t name = trie.node(thread.state).key;
      if (name == kNone || name < range.first || name > range.last) {
        const auto only = only_edge(trie, range.first, range.last);
        const bool plain = only && *only >= 0x20 && *only < 0x7F && *only != '"' && *only != '\\';
        return plain ? only : std::nullopt;
      }
      if (only_edge(trie, range.first, range.last) || trie.node(thread.state).keys.size() > 1)
        return std::nullopt;
      return '"';
    }
    case Phase::kLiteral: {
      const LiteralNode& node = g_.literals[thread.state];
      if (node.end || node.edges.size() != 1) return std::nullopt;
      return node.edges[0].first;
    }
    default:
      return std::nullopt;
  }
}

void Stepper::step_fixed(Thread thread, std::uint8_t byte) {
  const std::string_view text = kFixedTexts[thread.state];
  if (static_cast<std::uint8_t>(text[thread.count]) != byte) return;
  if (++thread.count < text.size()) return emit(thread);
  behind_fixed(thread);
}

void Stepper::behind_fixed(Thread thread) {
  const std::uint32_t fixed = thread.state;
  const std::uint32_t top = thread.top;
  const std::uint32_t extra = thread.extra;
  thread = Thread();
  thread.top = top;
  switch (fixed) {
    case kBehindThinking:
      return begin_answer();
    case kFunctionOpen:
      thread.phase = Phase::kToolName;
      return emit(thread);
    case kParameterEnd:
      return begin_tag(thread);
    case kBetweenCalls:
      thread.phase = Phase::kCallStart;
      return emit(thread);
    case kNameEnd: {
      const CallAlt& call = g_.calls[frame(top).alt];
      return begin_parameter(thread, call.free[extra].parameter, call.free_index());
    }
    default:
      return;
  }
}

void Stepper::step_tool_name(Thread thread, std::uint8_t byte) {
  thread.state = g_.call_names.next(thread.state, byte);
  if (thread.state == kNone) return;
  const std::uint32_t tool = g_.call_names.node(thread.state).key;
  if (tool == kNone) return emit(thread);
  for (const std::uint32_t alt : g_.tools[tool]) {
    Frame call;
    call.kind = FrameKind::kCall;
    call.depth = 1;  // the object of all parameters
    call.alt = alt;
    thread = Thread();
    thread.top = push(call);
    begin_tag(thread);
  }
}

void Stepper::begin_tag(Thread thread) {
  thread.phase = Phase::kTag;
  emit(thread);
}

void Stepper::step_tag(Thread thread, std::uint8_t byte) {
  const Frame& at = frame(thread.top);
  const CallAlt& call = g_.calls[at.alt];
  const KeyRange range = tag_range(at);
  thread.state = call.trie.next(thread.state, byte);
  if (!call.trie.reaches(thread.state, range.first, range.last)) return;
  const std::uint32_t key = call.trie.node(thread.state).key;
  if (key < call.free_index()) return begin_parameter(thread, call.parameters[key], key + 1);
  if (key == call.end_index()) {
    thread = Thread();
    thread.phase = Phase::kCallEnd;
    return emit(thread);
  }
  if (key == kNone) return emit(thread);
  // Behind "<parameter=": a name of the schema, or another one.
  const bool named = range.first < call.free_index();
  if (named && call.trie.reaches(thread.state, range.first, call.free_index() - 1)) emit(thread);
  if (range.last < key) return;
  for (std::uint32_t i = 0; i < call.free.size(); ++i) {
    Thread name;
    name.top = thread.top;
    name.phase = Phase::kFreeName;
    name.alt = call.free[i].name;
    name.state = g_.strings[name.alt].language->start();
    name.extra = i;
    emit(name);
  }
}

Stepper::KeyRange Stepper::tag_range(const Frame& at) const {
  const CallAlt& call = g_.calls[at.alt];
  KeyRange range{at.next, call.last_from[at.next]};
  const std::uint32_t required = call.required_from[at.next];
  if (call.max - at.count <= required) {  // no room for what is optional
    range.first = range.last;
    return range;
  }
  if (range.last == call.end_index() && at.count < call.min) --range.last;
  // What is skipped will be missing.
  while (range.last < call.end_index() && range.last > range.first &&
         at.count + 1 + call.possible_from[range.last + 1] < call.min) {
    --range.last;
  }
  return range;
}

void Stepper::begin_parameter(Thread thread, const CallAlt::Parameter& parameter,
                              std::uint32_t following) {
  Frame next = frame(thread.top);
  const CallAlt& call = g_.calls[next.alt];
  next.next = following;
  next.count = call.max == kUnbounded ? std::min(next.count + 1, call.min) : next.count + 1;
  const std::uint32_t top = push(next);
  if (parameter.node != kNone) {
    thread = Thread();
    thread.top = top;
    thread.phase = Phase::kValue;
    thread.space = 255;  // none in front of the value
    thread.alt = parameter.node;
    emit(thread);
  }
  if (parameter.rules != kNone) enter_rules(top, parameter.rules);
  for (const std::uint32_t raw : parameter.raw) {
    thread = Thread();
    thread.top = top;
    thread.phase = Phase::kRaw;
    thread.alt = raw;
    thread.state = g_.strings[raw].language->start();
    emit(thread);
  }
}

}  // namespace tessera::grammar
