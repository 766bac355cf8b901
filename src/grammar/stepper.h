// Machine's transitions: one symbol read by one thread. Private to the automaton: machine.h is its
// face.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/machine.h"

namespace tessera::grammar {

// Texts that are written as they stand. What follows each: Stepper::behind_fixed().
enum Fixed : std::uint32_t {
  kBehindThinking = 0,
  kFunctionOpen = 1,
  kParameterEnd = 2,
  kBetweenCalls = 3,
  kNameEnd = 4,
};

// Thread::part of a character that is read.
enum TextPart : std::uint8_t {
  kWhole,      // between characters
  kBackslash,  // behind one
  kHex,        // behind \u and `digits` hexadecimal digits of the value `low`
  kUtf8,       // `digits` more bytes to come
  kHighHalf,   // behind a high surrogate `low`: a backslash must come
  kHighSlash,  // then a u
  kLowHex,     // then `digits` of the low surrogate, `high` so far
};

class Stepper {
 public:
  Stepper(Machine& machine, Machine::Threads& to) : m_(machine), g_(*machine.grammar_), to_(to) {}

  void step(Thread thread, std::uint32_t symbol);
  bool may_end(const Thread& thread) const;
  void add_next_bytes(const Thread& thread, ByteSet& bytes) const;
  // The threads that begin the answer.
  void begin_answer();
  // Those behind the text that `thread` is inside of.
  void leave_text(Thread thread);
  static std::string_view fixed_text(std::uint32_t fixed);
  // The only symbol that the thread can read; nothing where there are several, or where it cannot
  // be told at a glance.
  std::optional<std::uint32_t> only_symbol(const Thread& thread) const;
  // What the text in an item that has come to `chain` must not go on to and end: behind it no way
  // would be left to a new item.
  std::vector<std::u32string> closed_texts(const Machine::Frame& top, std::uint32_t chain) const;

 private:
  friend class Ending;
  using Frame = Machine::Frame;
  using FrameKind = Machine::FrameKind;
  // The most threads that there can be; further ones are dropped, which forbids but never permits.
  static constexpr std::size_t kMaxThreads = 128;

  const Frame& frame(std::uint32_t at) const { return m_.arena_[at]; }
  std::uint32_t push(Frame frame);
  void emit(const Thread& thread);

  void step_symbol(Thread thread, std::uint32_t symbol);
  void step_byte(Thread& thread, std::uint8_t byte);
  void step_fixed(Thread thread, std::uint8_t byte);
  void behind_fixed(Thread thread);
  void step_tool_name(Thread thread, std::uint8_t byte);
  void step_tag(Thread thread, std::uint8_t byte);
  void begin_tag(Thread thread);
  // `next`: the first index that may come behind it.
  void begin_parameter(Thread thread, const CallAlt::Parameter& parameter, std::uint32_t next);
  void step_behind_value(Thread thread, std::uint8_t byte);

  // White space between tokens: at most a blank, or a newline and a bounded indentation.
  static bool read_space(Thread& thread, std::uint8_t byte);
  void add_first_bytes(NodeId node, ByteSet& bytes) const;
  static void add_rest_bytes(const Thread& thread, ByteSet& bytes);
  void begin_value(Thread thread, NodeId node, std::uint8_t byte);
  void begin_alt(Thread thread, AltId id, std::uint8_t byte);
  void end_value(Thread thread);
  bool fits(NodeId node, std::uint32_t depth) const {
    return node != kNone && g_.nodes[node].height <= kMaxNesting &&
           g_.nodes[node].height + depth <= kMaxNesting;
  }
  void step_literal(Thread thread, std::uint8_t byte);

  // Arrays: the ways in which one more item can be read, as threads in front of its value.
  struct Item {
    NodeId node = kNone;
    std::uint32_t counts = 0;  // behind it
  };
  struct Items {
    std::array<Item, 8> items;
    std::size_t size = 0;
    const Item* begin() const { return items.data(); }
    const Item* end() const { return items.data() + size; }
  };
  Items next_items(const Frame& array) const;
  Thread enter_item(const Thread& thread, const Item& item);
  bool array_may_end(const Frame& array) const;
  // Unique arrays: an item's characters are kept as those of free keys are, behind one that tells
  // strings from literals.
  bool in_unique(const Thread& thread) const {
    const Frame& at = frame(thread.top);
    return at.kind == FrameKind::kArray && g_.arrays[at.alt].unique;
  }
  // Notes the item that was read; false: it was there before.
  bool use_item(Thread& thread);
  bool literal_lives(const Thread& thread) const;

