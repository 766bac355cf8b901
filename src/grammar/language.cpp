#include "grammar/language.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/utf8.h"

namespace tessera::grammar {
namespace {

constexpr std::uint32_t kSurrogateBegin = 0xD800;
constexpr std::uint32_t kSurrogateEnd = 0xDFFF;

// The edges turned round, one for each class that leads there.
class Sources {
 public:
  Sources(const Language::Rows& rows, std::uint32_t states) : heads_(states + 1, 0) {
    for (std::uint32_t s = 0; s < states; ++s) {
      rows.each(s, [&](std::uint32_t, std::uint32_t to) { ++heads_[to + 1]; });
    }
    for (std::size_t i = 0; i < states; ++i) heads_[i + 1] += heads_[i];
    states_.resize(heads_.back());
    std::vector<std::uint32_t> fill(heads_.begin(), heads_.end() - 1);
    for (std::uint32_t s = 0; s < states; ++s) {
      rows.each(s, [&](std::uint32_t, std::uint32_t to) { states_[fill[to]++] = s; });
    }
  }
  std::span<const std::uint32_t> of(std::uint32_t state) const {
    return std::span(states_).subspan(heads_[state], heads_[state + 1] - heads_[state]);
  }

 private:
  std::vector<std::uint32_t> heads_;
  std::vector<std::uint32_t> states_;
};

// States from which an accepting one can be reached.
std::vector<bool> productive_states(const Language::Raw& raw) {
  const auto states = static_cast<std::uint32_t>(raw.accepting.size());
  const Sources sources(raw.rows, states);
  std::vector<bool> productive = raw.accepting;
  std::vector<std::uint32_t> open;
  for (std::uint32_t s = 0; s < states; ++s) {
    if (productive[s]) open.push_back(s);
  }
  while (!open.empty()) {
    const std::uint32_t s = open.back();
    open.pop_back();
    for (const std::uint32_t from : sources.of(s)) {
      if (!productive[from]) {
        productive[from] = true;
        open.push_back(from);
      }
    }
  }
  return productive;
}

}  // namespace

Language::State Language::Rows::at_listed(State state, std::uint32_t number) const {
  const std::span<const Edge> here = row(state);
  const auto found = std::partition_point(here.begin(), here.end(),
                                          [&](const Edge& edge) { return edge.number < number; });
  return found != here.end() && found->number == number ? found->to : others[state];
}

void Language::Rows::end_row(State other) {
  if (heads.empty()) heads.push_back(0);
  edges.erase(std::remove_if(edges.begin() + heads.back(), edges.end(),
                             [&](const Edge& edge) { return edge.to == other; }),
              edges.end());
  heads.push_back(static_cast<std::uint32_t>(edges.size()));
  others.push_back(other);
}

std::size_t Language::Rows::bytes() const {
  return table.size() * sizeof(State) + edges.size() * sizeof(Edge) + others.size() * 8;
}

LanguagePtr Language::create(Raw raw, Budget& budget) {
  if (budget.exhausted()) return nullptr;
  if (!budget.spend(raw.rows.cells() * 4)) return nullptr;
  const std::vector<bool> productive = productive_states(raw);
  // Renumbered from the start: what cannot be reached goes as well.
  std::vector<State> number(raw.accepting.size(), kDead);
  std::vector<State> order;
  auto visit = [&](State s) {
    if (!productive[s]) return kDead;
    if (number[s] == kDead) {
      order.push_back(s);
      number[s] = static_cast<State>(order.size());
    }
    return number[s];
  };
  auto language = std::make_shared<Language>();
  language->begins_ = std::move(raw.begins);
  language->classes_ = std::move(raw.classes);
  Rows& rows = language->rows_;
  rows.class_count = raw.rows.class_count;
  language->start_ = visit(raw.start);
  language->accepting_.assign(1, false);
  if (raw.rows.listed()) {
    rows.end_row(kDead);
  } else {
    rows.table.assign(rows.class_count, kDead);
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    const State from = order[i];
    if (raw.rows.listed()) {
      for (const Rows::Edge& edge : raw.rows.row(from)) rows.add_edge(edge.number, visit(edge.to));
      rows.end_row(visit(raw.rows.others[from]));
    } else {
      for (std::uint32_t c = 0; c < rows.class_count; ++c) {
        const State to = visit(raw.rows.at(from, c));
        rows.table.push_back(to);
      }
    }
    language->accepting_.push_back(raw.accepting[from]);
  }
  for (std::uint32_t c = 0; c < 128; ++c) {
    language->ascii_[c] = language->classes_[language->interval_of(c)];
  }
  language->measure();
  if (!budget.take(language->bytes())) return nullptr;
  return language;
}

void Language::measure() {
  const auto states = static_cast<State>(state_count());
  const Sources sources(rows_, states);
  const Widths widths = find_widths();
  // Breadth first from the accepting states.
  shortest_.assign(states, kUnbounded);
  std::vector<State> queue;
  for (State s = 1; s < states; ++s) {
    if (!accepting_[s]) continue;
    shortest_[s] = 0;
    queue.push_back(s);
  }
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const State from : sources.of(queue[i])) {
      if (shortest_[from] != kUnbounded) continue;
      shortest_[from] = shortest_[queue[i]] + 1;
      queue.push_back(from);
    }
  }
  // Completions: states in reverse topological order; what is on or before a cycle has infinitely
  // many.
  completions_.assign(states, kUnbounded);
  completions_[kDead] = 0;
  std::vector<std::uint32_t> open_edges(states, 0);
  std::vector<State> ready;
  for (State s = 1; s < states; ++s) {
    rows_.each(s, [&](std::uint32_t, State) { ++open_edges[s]; });
    if (open_edges[s] == 0) ready.push_back(s);
  }
  for (std::size_t i = 0; i < ready.size(); ++i) {
    std::uint64_t count = accepting_[ready[i]];
    rows_.each(ready[i], [&](std::uint32_t number, State to) {
      const std::uint64_t ways = std::uint64_t{completions_[to]} * width(widths, ready[i], number);
      count = std::min<std::uint64_t>(kUnbounded, count + ways);
    });
    completions_[ready[i]] = static_cast<std::uint32_t>(count);
    for (const State from : sources.of(ready[i])) {
      if (--open_edges[from] == 0) ready.push_back(from);
    }
  }
  // Total: where all characters lead on, and wherever they lead as well.
  total_.assign(states, true);
  std::vector<State> open{kDead};
  total_[kDead] = false;
  for (State s = 1; s < states; ++s) {
    std::uint64_t leading = 0;
    rows_.each(s, [&](std::uint32_t number, State) { leading += width(widths, s, number); });
    total_[s] = leading == widths.all;
    if (!total_[s]) open.push_back(s);
  }
  while (!open.empty()) {
    const State s = open.back();
    open.pop_back();
    for (const State from : sources.of(s)) {
      if (!total_[from]) continue;
      total_[from] = false;
      open.push_back(from);
    }
  }
  longest_way_ = 0;
  for (State s = 1; s < states; ++s) longest_way_ = std::max(longest_way_, shortest_[s]);
  find_hash();
  endless_ = states > 1 && std::all_of(completions_.begin() + 1, completions_.end(),
                                       [](std::uint32_t count) { return count == kUnbounded; });
  any_ = states == 2 && accepts_all(1);
}

