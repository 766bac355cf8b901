// shortest_end()'s working: one thread led to an end, piece by piece. Private to shortest_end.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/shortest_end.h"
#include "grammar/stepper.h"

namespace tessera::grammar {

class Ending {
 public:
  // `known` may be null.
  Ending(Machine& machine, std::size_t limit, const KnownWay* known)
      : machine_(machine),
        grammar_(machine.grammar()),
        stepper_(machine, none_),
        limit_(limit),
        known_(known) {}

  // Whether an end was reached: take_symbols() lead to it, or to where `left` are left of the known
  // way.
  bool follow(const Thread& thread);
  std::size_t left() const { return left_; }
  std::size_t length() const { return symbols_.size() + left_; }
  const std::vector<KnownWay::Place>& places() const { return places_; }
  // Those with the least in front of them first.
  Machine::Threads in_order(Machine::Threads threads) const;
  // What it took, in symbols' worth of time.
  std::int64_t work() const;
  Symbols take_symbols() { return std::move(symbols_); }

 private:
  using Frame = Machine::Frame;
  using FrameKind = Machine::FrameKind;

  const Frame& frame(const Thread& thread) const { return machine_.arena_[thread.top]; }
  // Reads one piece of the way; false: there is none.
  bool go_on(const Thread& thread);
  // Reads all of `text`, or nothing.
  bool read(const Thread& thread, std::string_view text);
  bool read_symbol(const Thread& thread, std::uint32_t symbol);
  bool read_first_of(const Thread& thread, std::string_view bytes);
  bool read_any_byte(const Thread& thread);

  bool read_tool_name(const Thread& thread);
  bool read_tag(const Thread& thread);
  bool read_name(const Thread& thread);
  // A value of one of the nodes, up to where its first byte tells it apart.
  bool begin_value(const Thread& thread, NodeId node);
  bool begin_array(const Thread& thread);
  bool read_literal(const Thread& thread);
  bool read_number(const Thread& thread);
  // What ends a value that has no end of its own.
  bool read_behind(const Thread& thread);
  bool read_string(const Thread& thread);
  bool read_rule_text(const Thread& thread);
  bool read_key(const Thread& thread);
  bool read_free_key(const Thread& thread);
  // How much is in front of the thread, by estimate: the one with the least is followed.
  std::uint64_t rank(const Thread& thread) const;
  const Thread& best() const;

  Machine& machine_;
  const Grammar& grammar_;
  Machine::Threads none_;
  Stepper stepper_;
  const std::size_t limit_;
  const KnownWay* const known_;
  std::size_t left_ = 0;
  std::vector<KnownWay::Place> places_;
  std::int64_t compared_ = 0;  // keys with others
  Machine::Threads now_, from_, next_;
  Symbols symbols_;
};

}  // namespace tessera::grammar
