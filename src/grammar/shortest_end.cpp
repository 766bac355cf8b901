#include "grammar/shortest_end.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "grammar/cost.h"
#include "grammar/ending.h"

namespace tessera::grammar {
namespace {

constexpr std::size_t kTriedThreads = 8;
// Characters of used keys that are compared with new ones, on all of the way: some ten milliseconds
// of it. So many take as long as a symbol.
constexpr std::int64_t kMostCompared = 1 << 22;
constexpr std::int64_t kComparedPerSymbol = 16;
// What is missing of a text is read in pieces of at most so many characters.
constexpr std::uint32_t kPiece = 64;
constexpr std::uint64_t kFar = 1u << 30;
constexpr std::uint32_t kManyKeys = 10;
constexpr std::string_view kParameterClose = "\n</parameter>\n";
constexpr std::string_view kNumberBytes = "1234567890.-";
constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ -_";

// A character of a JSON string.
void append_json(std::uint32_t code_point, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  if (code_point == '"' || code_point == '\\') {
    out += '\\';
    out += static_cast<char>(code_point);
  } else if (code_point < 0x20) {
    out += "\\u00";
    out += kHex[code_point >> 4];
    out += kHex[code_point & 15];
  } else {
    append_utf8(static_cast<char32_t>(code_point), out);
  }
}

// The symbols from `node` to the end of the name `key`, which is below it.
std::vector<std::uint32_t> rest_of_name(const KeyTrie& trie, std::uint32_t node,
                                        std::uint32_t key) {
  std::vector<std::uint32_t> rest;
  while (trie.node(node).key != key) {
    const auto& edges = trie.node(node).edges;
    const auto edge = std::find_if(edges.begin(), edges.end(), [&](const auto& candidate) {
      return trie.reaches(candidate.second, key, key);
    });
    if (edge == edges.end()) return {};
    rest.push_back(edge->first);
    node = edge->second;
  }
  return rest;
}

// How many items an array's counts still ask for.
std::uint64_t missing(const ArrayAlt& array, std::uint32_t state) {
  std::uint64_t missing = 0;
  for (const ArrayAlt::Count& count : array.counts) {
    const std::uint32_t size = count.last() + 1;
    const std::uint32_t so_far = state % size;
    state /= size;
    if (so_far < count.min) missing += count.min - so_far;
  }
  return missing;
}

std::string as_bytes(const std::vector<std::uint32_t>& symbols) {
  std::string out;
  for (const std::uint32_t symbol : symbols) out += static_cast<char>(symbol);
  return out;
}

}  // namespace

bool Ending::follow(const Thread& thread) {
  now_.assign(1, thread);
  while (!machine_.may_end(now_)) {
    if (symbols_.size() > limit_) return false;
    const Thread followed = best();
    if (known_ != nullptr) {
      const std::uint64_t place = machine_.hash(followed);
      const auto left = known_->left_from(place);
      if (left) {
        left_ = *left;
        return length() <= limit_;
      }
      places_.push_back({place, symbols_.size()});
    }
    compared_ += machine_.take_compared();
    if (compared_ > kMostCompared) return false;
    if (!go_on(followed)) return false;
  }
  return symbols_.size() <= limit_;
}

bool Ending::go_on(const Thread& thread) {
  const bool in_text = thread.phase == Phase::kString || thread.phase == Phase::kRaw ||
                       thread.phase == Phase::kKey || thread.phase == Phase::kFreeKey ||
                       thread.phase == Phase::kRuleText || thread.phase == Phase::kFreeName;
  if (in_text && thread.part != 0) return read_any_byte(thread);  // inside of a character
  switch (thread.phase) {
    case Phase::kThinking:
      return read_symbol(thread, kThinkClose);
    case Phase::kCallStart:
      return read_symbol(thread, kCallOpen);
    case Phase::kCallEnd:
      return read_symbol(thread, kCallClose);
    case Phase::kFixed:
      return read(thread, Stepper::fixed_text(thread.state).substr(thread.count));
    case Phase::kToolName:
      return read_tool_name(thread);
    case Phase::kTag:
      return read_tag(thread);
    case Phase::kColon:
      return read(thread, ":");
    case Phase::kValue:
      if (grammar_.nodes[thread.alt].cost > limit_) return false;  // seen before it is walked
      return begin_value(thread, thread.alt);
    case Phase::kArrayOpen:
      return begin_array(thread);
    case Phase::kObjectOpen:
    case Phase::kObjectComma:
    case Phase::kBehindValue:
      return read_first_of(thread, "}],\"");
    case Phase::kLiteral:
      return read_literal(thread);
    case Phase::kNumber:
      return read_number(thread);
    case Phase::kString:
    case Phase::kRaw:
      return read_string(thread);
    case Phase::kFreeName:
      return read_name(thread);
    case Phase::kRuleText:
      return read_rule_text(thread);
    case Phase::kKey:
      return read_key(thread);
    case Phase::kFreeKey:
      return read_free_key(thread);
    default:
      return read_any_byte(thread);
  }
}

std::int64_t Ending::work() const {
  return static_cast<std::int64_t>(symbols_.size()) + compared_ / kComparedPerSymbol;
}

bool Ending::read(const Thread& thread, std::string_view text) {
  if (text.empty()) return false;
  from_.assign(1, thread);
  for (const char c : text) {
    machine_.step(from_, static_cast<std::uint8_t>(c), next_);
    if (next_.empty()) return false;
    std::swap(from_, next_);
  }
  for (const char c : text) symbols_.push_back(static_cast<std::uint8_t>(c));
  std::swap(now_, from_);
  return true;
}

bool Ending::read_symbol(const Thread& thread, std::uint32_t symbol) {
  from_.assign(1, thread);
  machine_.step(from_, symbol, next_);
  if (next_.empty()) return false;
  symbols_.push_back(static_cast<std::uint16_t>(symbol));
  std::swap(now_, next_);
  return true;
}

bool Ending::read_first_of(const Thread& thread, std::string_view bytes) {
  for (const char c : bytes) {
    if (read(thread, std::string_view(&c, 1))) return true;
  }
  return false;
}

bool Ending::read_any_byte(const Thread& thread) {
  if (read_first_of(thread, "\"\\nu0")) return true;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (read(thread, std::string_view(&c, 1))) return true;
  }
  return false;
}