void Language::find_hash() {
  hash_ = start_;
  const auto enter = [&](std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15u;
    hash_ ^= hash_ >> 31;
  };
  for (const std::uint32_t begin : begins_) enter(begin);
  for (const std::uint16_t number : classes_) enter(number);
  for (const State to : rows_.table) enter(to);
  for (const Rows::Edge& edge : rows_.edges) enter(std::uint64_t{edge.number} << 32 | edge.to);
  for (const State to : rows_.others) enter(to);
  for (const bool accepting : accepting_) enter(accepting);
}

// Surrogates do not count: they never come.
Language::Widths Language::find_widths() const {
  Widths out{std::vector<std::uint32_t>(class_count(), 0), 0};
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const std::uint32_t end = i + 1 < begins_.size() ? begins_[i + 1] : kMaxCodePoint + 1;
    const std::uint32_t from = std::clamp(kSurrogateBegin, begins_[i], end);
    const std::uint32_t to = std::clamp(kSurrogateEnd + 1, begins_[i], end);
    const std::uint32_t count = end - begins_[i] - (to - from);
    out.of_class[classes_[i]] += count;
    out.all += count;
  }
  return out;
}

std::uint32_t Language::width(const Widths& widths, State state, std::uint32_t number) const {
  if (number != Rows::kOthers) return widths.of_class[number];
  std::uint32_t left = widths.all;
  for (const Rows::Edge& edge : rows_.row(state)) left -= widths.of_class[edge.number];
  return left;
}

