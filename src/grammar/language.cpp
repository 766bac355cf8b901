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

// States from which an accepting one can be reached.
std::vector<bool> productive_states(const Language::Raw& raw) {
  const std::size_t states = raw.accepting.size();
  std::vector<std::uint32_t> heads(states + 1, 0);
  for (const std::uint32_t to : raw.table) ++heads[to + 1];
  for (std::size_t i = 0; i < states; ++i) heads[i + 1] += heads[i];
  std::vector<std::uint32_t> sources(raw.table.size());
  std::vector<std::uint32_t> fill(heads.begin(), heads.end() - 1);
  for (std::size_t i = 0; i < raw.table.size(); ++i) {
    sources[fill[raw.table[i]]++] = static_cast<std::uint32_t>(i / raw.class_count);
  }
  std::vector<bool> productive = raw.accepting;
  std::vector<std::uint32_t> open;
  for (std::uint32_t s = 0; s < states; ++s) {
    if (productive[s]) open.push_back(s);
  }
  while (!open.empty()) {
    const std::uint32_t s = open.back();
    open.pop_back();
    for (std::uint32_t i = heads[s]; i < heads[s + 1]; ++i) {
      if (!productive[sources[i]]) {
        productive[sources[i]] = true;
        open.push_back(sources[i]);
      }
    }
  }
  return productive;
}

}  // namespace

LanguagePtr Language::create(Raw raw, Budget& budget) {
  if (budget.exhausted()) return nullptr;
  if (!budget.spend(raw.table.size() * 4)) return nullptr;
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
  language->class_count_ = raw.class_count;
  language->start_ = visit(raw.start);
  language->table_.assign(raw.class_count, kDead);
  language->accepting_.assign(1, false);
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::uint32_t c = 0; c < raw.class_count; ++c) {
      const State to = visit(raw.table[order[i] * raw.class_count + c]);
      language->table_.push_back(to);
    }
    language->accepting_.push_back(raw.accepting[order[i]]);
  }
  for (std::uint32_t c = 0; c < 128; ++c) {
    language->ascii_[c] = language->classes_[language->interval_of(c)];
  }
  language->measure();
  if (!budget.take(language->bytes())) return nullptr;
  return language;
}

void Language::measure() {
  const std::size_t states = accepting_.size();
  // Breadth first from the accepting states, over the edges turned round.
  std::vector<std::vector<State>> sources(states);
  for (State s = 1; s < states; ++s) {
    for (std::uint32_t c = 0; c < class_count_; ++c) {
      const State to = table_[s * class_count_ + c];
      if (to != kDead && (sources[to].empty() || sources[to].back() != s)) sources[to].push_back(s);
    }
  }
  shortest_.assign(states, kUnbounded);
  std::vector<State> queue;
  for (State s = 1; s < states; ++s) {
    if (!accepting_[s]) continue;
    shortest_[s] = 0;
    queue.push_back(s);
  }
  for (std::size_t i = 0; i < queue.size(); ++i) {
    for (const State from : sources[queue[i]]) {
      if (shortest_[from] != kUnbounded) continue;
      shortest_[from] = shortest_[queue[i]] + 1;
      queue.push_back(from);
    }
  }
  // Completions: states in reverse topological order; what is on or before a cycle has infinitely
  // many.
  std::vector<std::uint64_t> width(class_count_, 0);
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const std::uint32_t end = i + 1 < begins_.size() ? begins_[i + 1] : kMaxCodePoint + 1;
    width[classes_[i]] += end - begins_[i];
  }
  completions_.assign(states, kUnbounded);
  completions_[kDead] = 0;
  std::vector<std::uint32_t> open_edges(states, 0);
  std::vector<State> ready;
  for (State s = 1; s < states; ++s) {
    for (std::uint32_t c = 0; c < class_count_; ++c) {
      open_edges[s] += table_[s * class_count_ + c] != kDead;
    }
    if (open_edges[s] == 0) ready.push_back(s);
  }
  for (std::size_t i = 0; i < ready.size(); ++i) {
    const State s = ready[i];
    std::uint64_t count = accepting_[s];
    for (std::uint32_t c = 0; c < class_count_; ++c) {
      const std::uint64_t behind = completions_[table_[s * class_count_ + c]];
      count = std::min<std::uint64_t>(
          kUnbounded, count + std::min<std::uint64_t>(kUnbounded, behind * width[c]));
    }
    completions_[s] = static_cast<std::uint32_t>(count);
    for (const State from : sources[s]) {
      for (std::uint32_t c = 0; c < class_count_; ++c) {
        if (table_[from * class_count_ + c] == s && --open_edges[from] == 0) ready.push_back(from);
      }
    }
  }
  find_total(sources);
  for (State s = 1; s < states; ++s) longest_way_ = std::max(longest_way_, shortest_[s]);
  hash_ = start_;
  const auto enter = [&](std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9E3779B97F4A7C15u;
    hash_ ^= hash_ >> 31;
  };
  for (const std::uint32_t begin : begins_) enter(begin);
  for (const std::uint16_t number : classes_) enter(number);
  for (const State to : table_) enter(to);
  for (const bool accepting : accepting_) enter(accepting);
  endless_ = states > 1 && std::all_of(completions_.begin() + 1, completions_.end(),
                                       [](std::uint32_t count) { return count == kUnbounded; });
  any_ = states == 2 && accepting_[1] &&
         std::all_of(table_.begin() + class_count_, table_.end(), [](State s) { return s == 1; });
}