bool Ending::read_tool_name(const Thread& thread) {
  const auto cost = [&](std::uint32_t tool) {
    std::uint32_t least = kNone;
    for (const std::uint32_t call : grammar_.tools[tool]) {
      least = std::min(least, grammar_.calls[call].cost);
    }
    return least;
  };
  const auto& tools = grammar_.call_names.node(thread.state).keys;
  const auto tool = std::min_element(tools.begin(), tools.end(),
                                     [&](auto a, auto b) { return cost(a) < cost(b); });
  if (tool == tools.end()) return false;
  return read(thread, as_bytes(rest_of_name(grammar_.call_names, thread.state, *tool)));
}

bool Ending::read_tag(const Thread& thread) {
  const Frame at = frame(thread);
  const CallAlt& call = grammar_.calls[at.alt];
  const Stepper::KeyRange range = stepper_.tag_range(at);
  std::uint32_t best = range.last;  // nothing optional before it
  if (best == call.free_index() || !call.trie.reaches(thread.state, best, best)) {
    std::uint32_t least = kNone;
    const KeyTrie::Node& place = call.trie.node(thread.state);
    for (const std::uint32_t key : place.keys) {
      if (key < range.first || key > range.last || key > call.free_index()) continue;
      if (key == place.key) continue;  // the name is another thread's
      const std::uint32_t cost = parameter_cost(grammar_, call, key);
      if (cost >= least) continue;
      least = cost;
      best = key;
    }
  }
  return read(thread, as_bytes(rest_of_name(call.trie, thread.state, best)));
}

bool Ending::begin_value(const Thread& thread, NodeId node) {
  std::vector<AltId> alts = grammar_.nodes[node].alts;
  std::sort(alts.begin(), alts.end(), [&](AltId a, AltId b) {
    return std::pair(grammar_.alts[a].cost, a) < std::pair(grammar_.alts[b].cost, b);
  });
  for (const AltId id : alts) {
    const Alt& alt = grammar_.alts[id];
    switch (alt.kind) {
      case Alt::Kind::kLiteral: {
        std::string firsts;
        std::uint32_t least = kNone;
        for (const auto& [byte, to] : grammar_.literals[alt.index].edges) {
          const bool better = grammar_.literals[to].to_end < least;
          if (better) least = grammar_.literals[to].to_end;
          firsts.insert(better ? firsts.begin() : firsts.end(), static_cast<char>(byte));
        }
        if (read_first_of(thread, firsts)) return true;
        break;
      }
      case Alt::Kind::kNumber:
        if (read(thread, grammar_.numbers[alt.index].shortest)) return true;
        if (read_first_of(thread, kNumberBytes)) return true;  // an item that is not the first
        break;
      case Alt::Kind::kString:
        if (read(thread, "\"")) return true;
        break;
      case Alt::Kind::kArray:
        if (read(thread, "[")) return true;
        break;
      case Alt::Kind::kObject:
        if (read(thread, "{")) return true;
        break;
    }
  }
  return false;
}