std::size_t Language::interval_of(std::uint32_t code_point) const {
  return static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), code_point) -
                                  begins_.begin()) -
         1;
}

std::vector<Language::Step> Language::steps(State state) const {
  std::vector<Step> out;
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const State to = rows_.at(state, classes_[i]);
    const std::uint32_t end = i + 1 < begins_.size() ? begins_[i + 1] : kMaxCodePoint + 1;
    if (to != kDead) out.push_back({begins_[i], end - 1, to});
  }
  return out;
}

const Language::Alike& Language::alike() const {
  constexpr std::size_t kMaxCells = 1 << 15;
  std::call_once(alike_found_, [this] {
    if (rows_.listed() || rows_.table.size() > kMaxCells) return;
    bool living_exact = false;
    bool accepting_exact = false;
    std::tie(alike_.living, living_exact) = number_alike(false);
    std::tie(alike_.accepting, accepting_exact) = number_alike(true);
    alike_.exact = living_exact && accepting_exact;
  });
  return alike_;
}

std::pair<std::vector<std::uint64_t>, bool> Language::number_alike(bool accepting) const {
  const std::size_t states = accepting_.size();
  const auto own = [&](State s) { return accepting && accepting_[s] ? 2u : 1u; };
  std::vector<std::uint64_t> now(states, 0);
  std::vector<std::uint64_t> next(states, 0);
  for (State s = 1; s < states; ++s) now[s] = own(s);
  // The numbers that there are, by their last bits: places behind that are tried, too.
  std::vector<std::uint64_t> known(std::bit_ceil(2 * states + 2));
  const auto count_kinds = [&] {
    std::fill(known.begin(), known.end(), 0);
    std::size_t count = 0;
    for (State s = 1; s < states; ++s) {
      std::size_t at = now[s] & (known.size() - 1);
      while (known[at] != 0 && known[at] != now[s]) at = (at + 1) & (known.size() - 1);
      count += known[at] == 0 ? 1 : 0;
      known[at] = now[s];
    }
    return count;
  };
  std::size_t kinds = 0;
  for (std::uint32_t depth = 0; depth < kAlikeDepth; ++depth) {
    for (State s = 1; s < states; ++s) {
      std::uint64_t hash = own(s);
      std::uint64_t factor = 0x9E3779B97F4A7C15u;
      for (std::uint32_t c = 0; c < class_count(); ++c) {
        hash += now[rows_.table[s * class_count() + c]] * factor;
        factor += 0xD1B54A32D192ED02u;
      }
      hash ^= hash >> 32;
      hash *= 0xD6E8FEB86659FD93u;
      next[s] = std::max<std::uint64_t>(hash ^ hash >> 32, 1);
    }
    now.swap(next);
    // States that are told apart stay so. Where no more are, none will be.
    const std::size_t before = std::exchange(kinds, count_kinds());
    if (kinds == before) return {now, true};
  }
  return {now, false};
}

bool Language::can_step(State state, std::uint32_t low, std::uint32_t high) const {
  return can_step_within(state, low, high, kUnbounded);
}