void Language::find_total(const std::vector<std::vector<State>>& sources) {
  std::vector<bool> counts(class_count_, false);  // it has more than surrogates
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const std::uint32_t end = i + 1 < begins_.size() ? begins_[i + 1] : kMaxCodePoint + 1;
    if (begins_[i] < kSurrogateBegin || end > kSurrogateEnd + 1) counts[classes_[i]] = true;
  }
  total_.assign(accepting_.size(), true);
  std::vector<State> open{kDead};
  total_[kDead] = false;
  for (State s = 1; s < total_.size(); ++s) {
    for (std::uint32_t c = 0; c < class_count_ && total_[s]; ++c) {
      total_[s] = !counts[c] || table_[s * class_count_ + c] != kDead;
    }
    if (!total_[s]) open.push_back(s);
  }
  while (!open.empty()) {
    const State s = open.back();
    open.pop_back();
    for (const State from : sources[s]) {
      if (!total_[from]) continue;
      total_[from] = false;
      open.push_back(from);
    }
  }
}

std::size_t Language::interval_of(std::uint32_t code_point) const {
  return static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), code_point) -
                                  begins_.begin()) -
         1;
}

std::vector<Language::Step> Language::steps(State state) const {
  std::vector<Step> out;
  for (std::size_t i = 0; i < begins_.size(); ++i) {
    const State to = table_[state * class_count_ + classes_[i]];
    const std::uint32_t end = i + 1 < begins_.size() ? begins_[i + 1] : kMaxCodePoint + 1;
    if (to != kDead) out.push_back({begins_[i], end - 1, to});
  }
  return out;
}