bool Ending::begin_array(const Thread& thread) {
  if (read(thread, "]")) return true;
  const Frame at = frame(thread);
  const ArrayAlt& array = grammar_.arrays[at.alt];
  Stepper::Items items = stepper_.next_items(at);
  // Those that are asked for first.
  std::sort(items.items.begin(), items.items.begin() + static_cast<std::ptrdiff_t>(items.size),
            [&](const auto& a, const auto& b) {
              return std::pair(missing(array, a.counts), grammar_.nodes[a.node].cost) <
                     std::pair(missing(array, b.counts), grammar_.nodes[b.node].cost);
            });
  for (const auto& item : items) {
    if (begin_value(thread, item.node)) return true;
  }
  return false;
}

bool Ending::read_literal(const Thread& thread) {
  const LiteralNode& node = grammar_.literals[thread.state];
  if (node.end && read_behind(thread)) return true;
  auto edges = node.edges;
  std::sort(edges.begin(), edges.end(), [&](const auto& a, const auto& b) {
    return std::pair(grammar_.literals[a.second].to_end, a.first) <
           std::pair(grammar_.literals[b.second].to_end, b.first);
  });
  for (const auto& [byte, to] : edges) {
    const char c = static_cast<char>(byte);
    if (read(thread, std::string_view(&c, 1))) return true;
  }
  return false;
}

bool Ending::read_number(const Thread& thread) {
  const std::string rest = stepper_.rest_of_number(thread);
  if (!rest.empty() && read(thread, rest)) return true;
  return read_behind(thread) || read_first_of(thread, kNumberBytes);
}

bool Ending::read_behind(const Thread& thread) {
  return read_first_of(thread, frame(thread).kind == FrameKind::kCall ? "\n" : "}],");
}

bool Ending::read_string(const Thread& thread) {
  const bool raw = thread.phase == Phase::kRaw;
  const StringAlt& string = grammar_.strings[thread.alt];
  const Language& language = *string.language;
  std::string text;
  Language::State state = thread.state;
  std::uint32_t count = thread.count;
  while (count - thread.count < kPiece && (count < string.min || !language.accepts(state))) {
    const std::uint32_t c = language.accepts(state) ? 'a' : language.toward_end(state);
    raw ? append_utf8(static_cast<char32_t>(c), text) : append_json(c, text);
    state = language.next(state, c);
    ++count;
  }
  if (!text.empty()) return read(thread, text);
  if (!raw) return read(thread, "\"");
  if (!read(thread, kParameterClose)) return false;
  std::erase_if(now_, [](const Thread& other) { return other.phase == Phase::kRaw; });
  return !now_.empty();
}

bool Ending::read_name(const Thread& thread) {
  const Language& language = *grammar_.strings[thread.alt].language;
  std::string text;
  for (Language::State state = thread.state; !language.accepts(state);) {
    const std::uint32_t c = language.toward_end(state);
    append_utf8(static_cast<char32_t>(c), text);
    state = language.next(state, c);
  }
  return read(thread, text + ">");
}

// Where the text is whole, other threads are behind it already.
bool Ending::read_rule_text(const Thread& thread) {
  const Language& language = *grammar_.strings[thread.alt].language;
  if (language.accepts(thread.state)) return read_any_byte(thread);
  std::string text;
  append_utf8(static_cast<char32_t>(language.toward_end(thread.state)), text);
  return read(thread, text);
}

bool Ending::read_key(const Thread& thread) {
  const Frame at = frame(thread);
  const ObjectAlt& object = grammar_.objects[at.alt];
  const Stepper::KeyRange range = stepper_.key_range(at);
  if (range.first > range.last) return false;
  std::uint32_t best = range.last;
  if (!object.keys[best].required || !object.trie.reaches(thread.state, best, best)) {
    best = kNone;
    std::uint32_t least = kNone;
    for (const std::uint32_t key : object.trie.node(thread.state).keys) {
      if (key < range.first || key > range.last) continue;
      const NodeId node = object.keys[key].node;
      if (!stepper_.fits(node, at.depth) || grammar_.nodes[node].cost >= least) continue;
      least = grammar_.nodes[node].cost;
      best = key;
    }
  }
  if (best == kNone) return false;
  std::string text;
  for (const std::uint32_t c : rest_of_name(object.trie, thread.state, best)) append_json(c, text);
  return read(thread, text + '"');
}

bool Ending::read_free_key(const Thread& thread) {
  if (read(thread, "\"")) return true;
  const Language& language = *machine_.region_language(thread);
  std::string text;
  if (!language.accepts(thread.state)) append_json(language.toward_end(thread.state), text);
  if (!text.empty() && language.shortest(thread.state) > 1 && read(thread, text)) return true;
  if (!text.empty() && read(thread, text + '"')) return true;
  // That is used, or a name of the schema. Among many keys a number is likelier to be new than a
  // letter; else the first other character that ends it, or goes on.
  const std::uint32_t count = frame(thread).count;
  if (count >= kManyKeys && read(thread, std::to_string(count) + '"')) return true;
  for (const bool ends : {true, false}) {
    for (const char c : kPlain) {
      if (read(thread, ends ? std::string{c, '"'} : std::string{c})) return true;
    }
  }
  return read_any_byte(thread);
}

