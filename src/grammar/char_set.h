// A set of code points as ascending intervals that neither overlap nor touch. Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace tessera::grammar {

class CharSet {
 public:
  using Interval = std::pair<std::uint32_t, std::uint32_t>;  // both ends belong to it

  CharSet() = default;
  CharSet(std::initializer_list<Interval> intervals);

  void add(std::uint32_t low, std::uint32_t high) { pending_.emplace_back(low, high); }
  void add(const CharSet& other);
  CharSet complement() const;
  // Normalised.
  std::vector<Interval> intervals() const;
  bool operator<(const CharSet& other) const { return intervals() < other.intervals(); }

 private:
  std::vector<Interval> pending_;  // in any order
};

// \d, \w, \s and "." of ECMA-262.
const CharSet& digits();
const CharSet& word_characters();
const CharSet& white_space();
const CharSet& line_terminators();

}  // namespace tessera::grammar
