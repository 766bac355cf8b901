#include "grammar/machine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "grammar/stepper.h"

namespace tessera::grammar {
namespace {

// Whether `extra` is a place in the arena.
bool has_characters(const Thread& thread) {
  return thread.phase == Phase::kFreeKey || thread.phase == Phase::kLiteral;
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD1B54A32D192ED03u);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64) ^ (a << 1);
}

std::uint64_t character_hash(std::uint64_t before, std::uint32_t character, std::uint32_t depth) {
  return mix(mix(before, character), depth);
}

Machine::Machine(GrammarPtr grammar) : grammar_(std::move(grammar)), arena_(1) {}

Machine::Threads Machine::start() const {
  Threads threads;
  if (grammar_->plan.thinking) {
    Thread thread;
    thread.phase = Phase::kThinking;
    threads.push_back(thread);
    return threads;
  }
  Machine& self = const_cast<Machine&>(*this);  // a stepper writes only when it reads
  Stepper(self, threads).begin_answer();
  return threads;
}

void Machine::step(const Threads& from, std::uint32_t symbol, Threads& to) {
  to.clear();
  Stepper stepper(*this, to);
  for (const Thread& thread : from) stepper.step(thread, symbol);
}

bool Machine::may_end(const Threads& threads) const {
  Threads none;
  Machine& self = const_cast<Machine&>(*this);
  const Stepper stepper(self, none);
  return std::any_of(threads.begin(), threads.end(),
                     [&](const Thread& thread) { return stepper.may_end(thread); });
}

ByteSet Machine::next_bytes(const Threads& threads) const {
  ByteSet bytes;
  Threads none;
  Machine& self = const_cast<Machine&>(*this);
  const Stepper stepper(self, none);
  for (const Thread& thread : threads) stepper.add_next_bytes(thread, bytes);
  return bytes;
}

void Machine::leave_text(const Thread& thread, Threads& to) {
  to.clear();
  Stepper(*this, to).leave_text(thread);
}

std::vector<std::u32string> Machine::used_below(const Thread& thread) const {
  if (is_item_string(thread)) {
    Threads none;
    Machine& self = const_cast<Machine&>(*this);
    return Stepper(self, none).closed_texts(arena_[thread.top], thread.extra);
  }
  std::vector<std::u32string> taken;
  const Frame& prefix = arena_[thread.extra];
  for (std::uint32_t used = arena_[thread.top].used; used != 0; used = arena_[used].parent) {
    std::uint32_t at = arena_[used].alt;
    std::u32string rest;
    ++compared_;
    for (; arena_[at].depth > prefix.depth; at = arena_[at].parent, ++compared_)
      rest += static_cast<char32_t>(arena_[at].alt);
    if (arena_[at].depth != prefix.depth || arena_[at].hash != prefix.hash) continue;
    std::reverse(rest.begin(), rest.end());
    taken.push_back(std::move(rest));
  }
  return taken;
}

std::vector<std::u32string> Machine::names_below(const Thread& thread) const {
  std::vector<std::u32string> names;
  const Frame& top = arena_[thread.top];
  if (top.kind == FrameKind::kObject && thread.count != kNone) {
    std::u32string rest;
    grammar_->objects[top.alt].trie.list(thread.count, rest, names);
  }
  return names;
}

bool Machine::is_rest_of_name(const Thread& thread, std::u32string_view text) const {
  const Frame& top = arena_[thread.top];
  if (top.kind != FrameKind::kObject) return false;
  const KeyTrie& trie = grammar_->objects[top.alt].trie;
  std::uint32_t node = thread.count;
  for (const char32_t c : text) {
    if (node == kNone) return false;
    node = trie.next(node, c);
  }
  return node != kNone && trie.node(node).key != kNone;
}

std::vector<std::uint16_t> Machine::forced(const Threads& threads, std::size_t limit) {
  const std::size_t before = mark();
  std::vector<std::uint16_t> symbols;
  Threads now = threads;
  Threads next;
  while (symbols.size() < limit && !now.empty() && !may_end(now)) {
    const Stepper stepper(*this, next);
    const std::optional<std::uint32_t> symbol = stepper.only_symbol(now[0]);
    if (!symbol || !std::all_of(now.begin() + 1, now.end(), [&](const Thread& thread) {
          return stepper.only_symbol(thread) == symbol;
        }))
      break;
    step(now, *symbol, next);
    if (next.empty()) break;
    symbols.push_back(static_cast<std::uint16_t>(*symbol));
    std::swap(now, next);
  }
  release(before);
  return symbols;
}

