// A regular language over Unicode code points, as a complete deterministic automaton whose states
// are all on a way to acceptance, but for the dead one. The questions that a constrained string
// asks are answered here: may this character come, may any of a range, how far is the nearest end,
// how many ends are there. Immutable; any thread.
//
// Surrogates are code points like others here: the layers above (UTF-8, \u escapes) never let them
// through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grammar/error.h"

namespace tessera::grammar {

inline constexpr std::uint32_t kMaxCodePoint = 0x10FFFF;
inline constexpr std::uint32_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

class Language;
using LanguagePtr = std::shared_ptr<const Language>;

class Language : public std::enable_shared_from_this<Language> {
 public:
  using State = std::uint32_t;
  static constexpr State kDead = 0;

  // Where the classes of characters lead: a table, or, where that would be large and nearly empty,
  // what differs in each state from where most of them lead.
  struct Rows {
    struct Edge {
      std::uint16_t number = 0;  // of the class
      State to = kDead;
      bool operator==(const Edge&) const = default;
    };
    static constexpr std::uint32_t kOthers = kUnbounded;  // the classes that have no edge

    std::uint32_t class_count = 1;
    std::vector<State> table;          // state × class; empty where rows are listed
    std::vector<std::uint32_t> heads;  // of each state's edges, and the end of the last one's
    std::vector<Edge> edges;           // of a state: ascending
    std::vector<State> others;         // by state: where classes lead that have no edge

    bool listed() const { return !others.empty(); }
    std::span<const Edge> row(State state) const {
      return std::span(edges).subspan(heads[state], heads[state + 1] - heads[state]);
    }
    State at(State state, std::uint32_t number) const {
      return listed() ? at_listed(state, number) : table[state * class_count + number];
    }
    State at_listed(State state, std::uint32_t number) const;
    // Calls see(class, state) for all that a state leads to but the dead one; `class` may be
    // kOthers.
    template <class See>
    void each(State state, const See& see) const {
      for (std::uint32_t c = 0; !listed() && c < class_count; ++c) {
        if (const State to = table[state * class_count + c]; to != kDead) see(c, to);
      }
      if (!listed()) return;
      const std::span<const Edge> edges_here = row(state);
      for (const Edge& edge : edges_here) {
        if (edge.to != kDead) see(edge.number, edge.to);
      }
      if (others[state] != kDead && edges_here.size() < class_count) see(kOthers, others[state]);
    }
    // Behind the last row. Edges are those added since; of them, those that lead where the others
    // do are left out.
    void add_edge(std::uint16_t number, State to) { edges.push_back({number, to}); }
    void end_row(State other);
    std::size_t cells() const { return listed() ? edges.size() + others.size() : table.size(); }
    std::size_t bytes() const;
  };

  // The automaton before it is cleaned up: state 0 is dead, class of a code point by interval.
  struct Raw {
    std::vector<std::uint32_t> begins;   // of intervals, ascending, the first is 0
    std::vector<std::uint16_t> classes;  // of each interval
    Rows rows;
    std::vector<bool> accepting;
    State start = 0;
  };
  // Cuts off what leads nowhere.
  static LanguagePtr create(Raw raw, Budget& budget);

  static LanguagePtr any();
  // Exactly these texts (valid UTF-8).
  static LanguagePtr of_texts(const std::vector<std::string_view>& texts, Budget& budget);
  static LanguagePtr of_length(std::uint32_t min, std::uint32_t max, Budget& budget);
  // Null when the budget is exhausted.
  static LanguagePtr intersection(const Language& a, const Language& b, Budget& budget);
  static LanguagePtr complement(const Language& a, Budget& budget);

