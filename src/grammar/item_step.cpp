// Stepper: items of arrays that have to differ as wholes. What is read of an item is kept in its
// order, as a chain of characters, and each value's digest, in which the order of members and the
// spelling make no difference. An item ends only where no earlier one has its digest. On the way
// there, where the values to come are infinitely many, nothing is looked at; where they are not, a
// way has to be left that no earlier item has taken: more ways (value_count.h) than earlier items
// that begin like this one.
#include <algorithm>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "grammar/stepper.h"
#include "grammar/value_count.h"

namespace tessera::grammar {
namespace {

// Numbers whose first digits are the same are the same to those who read doubles.
constexpr int kSignificantDigits = 15;
// Of the digits that are tried to make a number differ.
constexpr int kMostTried = 4000;

std::uint64_t digest_of(bool negative, Int128 magnitude) {
  if (magnitude == 0) return 1;
  int exponent = 0;
  const Int128 limit = power_of_ten(kSignificantDigits);
  while (magnitude >= limit || magnitude % 10 == 0) {
    magnitude /= 10;
    ++exponent;
  }
  return mix(static_cast<std::uint64_t>(magnitude),
             static_cast<std::uint64_t>(exponent) * 2 + (negative ? 1 : 0));
}

}  // namespace

const Stepper::Frame& Stepper::differing_array(const Frame& inside) const {
  const Frame* at = &inside;
  while (at->kind != FrameKind::kArray || !g_.arrays[at->alt].differ) at = &frame(at->parent);
  return *at;
}

std::uint32_t Stepper::ways_behind(const Frame& top) const {
  std::uint32_t ways = 1;
  for (const Frame* at = &top; ways != kUnbounded; at = &frame(at->parent)) {
    if (at->kind == FrameKind::kObject) {
      ways = times(ways, ways_to_end(g_, g_.objects[at->alt], at->next, at->count));
    } else if (g_.arrays[at->alt].differ) {
      break;
    } else {
      ways = times(ways, ways_to_end(g_, g_.arrays[at->alt], at->next));
    }
  }
  return ways;
}

Stepper::Link Stepper::behind(Link chain, std::uint32_t symbol) {
  const std::uint32_t depth = chain.depth + 1;
  return {character_hash(chain.hash, symbol, depth), depth};
}

Stepper::Link Stepper::behind_number(Link chain, std::uint64_t digest) {
  chain = behind(behind(chain, kNumberItem), static_cast<std::uint32_t>(digest >> 32));
  return behind(chain, static_cast<std::uint32_t>(digest));
}

Stepper::Link Stepper::behind_key(Link chain, std::uint64_t name) {
  return behind(behind(chain, kItemKey), static_cast<std::uint32_t>(name));
}

std::uint64_t Stepper::name_hash(const std::string& name) {
  Link chain;
  for (std::size_t at = 0; at < name.size();) chain = behind(chain, next_code_point(name, at));
  return chain.hash;
}

bool Stepper::item_lives(const Frame& top, Link chain, std::uint32_t ways) const {
  const std::uint32_t all = times(ways, ways_behind(top));
  return all == kUnbounded || all > used_below(differing_array(top), chain);
}

bool Stepper::key_lives(const Frame& at, std::uint32_t key) const {
  if (at.item == 0) return true;
  const ObjectAlt& object = g_.objects[at.alt];
  Frame after = at;
  after.next = key + 1;
  ++after.count;
  const Link chain = behind_key(link(at.item), name_hash(object.names[key]));
  return item_lives(after, chain, g_.nodes[object.keys[key].node].values);
}

bool Stepper::next_item_lives(const Frame& at, NodeId node) const {
  const ArrayAlt& array = g_.arrays[at.alt];
  std::uint32_t values = g_.nodes[node].values;
  if (array.differ) return values > frame(at.used).depth;
  if (array.unique && values != kUnbounded) values -= std::min(values, frame(at.used).depth);
  Frame after = at;
  ++after.next;
  return item_lives(after, behind(link(at.item), kItemComma), values);
}

void Stepper::begin_item(Frame& array) {
  const bool first = g_.arrays[array.alt].differ;
  array.item = push_character(first ? 0 : array.item, first ? kItemBegin : kItemComma);
  if (first) array.sum = 0;
}

void Stepper::note_key(Frame& object, std::uint64_t name) {
  object.key = static_cast<std::uint32_t>(name);
  object.item = push_character(push_character(object.item, kItemKey), object.key);
}

std::uint64_t Stepper::text_digest(std::uint32_t chain) const {
  const std::u32string text = item_text(chain);
  const bool number =
      text[0] == kLiteralItem && text.size() > 1 && (text[1] == '-' || text[1] <= '9');
  if (number) {
    const Int128 value = scale(parse_decimal(std::string(text.begin() + 1, text.end()))).floor;
    return digest_of(value < 0, value < 0 ? -value : value);
  }
  std::uint64_t digest = 0;
  for (const char32_t c : text) digest = mix(digest, c);
  return digest;
}

std::vector<std::u32string> Stepper::closed_texts(const Frame& top, std::uint32_t chain) const {
  std::vector<std::u32string> closed;
  if (top.kind == FrameKind::kArray && g_.arrays[top.alt].unique)
    add_used_texts(top, chain, closed);
  const std::uint32_t ways = ways_behind(top);
  const Frame& array = differing_array(top);
  const Frame& prefix = frame(chain);
  for (std::uint32_t used = ways == kUnbounded ? 0 : array.used; used != 0;
       used = frame(used).parent) {
    m_.compared_ += 16;
    std::u32string rest;
    std::uint32_t end = 0;  // of the text, in the earlier item
    std::uint32_t at = frame(used).alt;
    for (; frame(at).depth > prefix.depth; at = frame(at).parent) {
      if (frame(at).alt == kItemEnd) {
        end = at;
        rest.clear();
      } else {
        rest += static_cast<char32_t>(frame(at).alt);
      }
    }
    if (frame(at).depth != prefix.depth || frame(at).hash != prefix.hash || end == 0) continue;
    std::reverse(rest.begin(), rest.end());
    if (used_below(array, end) >= ways) closed.push_back(std::move(rest));
  }
  std::sort(closed.begin(), closed.end());
  closed.erase(std::unique(closed.begin(), closed.end()), closed.end());
  return closed;
}

std::u32string Stepper::item_text(std::uint32_t chain) const {
  std::u32string text;
  for (; frame(chain).alt <= kMaxCodePoint; chain = frame(chain).parent) {
    text += static_cast<char32_t>(frame(chain).alt);
  }
  text += static_cast<char32_t>(frame(chain).alt);  // what it is the text of
  std::reverse(text.begin(), text.end());
  return text;
}

// What the items of a unique array within an item go on with behind the text so far.
void Stepper::add_used_texts(const Frame& array, std::uint32_t chain,
                             std::vector<std::u32string>& closed) const {
  const std::u32string text = item_text(chain);
  for (std::uint32_t used = array.used; used != 0; used = frame(used).parent) {
    const std::u32string other = item_text(frame(frame(used).alt).parent);
    m_.compared_ += 16 + static_cast<std::int64_t>(other.size());
    if (other.starts_with(text)) closed.push_back(other.substr(text.size()));
  }
}

bool Stepper::item_text_lives(const Thread& thread, Language::State state,
                              std::uint32_t chain) const {
  const std::uint32_t left = g_.strings[thread.alt].language->completions(state);
  return left == kUnbounded || left > closed_texts(frame(thread.top), chain).size();
}

void Stepper::end_item_text(Thread thread) {
  const std::uint64_t digest = text_digest(thread.extra);
  const std::uint32_t chain = push_character(thread.extra, kItemEnd);
  end_item_value(thread, chain, digest);
}

// The text is one that no earlier item has there.
void Stepper::leave_item_text(Thread thread) {
  thread.extra = push_character(thread.extra, kItemAny);
  end_item_text(thread);
}

std::uint64_t Stepper::number_digest(const Thread& thread) const {
  const Int128 unit = power_of_ten(kFractionDigits - static_cast<int>(thread.extra));
  return digest_of(thread.space == 1, thread.number * unit);
}

void Stepper::end_item_number(Thread thread) {
  const std::uint64_t digest = number_digest(thread);
  std::uint32_t chain = push_character(frame(thread.top).item, kNumberItem);
  chain = push_character(chain, static_cast<std::uint32_t>(digest >> 32));
  chain = push_character(chain, static_cast<std::uint32_t>(digest));
  end_item_value(thread, chain, digest);
}

// Whether the number, or one that begins with its digits, is none that would close the way.
bool Stepper::number_can_differ(const Thread& thread) const {
  const Frame top = frame(thread.top);
  if (ways_behind(top) == kUnbounded) return true;
  Machine::Threads open{thread};
  Machine::Threads next;
  Stepper ahead(m_, next);
  ahead.looks_ahead_ = true;
  for (int tried = 0; !open.empty() && tried < kMostTried; ++tried) {
    const Thread now = open.back();
    open.pop_back();
    m_.compared_ += 16;
    if (number_complete(now) &&
        item_lives(top, behind_number(link(top.item), number_digest(now)), 1)) {
      return true;
    }
    if (now.extra > kSignificantDigits) continue;
    next.clear();
    for (const char byte : std::string_view(".0987654321")) {
      ahead.step_number(now, static_cast<std::uint8_t>(byte));
    }
    open.insert(open.end(), next.begin(), next.end());
  }
  return false;
}

void Stepper::end_container(Thread thread) {
  const Frame at = frame(thread.top);
  thread.top = at.parent;
  if (at.kind == FrameKind::kArray && g_.arrays[at.alt].differ) return end_differing(thread, at);
  if (at.item == 0) return end_value(thread);
  const auto kind = static_cast<std::uint64_t>(at.kind);
  const std::uint32_t chain = push_character(at.item, kItemEnd);
  end_item_value(thread, chain, mix(kind, at.sum));
}

// In an item that has to differ itself, such an array is one more symbol: the ways up to there were
// counted as if all earlier items had the same one.
void Stepper::end_differing(Thread thread, const Frame& array) {
  const std::uint32_t item = frame(thread.top).item;
  if (item == 0) return end_value(thread);
  std::uint64_t digest = 0;
  for (std::uint32_t used = array.used; used != 0; used = frame(used).parent)
    digest = mix(digest, std::uint64_t{frame(used).next} << 32 | frame(used).count);
  std::uint32_t chain = push_character(item, kArrayItem);
  chain = push_character(chain, static_cast<std::uint32_t>(digest >> 32));
  chain = push_character(chain, static_cast<std::uint32_t>(digest));
  end_item_value(thread, push_character(chain, kItemEnd), mix(digest, kArrayItem));
}

void Stepper::end_item_value(Thread thread, std::uint32_t chain, std::uint64_t digest) {
  Frame next = frame(thread.top);
  const bool array = next.kind == FrameKind::kArray;
  const bool whole = array && g_.arrays[next.alt].differ;
  if (whole || (array && g_.arrays[next.alt].unique)) {
    Frame used;
    used.kind = FrameKind::kUsed;
    used.parent = next.used;
    used.depth = frame(next.used).depth + 1;
    used.alt = chain;
    used.next = static_cast<std::uint32_t>(digest >> 32);
    used.count = static_cast<std::uint32_t>(digest);
    for (std::uint32_t at = next.used; at != 0; at = frame(at).parent) {
      if (frame(at).next == used.next && frame(at).count == used.count) return;
    }
    next.used = push(used);
  }
  next.item = whole ? 0 : chain;
  if (array) next.sum = whole ? 0 : mix(next.sum, digest);
  if (!array) next.sum += mix(next.key, digest);
  if (!whole && !item_lives(next, link(chain), 1)) return;
  thread.top = push(next);
  end_value(thread);
}

}  // namespace tessera::grammar
