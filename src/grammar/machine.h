// The automaton that a grammar is: a set of threads, each a way to read the text so far, over bytes
// and a few control symbols. Every thread that exists can still be led to an end. One Machine a
// generation; one thread. The Grammar is shared and never written.
//
// A thread is a value (what is being read) on a stack of frames (the containers around it). Frames
// and the characters of free keys live in an arena and are never changed, so that threads fork and
// are rolled back by copying a few words.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/grammar.h"

namespace tessera::grammar {

// What comes in: a byte, or one of these.
enum Symbol : std::uint32_t {
  kThinkClose = 256,
  kCallOpen = 257,
  kCallClose = 258,
};

enum class Phase : std::uint8_t {
  kThinking,    // free text until </think>
  kFree,        // free text until a call, or the end
  kFixed,       // a fixed text: `state` which, `count` how much of it is read
  kCallStart,   // <tool_call> must come
  kCallEnd,     // </tool_call> must come
  kBehindCall,  // the end, or a further call
  kToolName,    // `state` in the trie of names
  kTag,         // `state` in the trie of the call's parameters
  kFreeName,    // a free parameter's name: `alt` of strings, `count` characters; `extra`: which
  kRaw,         // a parameter's text: `state` of its language, `sub` how much of the closing tag
  kRuleText,    // `alt` of strings, `state` of its language; `count`: the rules' node behind it
  kValue,       // white space, then a value of node `alt`
  kLiteral,     // `state` in the literals
  kNumber,
  kString,       // `alt` of strings, `state` of its language, `count` characters
  kKey,          // a key that the schema names: `state` in the trie
  kFreeKey,      // another one: `state` of its region's language; or a string of a unique array
  kObjectOpen,   // behind {
  kObjectComma,  // behind , in an object
  kColon,
  kArrayOpen,    // behind [
  kBehindValue,  // what comes is the container's
  kDone,         // the end
};

// 48 bytes, no padding: compared and hashed as they lie.
struct Thread {
  Phase phase = Phase::kDone;
  std::uint8_t space = 0;   // white space read here: 0 none, 1 a space, 2 + n a newline and n more
  std::uint8_t part = 0;    // of a character: see text_step.cpp; of a number: its Part
  std::uint8_t digits = 0;  // of an escape read, or bytes of UTF-8 to come; of a number's integer
  std::uint32_t top = 0;    // arena: the innermost frame
  std::uint32_t alt = 0;
  std::uint32_t state = 0;
  std::uint32_t count = 0;
  std::uint32_t low = 0;  // the code points that the character can still become
  std::uint32_t high = 0;
  // kFreeKey, and kLiteral in unique arrays: arena: its characters; numbers: digits of the
  // fraction.
  std::uint32_t extra = 0;
  Int128 number = 0;  // magnitude of a bounded number's digits so far
  bool operator==(const Thread&) const = default;
};

// A string of an item that has to differ from others; its characters are kept as a free key's are.
inline bool is_item_string(const Thread& thread) {
  return thread.phase == Phase::kFreeKey && thread.space == 1;
}

// One hash of two; and that of a frame that is a character behind others with the hash `before`.
std::uint64_t mix(std::uint64_t a, std::uint64_t b);
std::uint64_t character_hash(std::uint64_t before, std::uint32_t character, std::uint32_t depth);

struct ByteSet {
  std::array<std::uint64_t, 4> bits{};
  bool has(std::uint8_t byte) const { return (bits[byte / 64u] >> (byte % 64u) & 1) != 0; }
  void add(std::uint8_t byte) { bits[byte / 64u] |= std::uint64_t{1} << (byte % 64u); }
  void add(std::string_view bytes) {
    for (const char byte : bytes) add(static_cast<std::uint8_t>(byte));
  }
  int count() const {
    int total = 0;
    for (const std::uint64_t word : bits) total += std::popcount(word);
    return total;
  }
  void add_all() { bits.fill(~std::uint64_t{0}); }
};

class Machine {
 public:
  explicit Machine(GrammarPtr grammar);

  using Threads = std::vector<Thread>;
  Threads start() const;
  // The threads behind `symbol`; none: it cannot come.
  void step(const Threads& from, std::uint32_t symbol, Threads& to);
  // No other bytes can come; some of these may not come either.
  ByteSet next_bytes(const Threads& threads) const;
  // The text may end here.
  bool may_end(const Threads& threads) const;
  // What must come now, up to where there is a choice, at most `limit` of it: fixed texts, names
  // and literals that are the only ones. (Where it cannot be told at a glance there may be more.)
  std::vector<std::uint16_t> forced(const Threads& threads, std::size_t limit);
  // The threads behind the text (a string, a key, a raw parameter) that `thread` is inside of,
  // whatever the text is.
  void leave_text(const Thread& thread, Threads& to);
  // What a free key's characters must not go on to: the rests of the used keys (of a unique array:
  // the items) that begin with them; and of the names of the schema, which can be looked up as
  // well.
  std::vector<std::u32string> used_below(const Thread& thread) const;
  std::vector<std::u32string> names_below(const Thread& thread) const;
  bool is_rest_of_name(const Thread& thread, std::u32string_view text) const;

  // The arena as a stack: what is made behind a mark may be thrown away again.
  std::size_t mark() const { return arena_.size(); }
  void release(std::size_t mark) { arena_.resize(mark); }
  // Copies what `threads` use to the arena's beginning and drops the rest.
  void collect(const std::vector<Threads*>& threads);
  // A thread and its stack, whatever they lie in the arena.
  std::uint64_t hash(const Thread& thread) const;
  std::uint32_t depth(const Thread& thread) const { return arena_[thread.top].depth; }

  // Threads made and compared since it was last asked; sixteen characters of used keys and items
  // count as one.
  std::int64_t take_work() { return std::exchange(work_, 0) + take_compared() / 16; }
  // Of these characters, how many were looked at.
  std::int64_t take_compared() { return std::exchange(compared_, 0); }

  // Inside of an item that has to differ from others as a whole.
  bool in_item(const Thread& thread) const { return arena_[thread.top].item != 0; }

  const Grammar& grammar() const { return *grammar_; }
  // Of a thread in kFreeKey.
  const LanguagePtr& region_language(const Thread& thread) const;

 private:
  friend class Ending;
  friend class Stepper;
  enum class FrameKind : std::uint8_t { kBottom, kArray, kObject, kCall, kRule, kCharacter, kUsed };
  struct Frame {
    FrameKind kind = FrameKind::kBottom;
    std::uint8_t marks = 0;  // kObject: what members that have to be there were there
    std::uint32_t parent = 0;
    std::uint32_t depth = 0;  // containers; kCharacter: its index in the key
    // Of its kind; kRule: the node behind the rule; kUsed: the last character of a key.
    std::uint32_t alt = 0;
    std::uint32_t next =
        0;  // kObject, kCall: the first key that may come; kArray: the item's index
    std::uint32_t count = 0;  // kObject, kCall: members so far; kArray: its counts
    std::uint32_t used = 0;   // arena: free keys, or items of a unique array, so far; 0: none
    // Inside of an item that has to differ from others: what was read of it, in its order, as a
    // chain of characters; 0 elsewhere. The name of the member that is being read. What the values
    // in here are, whatever the order of the members.
    std::uint32_t item = 0;
    std::uint32_t key = 0;
    std::uint64_t sum = 0;
    std::uint64_t hash = 0;  // of all the above, whatever the places
  };

  GrammarPtr grammar_;
  std::vector<Frame> arena_;
  std::int64_t work_ = 0;
  mutable std::int64_t compared_ = 0;
};

}  // namespace tessera::grammar
