// A short way from where the text is to where it may end: what an answer needs at least, and what
// leads it out when little is left.
//
// The way is found by following one thread of the automaton, guided by estimates (cost.h); each
// step is the automaton's own, so that what comes out is certainly readable. It is seldom longer
// than the shortest and never shorter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "grammar/machine.h"

namespace tessera::grammar {

// Bytes and control symbols (machine.h).
using Symbols = std::vector<std::uint16_t>;

struct ShortestEnd {
  // Empty where the text may end at once; nothing where no way of at most `limit` symbols was
  // found.
  std::optional<Symbols> way;
  // So many of its last symbols are also the last ones of the way that was known.
  std::size_t shared = 0;
  // What looking for it took, in symbols' worth of time.
  std::int64_t work = 0;
};

// The way that was found last, and the places it goes through: whoever comes to one of them need
// not look any further. A token seldom leads far from the way before it, so that looking again
// costs little, however long the way is.
class KnownWay {
 public:
  struct Place {
    std::uint64_t thread = 0;  // its hash
    std::size_t at = 0;        // so many symbols are in front of it, or behind
  };
  // How many symbols are left from there.
  std::optional<std::size_t> left_from(std::uint64_t thread) const;
  // The last `left` symbols stay; `front`, which goes through `places`, comes before them.
  void replace(const Symbols& front, const std::vector<Place>& places, std::size_t left);
  Symbols symbols() const { return {turned_.rbegin(), turned_.rend()}; }

 private:
  Symbols turned_;             // the last one first
  std::vector<Place> places_;  // those nearest to the end first
  std::unordered_map<std::uint64_t, std::size_t> left_;
};

// The machine is as it was afterwards. `known`, if any, is of the same grammar, and becomes what is
// found.
ShortestEnd shortest_end(Machine& machine, const Machine::Threads& threads, std::size_t limit,
                         KnownWay* known = nullptr);

}  // namespace tessera::grammar
