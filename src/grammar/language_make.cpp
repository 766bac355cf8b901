// Language: those that are made of texts, and of other languages.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"
#include "grammar/language.h"

namespace tessera::grammar {
namespace {

using State = Language::State;
using Edge = Language::Rows::Edge;

// With more cells than this, languages of texts have no table.
constexpr std::size_t kMaxTextCells = 1 << 13;
constexpr std::uint32_t kMaxClasses = 60'000;

// The smallest automaton of texts that come in ascending order: what lies behind the last text is
// final, and states that read the same are one. After Daciuk, Mihov, Watson and Watson,
// "Incremental construction of minimal acyclic finite-state automata" (2000).
class TextAutomaton {
 public:
  struct Step {
    std::uint32_t character = 0;
    State to = Language::kDead;
    bool operator==(const Step&) const = default;
  };

  TextAutomaton() : heads_{0, 0}, accepting_{false}, path_(1) {}

  void add(std::string_view text) {
    std::size_t common = 0;  // characters
    std::size_t at = 0;
    while (at < text.size() && common + 1 < path_.size()) {
      std::size_t behind = at;
      if (next_code_point(text, behind) != path_[common + 1].character) break;
      at = behind;
      ++common;
    }
    settle(common);
    while (at < text.size()) {
      path_.emplace_back();
      path_.back().character = next_code_point(text, at);
    }
    path_.back().accepting = true;
  }

  void finish() {
    settle(0);
    steps_.insert(steps_.end(), path_[0].steps.begin(), path_[0].steps.end());
    heads_.push_back(static_cast<std::uint32_t>(steps_.size()));
    accepting_.push_back(path_[0].accepting);
  }

  State start() const { return state_count() - 1; }
  State state_count() const { return static_cast<State>(accepting_.size()); }
  const std::vector<bool>& accepting() const { return accepting_; }
  std::span<const Step> steps(State state) const {
    return std::span(steps_).subspan(heads_[state], heads_[state + 1] - heads_[state]);
  }
  const std::vector<Step>& steps() const { return steps_; }

 private:
  // A state that may still grow.
  struct Open {
    std::uint32_t character = 0;  // that leads to it
    bool accepting = false;
    std::vector<Step> steps;
  };

  // Nothing more comes behind the state at this depth.
  void settle(std::size_t depth) {
    while (path_.size() > depth + 1) {
      const State state = state_of(path_.back());
      const std::uint32_t character = path_.back().character;
      path_.pop_back();
      path_.back().steps.push_back({character, state});
    }
  }

  State state_of(const Open& open) {
    std::uint64_t hash = open.accepting ? 1 : 2;
    for (const Step& step : open.steps) {
      hash = (hash ^ (std::uint64_t{step.character} << 32 | step.to)) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 31;
    }
    const auto [begin, end] = known_.equal_range(hash);
    for (auto known = begin; known != end; ++known) {
      const std::span<const Step> other = steps(known->second);
      if (accepting_[known->second] == open.accepting &&
          std::equal(other.begin(), other.end(), open.steps.begin(), open.steps.end())) {
        return known->second;
      }
    }
    const State state = state_count();
    steps_.insert(steps_.end(), open.steps.begin(), open.steps.end());
    heads_.push_back(static_cast<std::uint32_t>(steps_.size()));
    accepting_.push_back(open.accepting);
    known_.emplace(hash, state);
    return state;
  }