std::uint64_t Machine::hash(const Thread& thread) const {
  std::uint64_t hash = mix(static_cast<std::uint64_t>(thread.phase) << 32 | thread.space << 16 |
                               thread.part << 8 | thread.digits,
                           arena_[thread.top].hash);
  hash = mix(hash, static_cast<std::uint64_t>(thread.alt) << 32 | thread.state);
  hash = mix(hash, static_cast<std::uint64_t>(thread.count) << 32 | thread.low);
  const bool characters = has_characters(thread);
  hash = mix(hash, static_cast<std::uint64_t>(thread.high) << 32 | (characters ? 0 : thread.extra));
  if (characters) hash = mix(hash, arena_[thread.extra].hash);
  hash = mix(hash, static_cast<std::uint64_t>(thread.number));
  return mix(hash, static_cast<std::uint64_t>(thread.number >> 64));
}

void Machine::collect(const std::vector<Threads*>& threads) {
  std::vector<std::uint32_t> place(arena_.size(), 0);
  const auto keep = [&](std::uint32_t at) { place[at] = 1; };
  for (const Threads* list : threads) {
    for (const Thread& thread : *list) {
      keep(thread.top);
      if (has_characters(thread)) keep(thread.extra);
    }
  }
  // What a frame refers to lies before it.
  for (std::size_t i = arena_.size(); i-- > 1;) {
    if (place[i] == 0) continue;
    keep(arena_[i].parent);
    keep(arena_[i].used);
    keep(arena_[i].item);
    if (arena_[i].kind == FrameKind::kUsed) keep(arena_[i].alt);
  }
  std::uint32_t size = 1;
  place[0] = 0;
  for (std::uint32_t i = 1; i < arena_.size(); ++i) {
    if (place[i] == 0) continue;
    Frame frame = arena_[i];
    frame.parent = place[frame.parent];
    frame.used = place[frame.used];
    frame.item = place[frame.item];
    if (frame.kind == FrameKind::kUsed) frame.alt = place[frame.alt];
    arena_[size] = frame;
    place[i] = size++;
  }
  arena_.resize(size);
  for (Threads* list : threads) {
    for (Thread& thread : *list) {
      thread.top = place[thread.top];
      if (has_characters(thread)) thread.extra = place[thread.extra];
    }
  }
}

std::uint32_t Stepper::push(Frame frame) {
  if (frame.kind == FrameKind::kCharacter) {
    frame.hash = character_hash(m_.arena_[frame.parent].hash, frame.alt, frame.depth);
    m_.arena_.push_back(frame);
    return static_cast<std::uint32_t>(m_.arena_.size() - 1);
  }
  // Everything that lies elsewhere enters by its own hash.
  const bool used = frame.kind == FrameKind::kUsed;
  std::uint64_t hash =
      mix(static_cast<std::uint64_t>(frame.kind) << 8 | frame.marks, m_.arena_[frame.parent].hash);
  hash = mix(hash, used ? m_.arena_[frame.alt].hash : frame.alt);
  hash = mix(hash, static_cast<std::uint64_t>(frame.next) << 32 | frame.count);
  hash = mix(mix(hash, m_.arena_[frame.used].hash), frame.depth);
  if (frame.item != 0) hash = mix(mix(hash, m_.arena_[frame.item].hash), frame.sum + frame.key);
  frame.hash = hash;
  m_.arena_.push_back(frame);
  return static_cast<std::uint32_t>(m_.arena_.size() - 1);
}

void Stepper::emit(const Thread& thread) {
  m_.work_ += 1 + static_cast<std::int64_t>(to_.size());
  if (to_.size() >= kMaxThreads) return;
  if (!to_.empty()) {
    const std::uint64_t hash = m_.hash(thread);
    for (const Thread& other : to_) {
      if (m_.hash(other) == hash) return;
    }
  }
  to_.push_back(thread);
}

}  // namespace tessera::grammar
