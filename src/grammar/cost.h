// How many bytes a short value of each node takes: what a way to the end goes by where it has the
// choice (shortest_end.h). An estimate, seldom above the least.
#pragma once

#include <optional>
#include <string>

#include "grammar/grammar.h"

namespace tessera::grammar {

// Fills in the costs of a grammar that is otherwise complete.
void measure_costs(Grammar& grammar);
// Of the call's parameter with this index, or of the cheapest free one; without the name that the
// schema has for it.
std::uint32_t parameter_cost(const Grammar& grammar, const CallAlt& call, std::uint32_t index);

// The text with the fewest digits behind the point, and then the smallest, of the numbers of `alt`
// that are `negative` or not, with a magnitude in [low, high] and at least `fraction` digits behind
// the point. `alt` is bounded.
std::optional<std::string> short_number(const NumberAlt& alt, bool negative, Int128 low,
                                        Int128 high, int fraction);

}  // namespace tessera::grammar