bool Language::can_step_within(State state, std::uint32_t low, std::uint32_t high,
                               std::uint32_t left) const {
  if (low < kSurrogateBegin && high > kSurrogateEnd) {
    return can_step_within(state, low, kSurrogateBegin - 1, left) ||
           can_step_within(state, kSurrogateEnd + 1, high, left);
  }
  if (low >= kSurrogateBegin && low <= kSurrogateEnd) low = kSurrogateEnd + 1;
  if (high >= kSurrogateBegin && high <= kSurrogateEnd) high = kSurrogateBegin - 1;
  if (low > high) return false;
  if (rows_.listed() && rows_.row(state).empty() && rows_.others[state] == kDead) return false;
  for (std::size_t i = interval_of(low); i < begins_.size() && begins_[i] <= high; ++i) {
    const State to = rows_.at(state, classes_[i]);
    if (to != kDead && shortest_[to] <= left) return true;
  }
  return false;
}

bool Language::accepts_all(State state) const {
  if (!accepting_[state]) return false;
  bool all = true;
  for (std::uint32_t c = 0; c < class_count() && all; ++c) all = rows_.at(state, c) == state;
  return all;
}

std::uint32_t Language::toward_end(State state) const {
  const std::uint32_t left = shortest(state) - 1;
  const auto leads = [&](std::uint32_t c) {
    const State to = next(state, c);
    return to != kDead && shortest(to) == left;
  };
  for (const char c : std::string_view("a0A_- ")) {
    if (leads(static_cast<std::uint8_t>(c))) return static_cast<std::uint8_t>(c);
  }
  for (std::uint32_t c = 0x20; c < 0x7F; ++c) {
    if (c != '"' && c != '\\' && leads(c)) return c;
  }
  std::uint32_t found = 0;
  for (const std::uint32_t begin : begins_) {
    if (!leads(begin)) continue;
    found = begin;
    if (begin >= 0x80 && (begin < kSurrogateBegin || begin > kSurrogateEnd)) break;
  }
  return found;
}

bool Language::matches(std::string_view text) const {
  State state = start_;
  for (std::size_t at = 0; at < text.size() && state != kDead;) {
    state = next(state, next_code_point(text, at));
  }
  return accepting_[state];
}

void Language::append_texts(State state, std::string& prefix, std::vector<std::string>& out) const {
  if (accepting_[state]) out.push_back(prefix);
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const State to = rows_.at(state, classes_[i]);
    if (to == kDead) continue;
    const std::uint32_t end = i + 1 < begins_.size() ? begins_[i + 1] : kMaxCodePoint + 1;
    for (std::uint32_t c = begins_[i]; c < end; ++c) {
      if (c >= kSurrogateBegin && c <= kSurrogateEnd) continue;
      const std::size_t size = prefix.size();
      append_utf8(c, prefix);
      append_texts(to, prefix, out);
      prefix.resize(size);
    }
  }
}

std::vector<std::string> Language::texts() const {
  std::vector<std::string> out;
  std::string prefix;
  if (!empty()) append_texts(start_, prefix, out);
  return out;
}

std::size_t Language::bytes() const {
  return sizeof(*this) + begins_.size() * 6 + rows_.bytes() + accepting_.size() * 25;
}

LanguagePtr Language::any() {
  static const LanguagePtr language = [] {
    Budget budget{CompileLimits{}};
    Raw raw{{0}, {0}, {}, {false, true}, 1};
    raw.rows.table = {0, 1};
    return create(std::move(raw), budget);
  }();
  return language;
}

LanguagePtr Language::of_length(std::uint32_t min, std::uint32_t max, Budget& budget) {
  const std::uint32_t last = max == kUnbounded ? min : max;
  if (last > 1'000'000 || !budget.take(last * 8ull)) {
    budget.take(std::size_t{1} << 40);
    return nullptr;
  }
  Raw raw{{0}, {0}, {}, {false}, 1};
  raw.rows.table.push_back(kDead);
  for (std::uint32_t n = 0; n <= last; ++n) {
    const bool loop = n == last;
    raw.rows.table.push_back(loop ? (max == kUnbounded ? n + 1 : kDead) : n + 2);
    raw.accepting.push_back(n >= min);
  }
  return create(std::move(raw), budget);
}

}  // namespace tessera::grammar
