// How many values nodes have, for items that have to differ: a lower bound, which says how many of
// them can be written one after the other. kUnbounded: infinitely many, or too many to count.
#pragma once

#include <cstdint>

#include "grammar/grammar.h"

namespace tessera::grammar {

std::uint32_t times(std::uint32_t a, std::uint32_t b);

// The ways to go on to the end of an object behind `count` members, whose next is the key `next` or
// a later one. Where counts of members are bounded, of some of them only.
std::uint32_t ways_to_end(const Grammar& grammar, const ObjectAlt& object, std::uint32_t next,
                          std::uint32_t count);
// Of an array behind `index` items.
std::uint32_t ways_to_end(const Grammar& grammar, const ArrayAlt& array, std::uint32_t index);

// Sets `values` of nodes and alternatives, of which each has its height.
void count_values(Grammar& grammar, Budget& budget);

}  // namespace tessera::grammar
