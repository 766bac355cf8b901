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
#include <vector>

#include "grammar/machine.h"

namespace tessera::grammar {

// Bytes and control symbols (machine.h).
using Symbols = std::vector<std::uint16_t>;

struct ShortestEnd {
  // Empty where the text may end at once; nothing where no way of at most `limit` symbols was
  // found.
  std::optional<Symbols> way;
  // What looking for it took, in symbols' worth of time.
  std::int64_t work = 0;
};
// The machine is as it was afterwards.
ShortestEnd shortest_end(Machine& machine, const Machine::Threads& threads, std::size_t limit);

}  // namespace tessera::grammar