  std::vector<Step> steps_;  // by state, characters ascending
  std::vector<std::uint32_t> heads_;
  std::vector<bool> accepting_;
  std::unordered_multimap<std::uint64_t, State> known_;
  std::vector<Open> path_;  // of the last text
};

}  // namespace

LanguagePtr Language::of_texts(const std::vector<std::string_view>& texts, Budget& budget) {
  std::vector<std::string_view> sorted = texts;
  std::sort(sorted.begin(), sorted.end());
  TextAutomaton automaton;
  for (const std::string_view text : sorted) {
    if (!budget.spend(text.size() * 4 + 8)) return nullptr;
    automaton.add(text);
  }
  automaton.finish();
  Raw raw;
  raw.start = automaton.start();
  raw.accepting = automaton.accepting();
  std::vector<std::uint32_t> characters;
  for (const TextAutomaton::Step& step : automaton.steps()) characters.push_back(step.character);
  std::sort(characters.begin(), characters.end());
  characters.erase(std::unique(characters.begin(), characters.end()), characters.end());
  if (characters.size() > kMaxClasses) return nullptr;
  raw.begins.push_back(0);
  raw.classes.push_back(0);
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const std::uint32_t c = characters[i];
    if (raw.begins.back() == c) {
      raw.classes.back() = static_cast<std::uint16_t>(i + 1);
    } else {
      raw.begins.push_back(c);
      raw.classes.push_back(static_cast<std::uint16_t>(i + 1));
    }
    if (c == kMaxCodePoint) continue;
    raw.begins.push_back(c + 1);
    raw.classes.push_back(0);
  }
  const auto class_of = [&](std::uint32_t c) {
    const auto found = std::lower_bound(characters.begin(), characters.end(), c);
    return static_cast<std::uint16_t>(found - characters.begin() + 1);
  };
  Rows& rows = raw.rows;
  rows.class_count = static_cast<std::uint32_t>(characters.size() + 1);
  const std::size_t cells = std::size_t{automaton.state_count()} * rows.class_count;
  const bool listed = cells > kMaxTextCells;
  if (!budget.take(listed ? automaton.steps().size() * sizeof(Edge) : cells * sizeof(State)))
    return nullptr;
  if (!listed) rows.table.assign(cells, kDead);
  for (State s = 0; s < automaton.state_count(); ++s) {
    for (const auto& [c, to] : automaton.steps(s)) {
      if (listed) {
        rows.add_edge(class_of(c), to);
      } else {
        rows.table[s * rows.class_count + class_of(c)] = to;
      }
    }
    if (listed) rows.end_row(kDead);
  }
  return create(std::move(raw), budget);
}

// Sets the intervals of characters that neither tells apart.
std::vector<Language::ClassPair> Language::meet_classes(const Language& a, const Language& b,
                                                        Raw& raw, Budget& budget) {
  std::map<ClassPair, std::uint16_t> class_of;
  std::vector<ClassPair> pairs;
  for (std::size_t i = 0, j = 0; i < a.begins_.size() || j < b.begins_.size();) {
    const std::uint32_t x = i < a.begins_.size() ? a.begins_[i] : kUnbounded;
    const std::uint32_t y = j < b.begins_.size() ? b.begins_[j] : kUnbounded;
    const std::uint32_t begin = std::min(x, y);
    i += x == begin;
    j += y == begin;
    const auto pair = std::pair(a.classes_[i - 1], b.classes_[j - 1]);
    const auto [found, fresh] = class_of.emplace(pair, static_cast<std::uint16_t>(pairs.size()));
    if (fresh) pairs.push_back(pair);
    raw.begins.push_back(begin);
    raw.classes.push_back(found->second);
    if (pairs.size() > kMaxClasses) budget.exhaust();
    if (!budget.spend(4)) break;
  }
  raw.rows.class_count = static_cast<std::uint32_t>(pairs.size());
  return pairs;
}