std::uint64_t Ending::rank(const Thread& thread) const {
  std::uint64_t rank = 0;
  for (std::uint32_t at = thread.top; at != 0; at = machine_.arena_[at].parent) {
    const Frame& container = machine_.arena_[at];
    if (container.kind == FrameKind::kArray)
      rank += kFar * missing(grammar_.arrays[container.alt], container.count);
    if (container.kind == FrameKind::kRule) rank += grammar_.rules[container.alt].cost;
    if (container.kind != FrameKind::kObject) continue;
    const ObjectAlt& object = grammar_.objects[container.alt];
    auto marks = static_cast<unsigned>(object.needed & ~container.marks);
    if (at == thread.top && thread.phase == Phase::kFreeKey && !is_item_string(thread))
      marks &= ~unsigned{object.regions[thread.alt].marks};
    rank += kFar * static_cast<unsigned>(std::popcount(marks));
  }
  switch (thread.phase) {
    case Phase::kValue:
      return rank + grammar_.nodes[thread.alt].cost;
    case Phase::kArrayOpen:
      return rank + grammar_.arrays[frame(thread).alt].cost;
    case Phase::kObjectOpen:
      return rank + grammar_.objects[frame(thread).alt].cost;
    case Phase::kLiteral:
      return rank + grammar_.literals[thread.state].to_end;
    case Phase::kTag:
      return rank + grammar_.calls[frame(thread).alt].cost;
    case Phase::kFreeName:
      return rank + 1 + grammar_.strings[thread.alt].language->shortest(thread.state);
    case Phase::kString:
    case Phase::kRaw:
      return rank + std::max(grammar_.strings[thread.alt].min,
                             grammar_.strings[thread.alt].language->shortest(thread.state));
    case Phase::kRuleText: {
      const Language& language = *grammar_.strings[thread.alt].language;
      const std::uint32_t left = std::max(1u, language.shortest(thread.state));
      return rank + left + grammar_.rules[thread.count].cost;
    }
    case Phase::kFreeKey:
      return rank + 1;  // names of the schema come first
    case Phase::kCallStart:
      return rank + kFar / 2;
    default:
      return rank;
  }
}

const Thread& Ending::best() const {
  return *std::min_element(now_.begin(), now_.end(),
                           [this](const Thread& a, const Thread& b) { return rank(a) < rank(b); });
}

Machine::Threads Ending::in_order(Machine::Threads threads) const {
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  order.reserve(threads.size());
  for (std::size_t i = 0; i < threads.size(); ++i) order.emplace_back(rank(threads[i]), i);
  std::sort(order.begin(), order.end());
  Machine::Threads sorted;
  for (const auto& [rank, index] : order) sorted.push_back(threads[index]);
  return sorted;
}

std::optional<std::size_t> KnownWay::left_from(std::uint64_t thread) const {
  const auto found = left_.find(thread);
  if (found == left_.end()) return std::nullopt;
  return found->second;
}

void KnownWay::replace(const Symbols& front, const std::vector<Place>& places, std::size_t left) {
  for (; !places_.empty() && places_.back().at > left; places_.pop_back()) {
    const auto found = left_.find(places_.back().thread);
    if (found != left_.end() && found->second == places_.back().at) left_.erase(found);
  }
  turned_.resize(left);
  turned_.insert(turned_.end(), front.rbegin(), front.rend());
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    places_.push_back({place->thread, turned_.size() - place->at});
    left_.insert_or_assign(place->thread, places_.back().at);
  }
}

ShortestEnd shortest_end(Machine& machine, const Machine::Threads& threads, std::size_t limit,
                         KnownWay* known) {
  if (machine.may_end(threads)) return {Symbols(), 0, 1};
  ShortestEnd best;
  std::vector<KnownWay::Place> places;
  const std::size_t mark = machine.mark();
  Machine::Threads tried = Ending(machine, limit, nullptr).in_order(threads);
  tried.resize(std::min(tried.size(), kTriedThreads));
  for (const Thread& thread : tried) {
    Ending ending(machine, limit, known);
    const bool found = ending.follow(thread);
    best.work += ending.work();
    if (found) {
      limit = ending.length() - 1;
      places = ending.places();
      best.shared = ending.left();
      best.way = ending.take_symbols();
    }
    machine.release(mark);
    if (found && limit == 0) break;
  }
  if (!best.way || known == nullptr) return best;
  known->replace(*best.way, places, best.shared);
  best.way = known->symbols();
  return best;
}

}  // namespace tessera::grammar