const Language::Alike& Language::alike() const {
  constexpr std::size_t kMaxCells = 1 << 15;
  std::call_once(alike_found_, [this] {
    if (table_.size() > kMaxCells) return;
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
      for (std::uint32_t c = 0; c < class_count_; ++c) {
        hash += now[table_[s * class_count_ + c]] * factor;
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
  for (std::size_t i = interval_of(low); i < begins_.size() && begins_[i] <= high; ++i) {
    const State to = table_[state * class_count_ + classes_[i]];
    if (to != kDead && shortest_[to] <= left) return true;
  }
  return false;
}

bool Language::accepts_all(State state) const {
  const auto row = table_.begin() + static_cast<std::ptrdiff_t>(state * class_count_);
  return accepting_[state] && std::all_of(row, row + static_cast<std::ptrdiff_t>(class_count_),
                                          [&](State to) { return to == state; });
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
    const State to = table_[state * class_count_ + classes_[i]];
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
  return sizeof(*this) + begins_.size() * 6 + table_.size() * sizeof(State) +
         accepting_.size() * 25;
}

LanguagePtr Language::any() {
  static const LanguagePtr language = [] {
    Budget budget{CompileLimits{}};
    return create({{0}, {0}, 1, {0, 1}, {false, true}, 1}, budget);
  }();
  return language;
}

LanguagePtr Language::of_texts(const std::vector<std::string_view>& texts, Budget& budget) {
  std::vector<std::map<std::uint32_t, State>> edges(2);
  Raw raw;
  raw.accepting.assign(2, false);
  raw.start = 1;
  std::map<std::uint32_t, std::uint16_t> class_of;
  for (const std::string_view text : texts) {
    if (!budget.spend(text.size() * 8 + 1)) return nullptr;
    State state = 1;
    for (std::size_t at = 0; at < text.size();) {
      const std::uint32_t c = next_code_point(text, at);
      class_of.emplace(c, 0);
      State& to = edges[state][c];
      if (to == kDead) {
        to = static_cast<State>(edges.size());
        state = to;
        edges.emplace_back();
        raw.accepting.push_back(false);
      } else {
        state = to;
      }
    }
    raw.accepting[state] = true;
  }
  raw.class_count = 1;
  for (auto& [c, number] : class_of) number = static_cast<std::uint16_t>(raw.class_count++);
  raw.begins.push_back(0);
  raw.classes.push_back(0);
  for (const auto& [c, number] : class_of) {
    if (raw.begins.back() != c) {
      raw.begins.push_back(c);
      raw.classes.push_back(number);
    } else {
      raw.classes.back() = number;
    }
    if (c == kMaxCodePoint) continue;
    raw.begins.push_back(c + 1);
    raw.classes.push_back(0);
  }
  const std::size_t cells = edges.size() * raw.class_count;
  if (raw.class_count > 60'000 || !budget.take(cells * sizeof(State))) return nullptr;
  raw.table.assign(cells, kDead);
  for (std::size_t s = 0; s < edges.size(); ++s) {
    for (const auto& [c, to] : edges[s]) raw.table[s * raw.class_count + class_of[c]] = to;
  }
  return create(std::move(raw), budget);
}

LanguagePtr Language::of_length(std::uint32_t min, std::uint32_t max, Budget& budget) {
  const std::uint32_t last = max == kUnbounded ? min : max;
  if (last > 1'000'000 || !budget.take(last * 8ull)) {
    budget.take(std::size_t{1} << 40);
    return nullptr;
  }
  Raw raw{{0}, {0}, 1, {kDead}, {false}, 1};
  for (std::uint32_t n = 0; n <= last; ++n) {
    const bool loop = n == last;
    raw.table.push_back(loop ? (max == kUnbounded ? n + 1 : kDead) : n + 2);
    raw.accepting.push_back(n >= min);
  }
  return create(std::move(raw), budget);
}

LanguagePtr Language::intersection(const Language& a, const Language& b, Budget& budget) {
  if (a.is_any() || b.is_any()) return (a.is_any() ? b : a).shared_from_this();
  Raw raw;
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint16_t> class_of;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> pairs;
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
    if (pairs.size() > 60'000 || !budget.spend(4)) return nullptr;
  }
  raw.class_count = static_cast<std::uint32_t>(pairs.size());
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
  raw.table.assign(raw.class_count, kDead);
  raw.accepting.push_back(false);
  for (std::size_t n = 1; n < order.size(); ++n) {
    const auto [s, t] = order[n];
    if (!budget.spend(raw.class_count * 2 + 8) || !budget.take(raw.class_count * 4 + 48))
      return nullptr;
    for (const auto& [x, y] : pairs) {
      raw.table.push_back(
          visit(a.table_[s * a.class_count_ + x], b.table_[t * b.class_count_ + y]));
    }
    raw.accepting.push_back(a.accepting_[s] && b.accepting_[t]);
  }
  return create(std::move(raw), budget);
}

LanguagePtr Language::complement(const Language& a, Budget& budget) {
  // The dead state becomes one that accepts everything: state numbers move up by one.
  Raw raw{a.begins_, a.classes_, a.class_count_, {}, {false}, a.start_ + 1};
  if (!budget.spend(a.table_.size())) return nullptr;
  raw.table.assign(a.class_count_, kDead);
  for (const State to : a.table_) raw.table.push_back(to + 1);
  for (const bool accepting : a.accepting_) raw.accepting.push_back(!accepting);
  return create(std::move(raw), budget);
}

}  // namespace tessera::grammar