  State start() const { return start_; }
  bool empty() const { return start_ == kDead; }
  State next(State state, std::uint32_t code_point) const {
    return rows_.at(state, class_of(code_point));
  }
  bool accepts(State state) const { return accepting_[state]; }
  // Where the code points lead, dead ends left out.
  struct Step {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    State to = kDead;
  };
  std::vector<Step> steps(State state) const;
  // Whether any code point of [low, high] leads on; surrogates do not count.
  bool can_step(State state, std::uint32_t low, std::uint32_t high) const;
  // Like can_step, but a step counts only if an end is at most `left` characters behind it.
  bool can_step_within(State state, std::uint32_t low, std::uint32_t high,
                       std::uint32_t left) const;
  // Characters to the nearest end.
  std::uint32_t shortest(State state) const { return shortest_[state]; }
  // A character that is one step nearer to it, a plain one if there is one. shortest(state) > 0.
  std::uint32_t toward_end(State state) const;
  // How many texts lead to an end; kUnbounded: infinitely many, or too many to count.
  std::uint32_t completions(State state) const { return completions_[state]; }
  bool matches(std::string_view text) const;
  // All code points step back to the same state, which accepts: a free string.
  bool is_any() const { return any_; }
  // Whatever was read, infinitely many texts are left.
  bool is_endless() const { return endless_; }
  // Whatever comes from here on, every character leads on.
  bool is_total(State state) const { return total_[state]; }
  // The most that shortest() says of any state.
  std::uint32_t longest_way() const { return longest_way_; }
  std::size_t state_count() const { return accepting_.size(); }
  // By state: states of equal numbers are kept alive by the same texts of at most kAlikeDepth
  // characters; and the same ones are accepted. Both are empty for languages that are too large.
  // Found when first asked for; any thread.
  static constexpr std::uint32_t kAlikeDepth = 32;
  struct Alike {
    std::vector<std::uint64_t> living;
    std::vector<std::uint64_t> accepting;
    bool exact = false;  // they are so for texts of any length
  };
  const Alike& alike() const;
  // Whatever comes is accepted, and nothing else can be seen from here.
  bool accepts_all(State state) const;
  // The classes of characters that no state tells apart: interval i begins at begins()[i] and is of
  // classes()[i].
  std::uint32_t class_count() const { return rows_.class_count; }
  const std::vector<std::uint32_t>& begins() const { return begins_; }
  const std::vector<std::uint16_t>& classes() const { return classes_; }
  State next_of_class(State state, std::uint32_t number) const { return rows_.at(state, number); }
  // It was made of so many texts that it has no table.
  bool is_listed() const { return rows_.listed(); }
  // Up to here, code points are of the same class as this one.
  std::uint32_t last_like(std::uint32_t code_point) const {
    const std::size_t next = interval_of(code_point) + 1;
    return next < begins_.size() ? begins_[next] - 1 : kMaxCodePoint;
  }
  // Every accepted text, in no special order; only for languages with few (completions(start())).
  std::vector<std::string> texts() const;
  std::size_t bytes() const;
  // Equal languages that were built alike have equal hashes.
  std::uint64_t hash() const { return hash_; }

 private:
  std::uint32_t class_of(std::uint32_t code_point) const {
    if (code_point < 128) return ascii_[code_point];
    return classes_[interval_of(code_point)];
  }
  std::size_t interval_of(std::uint32_t code_point) const;
  using ClassPair = std::pair<std::uint16_t, std::uint16_t>;
  static std::vector<ClassPair> meet_classes(const Language& a, const Language& b, Raw& raw,
                                             Budget& budget);
  void measure();
  void find_hash();
  // How many characters the classes have.
  struct Widths {
    std::vector<std::uint32_t> of_class;
    std::uint32_t all = 0;
  };
  Widths find_widths() const;
  std::uint32_t width(const Widths& widths, State state, std::uint32_t number) const;
  // The numbers, and whether they are exact.
  std::pair<std::vector<std::uint64_t>, bool> number_alike(bool accepting) const;
  void append_texts(State state, std::string& prefix, std::vector<std::string>& out) const;

  std::vector<std::uint32_t> begins_;
  std::vector<std::uint16_t> classes_;
  Rows rows_;
  std::vector<bool> accepting_;
  State start_ = kDead;
  bool any_ = false;
  bool endless_ = false;
  std::uint64_t hash_ = 0;
  std::array<std::uint16_t, 128> ascii_{};
  std::vector<std::uint32_t> shortest_;
  std::vector<std::uint32_t> completions_;
  std::vector<bool> total_;
  std::uint32_t longest_way_ = 0;
  mutable std::once_flag alike_found_;
  mutable Alike alike_;
};

}  // namespace tessera::grammar