LanguagePtr Language::intersection(const Language& a, const Language& b, Budget& budget) {
  if (a.is_any() || b.is_any()) return (a.is_any() ? b : a).shared_from_this();
  Raw raw;
  const std::vector<ClassPair> pairs = meet_classes(a, b, raw, budget);
  if (budget.exhausted()) return nullptr;
  std::unordered_map<std::uint64_t, State> number;
  std::vector<std::pair<State, State>> order(1);
  auto visit = [&](State s, State t) {
    if (s == kDead || t == kDead) return kDead;
    const std::uint64_t key = static_cast<std::uint64_t>(s) << 32 | t;
    const auto [found, fresh] = number.emplace(key, static_cast<State>(order.size()));
    if (fresh) order.emplace_back(s, t);
    return found->second;
  };
  raw.start = visit(a.start_, b.start_);
  raw.accepting.push_back(false);
  const bool listed = a.is_listed() || b.is_listed();
  // Of listed rows, those classes are looked at that have an edge, where the others lead nowhere.
  std::vector<std::vector<std::uint16_t>> of_a, of_b;
  if (listed) {
    raw.rows.end_row(kDead);
    of_a.resize(a.class_count());
    of_b.resize(b.class_count());
    for (std::size_t c = 0; c < pairs.size(); ++c) {
      of_a[pairs[c].first].push_back(static_cast<std::uint16_t>(c));
      of_b[pairs[c].second].push_back(static_cast<std::uint16_t>(c));
    }
  } else {
    raw.rows.table.assign(pairs.size(), kDead);
  }
  std::vector<std::uint16_t> some;
  for (std::size_t n = 1; n < order.size(); ++n) {
    const State s = order[n].first;
    const State t = order[n].second;
    raw.accepting.push_back(a.accepting_[s] && b.accepting_[t]);
    const auto to = [&](ClassPair pair) {
      return visit(a.rows_.at(s, pair.first), b.rows_.at(t, pair.second));
    };
    if (!listed) {
      if (!budget.spend(pairs.size() * 2 + 8) || !budget.take(pairs.size() * 4 + 48))
        return nullptr;
      for (const ClassPair pair : pairs) raw.rows.table.push_back(to(pair));
      continue;
    }
    some.clear();
    State other = kDead;
    if (a.is_listed() && a.rows_.others[s] == kDead) {
      for (const Edge& edge : a.rows_.row(s))
        some.insert(some.end(), of_a[edge.number].begin(), of_a[edge.number].end());
    } else if (b.is_listed() && b.rows_.others[t] == kDead) {
      for (const Edge& edge : b.rows_.row(t))
        some.insert(some.end(), of_b[edge.number].begin(), of_b[edge.number].end());
    } else if (a.is_listed() && b.is_listed()) {
      for (const Edge& edge : a.rows_.row(s))
        some.insert(some.end(), of_a[edge.number].begin(), of_a[edge.number].end());
      for (const Edge& edge : b.rows_.row(t))
        some.insert(some.end(), of_b[edge.number].begin(), of_b[edge.number].end());
      other = visit(a.rows_.others[s], b.rows_.others[t]);
    } else {
      for (std::size_t c = 0; c < pairs.size(); ++c) some.push_back(static_cast<std::uint16_t>(c));
      // Characters that no text has are mostly all but a few.
      other = to(pairs[0]);
    }
    if (!budget.spend(some.size() * 4 + 8) || !budget.take(some.size() * 8 + 48)) return nullptr;
    std::sort(some.begin(), some.end());
    some.erase(std::unique(some.begin(), some.end()), some.end());
    for (const std::uint16_t c : some) raw.rows.add_edge(c, to(pairs[c]));
    raw.rows.end_row(other);
  }
  return create(std::move(raw), budget);
}

LanguagePtr Language::complement(const Language& a, Budget& budget) {
  // The dead state becomes one that accepts everything: state numbers move up by one.
  Raw raw;
  raw.begins = a.begins_;
  raw.classes = a.classes_;
  raw.start = a.start_ + 1;
  if (!budget.spend(a.rows_.cells())) return nullptr;
  Rows& rows = raw.rows;
  rows.class_count = a.class_count();
  if (a.is_listed()) {
    rows.end_row(kDead);
    for (State s = 0; s < a.state_count(); ++s) {
      for (const Edge& edge : a.rows_.row(s)) rows.add_edge(edge.number, edge.to + 1);
      rows.end_row(a.rows_.others[s] + 1);
    }
  } else {
    rows.table.assign(rows.class_count, kDead);
    for (const State to : a.rows_.table) rows.table.push_back(to + 1);
  }
  raw.accepting.push_back(false);
  for (const bool accepting : a.accepting_) raw.accepting.push_back(!accepting);
  return create(std::move(raw), budget);
}

}  // namespace tessera::grammar