  // Items that have to differ as wholes (item_step.cpp). They are read as a chain of characters:
  // those of their texts, and these.
  enum ItemSymbol : std::uint32_t {
    kStringItem = kMaxCodePoint + 1,  // also in front of a unique array's items
    kLiteralItem,
    kNumberItem,
    kArrayItem,
    kObjectItem,
    kItemKey,
    kItemComma,
    kItemEnd,
    kItemBegin,
    kItemAny,  // stands for a text that is not known
  };
  // The ways to go on from `chain`, if there are `ways` up to behind the value that is being read,
  // are more than those that earlier items have taken.
  struct Link {
    std::uint64_t hash = 0;
    std::uint32_t depth = 0;
  };
  Link link(std::uint32_t chain) const { return {frame(chain).hash, frame(chain).depth}; }
  static Link behind(Link chain, std::uint32_t symbol);
  static Link behind_number(Link chain, std::uint64_t digest);
  static Link behind_key(Link chain, std::uint64_t name);
  static std::uint64_t name_hash(const std::string& name);
  bool item_lives(const Frame& top, Link chain, std::uint32_t ways) const;
  std::uint32_t used_below(const Frame& object, Link prefix) const;
  const Frame& differing_array(const Frame& inside) const;
  std::uint32_t ways_behind(const Frame& top) const;
  bool key_lives(const Frame& object, std::uint32_t key) const;
  bool next_item_lives(const Frame& array, NodeId node) const;
  // The text that ends with the chain, behind what tells strings from words.
  std::u32string item_text(std::uint32_t chain) const;
  void add_used_texts(const Frame& array, std::uint32_t chain,
                      std::vector<std::u32string>& closed) const;
  bool item_text_lives(const Thread& thread, Language::State state, std::uint32_t chain) const;
  bool number_can_differ(const Thread& thread) const;
  void begin_item(Frame& array);
  void note_key(Frame& object, std::uint64_t name);
  std::uint64_t number_digest(const Thread& thread) const;
  std::uint64_t text_digest(std::uint32_t chain) const;
  void end_item_text(Thread thread);
  void leave_item_text(Thread thread);
  void end_item_number(Thread thread);
  void end_container(Thread thread);
  void end_differing(Thread thread, const Frame& array);
  // Behind a value of an item: it is noted, and the item as a whole where that was all.
  void end_item_value(Thread thread, std::uint32_t chain, std::uint64_t digest);

  // Objects, and calls.
  struct KeyRange {
    std::uint32_t first = 1;
    std::uint32_t last = 0;
  };
  KeyRange key_range(const Frame& object) const;
  KeyRange tag_range(const Frame& call) const;
  bool reaches(const Frame& object, std::uint32_t trie_node) const;
  bool free_keys(const Frame& object) const;
  // Members that have to be there under free keys, and were not.
  std::uint32_t missing_marks(const Frame& object) const;
  bool region_fits(const Frame& object, const ObjectAlt::Region& region) const;
  bool object_may_go_on(const Frame& object) const;
  bool object_may_end(const Frame& object) const;
  void begin_key(const Thread& thread);
  void end_key(Thread thread);
  void end_free_key(Thread thread);
  void leave_free_key(Thread thread);
  // How many used free keys begin with the characters read.
  std::uint32_t used_below(const Frame& object, std::uint32_t characters) const;
  bool is_used(const Frame& object, std::uint32_t characters) const;

  // Strings, keys and raw texts, character by character (text_step.cpp).
  void step_text(Thread thread, std::uint8_t byte);
  void step_escape(Thread thread, std::uint8_t byte);
  void step_hex(Thread thread, std::uint8_t byte);
  void step_utf8(Thread thread, std::uint8_t byte);
  void begin_utf8(Thread thread, std::uint8_t byte);
  void end_text(Thread thread);
  // Behind a free parameter's name, in front of what ends it.
  static Thread behind_name(const Thread& thread);
  // Whether a character of [low, high] can come next.
  bool can_read(const Thread& thread, std::uint32_t low, std::uint32_t high) const;
  // The same for an escape: plain characters of names that the schema has are written plainly, so
  // that those names are forced.
  bool can_escape(const Thread& thread, std::uint32_t low, std::uint32_t high) const;
  // Reads it; the thread goes on to the next character, or is gone.
  void read(Thread thread, std::uint32_t code_point);
  bool free_key_lives(const Thread& thread, Language::State state, std::uint32_t trie_node,
                      std::uint32_t characters) const;
  bool can_read_free_key(const Thread& thread, std::uint32_t low, std::uint32_t high) const;
  const Language& region_language(const Thread& thread) const;
  // Rules of a custom tool's grammar (rule_step.cpp): the threads that can go on from a node.
  void enter_rules(std::uint32_t top, std::uint32_t node);
  void read_rule_text(Thread thread, std::uint32_t code_point);
  // What a free key's characters lead to among the names of the schema.
  std::uint32_t next_name(const Thread& thread, std::uint32_t code_point) const;
  std::uint32_t push_character(std::uint32_t characters, std::uint32_t code_point);

  // Numbers (number_step.cpp).
  void begin_number(Thread thread, std::uint8_t byte);
  void step_number(Thread thread, std::uint8_t byte);
  void step_beyond(Thread thread);
  bool number_lives(const Thread& thread) const;
  bool number_in_bounds(const Thread& thread) const;
  bool number_complete(const Thread& thread) const;
  // What makes it complete, with few digits; nothing when it is.
  std::string rest_of_number(const Thread& thread) const;

  Machine& m_;
  const Grammar& g_;
  Machine::Threads& to_;
  bool looks_ahead_ = false;  // within number_can_differ()
};

}  // namespace tessera::grammar
