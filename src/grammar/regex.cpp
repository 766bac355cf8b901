#include "grammar/regex.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "grammar/regex_parser.h"

namespace tessera::grammar {
namespace {

using Kind = RegexNode::Kind;

Result<LanguagePtr, GrammarError> compile_tree(const RegexNode& root, Budget& budget);

bool has(const RegexNode& node, Kind kind) {
  return node.kind == kind || std::any_of(node.children.begin(), node.children.end(),
                                          [&](const RegexNode& child) { return has(child, kind); });
}

// Where no ^ can hold.
RegexNode without_begin(RegexNode node) {
  if (node.kind == Kind::kBegin) node.kind = Kind::kSet;  // of no character
  for (RegexNode& child : node.children) child = without_begin(std::move(child));
  return node;
}

RegexNode anchor(Kind kind) {
  RegexNode node;
  node.kind = kind;
  return node;
}

RegexNode sequence(RegexNode first, RegexNode second) {
  RegexNode out;
  out.kind = Kind::kSequence;
  out.children.push_back(std::move(first));
  out.children.push_back(std::move(second));
  return out;
}

// Thompson's automaton: a state either eats a character of a set, or splits, or passes when an
// anchor or a look-around holds, or accepts. What a look-ahead asks of the rest of the text is
// carried along as a debt; what a look-behind asks is read off automata that run beside, from the
// text's beginning.
class Nfa {
 public:
  using State = std::uint32_t;
  enum class Op : std::uint8_t { kEat, kSplit, kBegin, kEnd, kAhead, kBehind, kAccept };
  struct Node {
    Op op = Op::kAccept;
    bool negative = false;  // kBehind
    std::uint32_t set = 0;  // kEat; kAhead, kBehind: which
    State a = 0;
    State b = 0;
  };

  explicit Nfa(Budget& budget) : budget_(budget) { nodes_.push_back({}); }

  // Built from its end: the states that match `node` and then go on with `then`. 0 accepts.
  State add(const RegexNode& node, State then);
  const std::optional<GrammarError>& error() const { return error_; }
  // The language of the texts that contain a match.
  LanguagePtr determinise(State match);

 private:
  // What has to hold of the rest of the text: states of look-aheads, sorted. By its number; 0 is
  // nothing.
  using Debt = std::vector<std::pair<std::uint32_t, Language::State>>;
  struct Ahead {
    LanguagePtr at_begin;  // where ^ holds
    LanguagePtr elsewhere;
  };
  // A state (high half) with a debt.
  using Config = std::uint64_t;
  // What is known between two characters: the ways to a match, and how the look-behinds stand.
  struct Place {
    std::vector<Config> configs;
    std::vector<Language::State> behinds;
    auto operator<=>(const Place&) const = default;
  };

  State push(Node node) {
    nodes_.push_back(node);
    return static_cast<State>(nodes_.size() - 1);
  }
  std::uint32_t set_of(const CharSet& set) {
    auto intervals = set.intervals();
    budget_.spend(intervals.size());
    const auto [found, fresh] =
        set_numbers_.emplace(std::move(intervals), static_cast<std::uint32_t>(set_numbers_.size()));
    return found->second;
  }
  State add_repeat(const RegexNode& node, State then);
  State add_look(const RegexNode& node, State then);
  State push_look(const RegexNode& node, Op op, std::size_t index, State then) {
    const Node look{op, node.negative, static_cast<std::uint32_t>(index), then, 0};
    looks_.emplace(&node, look);
    return push(look);
  }
  void classify(Language::Raw& raw, std::vector<std::vector<std::uint32_t>>& classes_of_set);
  // Classes of characters that a look-around tells apart are classes here, too.
  void add_sets_of(const Language& language);
  // Adds what can be reached from `config` without a character.
  void close(Config config, const std::vector<Language::State>& behinds, bool at_begin,
             bool at_end);
  std::vector<Config> take_closed();
  std::uint32_t debt_number(Debt debt);
  // The debt with one more entry, or behind a character; nothing: it cannot be paid.
  std::optional<std::uint32_t> owe(std::uint32_t debt, std::uint32_t ahead, bool at_begin);
  std::optional<std::uint32_t> step_debt(std::uint32_t debt, std::uint32_t code_point);
  const Language& ahead_language(std::uint32_t entry) const {
    const Ahead& ahead = aheads_[entry / 2];
    return entry % 2 == 0 ? *ahead.at_begin : *ahead.elsewhere;
  }
  bool is_paid(std::uint32_t debt) const;
  bool accepts_at_end(const Place& place, bool at_begin);
  // What goes on behind a character, by its class.
  void find_targets(const Place& place,
                    const std::vector<std::vector<std::uint32_t>>& classes_of_set,
                    std::vector<std::vector<Config>>& targets);
  // The place behind a character, of which `example` is one of its class.
  Place next_place(const Place& place, const std::vector<Config>& targets, std::uint32_t example,
                   State match);

  Budget& budget_;
  std::vector<Node> nodes_;
  std::map<std::vector<CharSet::Interval>, std::uint32_t> set_numbers_;
  std::vector<Ahead> aheads_;
  std::map<const RegexNode*, Node> looks_;  // one for all copies that a repeat makes
  std::vector<LanguagePtr> behinds_;
  std::optional<GrammarError> error_;
  std::vector<Debt> debts_{Debt()};
  std::map<Debt, std::uint32_t> debt_numbers_{{Debt(), 0}};
  std::vector<std::uint32_t> marks_;   // of states without a debt
  std::set<Config> marks_with_debts_;  // of the others
  std::uint32_t mark_ = 0;
  std::vector<Config> closed_;
  std::vector<Config> open_;
};

constexpr std::size_t kMaxDebts = 12;  // at once
// A pattern with longer repeats may cost so much before fewer texts will do.
constexpr CompileLimits kWholeLimits{1'000'000, 12 << 20};

constexpr std::uint64_t config_of(std::uint32_t state, std::uint32_t debt) {
  return static_cast<std::uint64_t>(state) << 32 | debt;
}
constexpr std::uint32_t state_of(std::uint64_t config) {
  return static_cast<std::uint32_t>(config >> 32);
}
constexpr std::uint32_t debt_of(std::uint64_t config) {
  return static_cast<std::uint32_t>(config);
}

Nfa::State Nfa::add(const RegexNode& node, State then) {
  if (!budget_.spend(6) || !budget_.take(sizeof(Node))) return then;
  switch (node.kind) {
    case Kind::kEmpty:
      return then;
    case Kind::kSet:
      return push({Op::kEat, false, set_of(node.set), then, 0});
    case Kind::kSequence:
      for (std::size_t i = node.children.size(); i-- > 0;) then = add(node.children[i], then);
      return then;
    case Kind::kChoice: {
      State state = add(node.children.back(), then);
      for (std::size_t i = node.children.size() - 1; i-- > 0;) {
        state = push({Op::kSplit, false, 0, add(node.children[i], then), state});
      }
      return state;
    }
    case Kind::kRepeat:
      return add_repeat(node, then);
    case Kind::kBegin:
      return push({Op::kBegin, false, 0, then, 0});
    case Kind::kEnd:
      return push({Op::kEnd, false, 0, then, 0});
    case Kind::kLookAhead:
    case Kind::kLookBehind:
      return add_look(node, then);
  }
  return then;
}

Nfa::State Nfa::add_repeat(const RegexNode& node, State then) {
  const RegexNode& child = node.children[0];
  State state = then;
  if (node.max == kUnbounded) {
    const State loop = push({Op::kSplit, false, 0, 0, then});
    const State body = add(child, loop);
    nodes_[loop].a = body;
    state = loop;
  } else {
    for (std::uint32_t i = node.min; i < node.max && !budget_.exhausted(); ++i) {
      state = push({Op::kSplit, false, 0, add(child, state), then});
    }
  }
  for (std::uint32_t i = 0; i < node.min && !budget_.exhausted(); ++i) state = add(child, state);
  return state;
}

Nfa::State Nfa::add_look(const RegexNode& node, State then) {
  if (error_ || budget_.exhausted()) return then;
  if (const auto known = looks_.find(&node); known != looks_.end()) {
    return push({known->second.op, node.negative, known->second.set, then, 0});
  }
  const bool ahead = node.kind == Kind::kLookAhead;
  const RegexNode& body = node.children[0];
  const bool misplaced = has(body, Kind::kLookBehind) ||
                         (!ahead && (has(body, Kind::kEnd) || has(body, Kind::kLookAhead)));
  if (misplaced) {
    error_ = GrammarError{GrammarErrorCode::kUnsupportedSchema,
                          "pattern uses a look-around in another that it cannot be in",
                          {}};
    return then;
  }
  const auto compile = [&](const RegexNode& tree) -> LanguagePtr {
    auto language = compile_tree(tree, budget_);
    if (language) return *std::move(language);
    error_ = std::move(language).error();
    return nullptr;
  };
  if (!ahead) {
    const LanguagePtr language = compile(sequence(body, anchor(Kind::kEnd)));
    if (language == nullptr) return then;
    behinds_.push_back(language);
    return push_look(node, Op::kBehind, behinds_.size() - 1, then);
  }
  const auto compile_ahead = [&](const RegexNode& tree) -> LanguagePtr {
    LanguagePtr language = compile(sequence(anchor(Kind::kBegin), tree));
    if (language == nullptr || !node.negative) return language;
    return Language::complement(*language, budget_);
  };
  Ahead look;
  look.at_begin = compile_ahead(body);
  look.elsewhere = has(body, Kind::kBegin) ? compile_ahead(without_begin(body)) : look.at_begin;
  if (look.at_begin == nullptr || look.elsewhere == nullptr) return then;
  aheads_.push_back(std::move(look));
  return push_look(node, Op::kAhead, aheads_.size() - 1, then);
}

void Nfa::add_sets_of(const Language& language) {
  std::map<std::uint16_t, CharSet> sets;
  const auto& begins = language.begins();
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const std::uint32_t end = i + 1 < begins.size() ? begins[i + 1] - 1 : kMaxCodePoint;
    sets[language.classes()[i]].add(begins[i], end);
  }
  for (const auto& [number, set] : sets) set_of(set);
}

void Nfa::classify(Language::Raw& raw, std::vector<std::vector<std::uint32_t>>& classes_of_set) {
  // Where membership changes, and by which set.
  std::map<std::uint32_t, std::vector<std::uint32_t>> flips{{0, {}}};
  for (const auto& [intervals, number] : set_numbers_) {
    budget_.spend(intervals.size() * 8);
    for (const auto& [low, high] : intervals) {
      flips[low].push_back(number);
      if (high < kMaxCodePoint) flips[high + 1].push_back(number);
    }
  }
  std::vector<bool> member(set_numbers_.size(), false);
  std::map<std::vector<bool>, std::uint16_t> classes;
  for (const auto& [begin, sets] : flips) {
    for (const std::uint32_t set : sets) member[set] = !member[set];
    if (!budget_.spend(member.size() / 8 + 8) || classes.size() > 60'000) break;
    const auto [found, fresh] = classes.emplace(member, static_cast<std::uint16_t>(classes.size()));
    if (raw.classes.empty() || raw.classes.back() != found->second) {
      raw.begins.push_back(begin);
      raw.classes.push_back(found->second);
    }
  }
  raw.rows.class_count = static_cast<std::uint32_t>(classes.size());
  classes_of_set.assign(set_numbers_.size(), {});
  for (const auto& [members, number] : classes) {
    if (!budget_.spend(members.size())) return;
    for (std::size_t set = 0; set < members.size(); ++set) {
      if (members[set]) classes_of_set[set].push_back(number);
    }
  }
}

std::uint32_t Nfa::debt_number(Debt debt) {
  const auto [found, fresh] =
      debt_numbers_.emplace(std::move(debt), static_cast<std::uint32_t>(debts_.size()));
  if (fresh) {
    debts_.push_back(found->first);
    budget_.take(found->first.size() * 16 + 100);
  }
  return found->second;
}

std::optional<std::uint32_t> Nfa::owe(std::uint32_t debt, std::uint32_t ahead, bool at_begin) {
  const std::uint32_t entry = ahead * 2 + !at_begin;
  const Language& language = ahead_language(entry);
  const Language::State state = language.start();
  if (state == Language::kDead) return std::nullopt;
  if (language.accepts_all(state)) return debt;
  Debt more = debts_[debt];
  const auto place = std::lower_bound(more.begin(), more.end(), std::pair(entry, state));
  if (place != more.end() && *place == std::pair(entry, state)) return debt;
  more.insert(place, {entry, state});
  if (more.size() > kMaxDebts) budget_.exhaust();
  return debt_number(std::move(more));
}

std::optional<std::uint32_t> Nfa::step_debt(std::uint32_t debt, std::uint32_t code_point) {
  if (debt == 0) return debt;
  Debt out;
  budget_.spend(debts_[debt].size() * 4 + 4);
  for (const auto& [entry, state] : debts_[debt]) {
    const Language& language = ahead_language(entry);
    const Language::State to = language.next(state, code_point);
    if (to == Language::kDead) return std::nullopt;
    if (!language.accepts_all(to)) out.emplace_back(entry, to);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return debt_number(std::move(out));
}

bool Nfa::is_paid(std::uint32_t debt) const {
  return std::all_of(debts_[debt].begin(), debts_[debt].end(), [&](const auto& entry) {
    return ahead_language(entry.first).accepts(entry.second);
  });
}

void Nfa::close(Config config, const std::vector<Language::State>& behinds, bool at_begin,
                bool at_end) {
  open_.push_back(config);
  while (!open_.empty()) {
    const Config here = open_.back();
    open_.pop_back();
    const State s = state_of(here);
    const std::uint32_t debt = debt_of(here);
    if (debt != 0) {
      if (!marks_with_debts_.insert(here).second) continue;
    } else {
      if (marks_[s] == mark_) continue;
      marks_[s] = mark_;
    }
    if (!budget_.spend(debt == 0 ? 1 : 8)) return open_.clear();
    const Node& node = nodes_[s];
    switch (node.op) {
      case Op::kSplit:
        open_.push_back(config_of(node.b, debt));
        open_.push_back(config_of(node.a, debt));
        break;
      case Op::kBegin:
        if (at_begin) open_.push_back(config_of(node.a, debt));
        break;
      case Op::kEnd:
        closed_.push_back(here);  // passes when the text ends here
        if (at_end) open_.push_back(config_of(node.a, debt));
        break;
      case Op::kAhead:
        if (const auto more = owe(debt, node.set, at_begin)) {
          open_.push_back(config_of(node.a, *more));
        }
        break;
      case Op::kBehind:
        if (behinds_[node.set]->accepts(behinds[node.set]) != node.negative) {
          open_.push_back(config_of(node.a, debt));
        }
        break;
      case Op::kEat:
      case Op::kAccept:
        closed_.push_back(here);
        break;
    }
  }
}

std::vector<Nfa::Config> Nfa::take_closed() {
  std::sort(closed_.begin(), closed_.end());
  ++mark_;
  marks_with_debts_.clear();
  return std::exchange(closed_, {});
}

bool Nfa::accepts_at_end(const Place& place, bool at_begin) {
  for (const Config config : place.configs) {
    const Op op = nodes_[state_of(config)].op;
    if (op == Op::kEnd || op == Op::kAccept) close(config, place.behinds, at_begin, true);
  }
  const std::vector<Config> at_end = take_closed();
  return std::any_of(at_end.begin(), at_end.end(), [&](Config config) {
    return state_of(config) == 0 && is_paid(debt_of(config));
  });
}

void Nfa::find_targets(const Place& place,
                       const std::vector<std::vector<std::uint32_t>>& classes_of_set,
                       std::vector<std::vector<Config>>& targets) {
  for (auto& target : targets) target.clear();
  for (const Config config : place.configs) {
    const Node& node = nodes_[state_of(config)];
    if (node.op == Op::kAccept) {  // a debt is still open
      for (auto& target : targets) target.push_back(config);
    }
    if (node.op != Op::kEat) continue;
    for (const std::uint32_t c : classes_of_set[node.set]) {
      targets[c].push_back(config_of(node.a, debt_of(config)));
    }
    budget_.spend(classes_of_set[node.set].size());
  }
}

Nfa::Place Nfa::next_place(const Place& place, const std::vector<Config>& targets,
                           std::uint32_t example, State match) {
  Place next;
  for (std::size_t i = 0; i < behinds_.size(); ++i) {
    next.behinds.push_back(behinds_[i]->next(place.behinds[i], example));
  }
  for (const Config config : targets) {
    const auto debt = step_debt(debt_of(config), example);
    if (debt) close(config_of(state_of(config), *debt), next.behinds, false, false);
  }
  close(config_of(match, 0), next.behinds, false, false);
  next.configs = take_closed();
  return next;
}

LanguagePtr Nfa::determinise(State match) {
  Language::Raw raw;
  std::vector<std::vector<std::uint32_t>> classes_of_set;
  for (const Ahead& ahead : aheads_) {
    add_sets_of(*ahead.at_begin);
    add_sets_of(*ahead.elsewhere);
  }
  for (const LanguagePtr& behind : behinds_) add_sets_of(*behind);
  classify(raw, classes_of_set);
  std::vector<std::uint32_t> examples(raw.rows.class_count, 0);  // a character of each class
  for (std::size_t i = raw.begins.size(); i-- > 0;) examples[raw.classes[i]] = raw.begins[i];
  marks_.assign(nodes_.size(), 0);
  mark_ = 1;
  // A set that has the accepting state stays there: what follows a match does not matter. The
  // match may begin anywhere, so each set has the match's start in it, the first one at ^.
  std::map<Place, Language::State> number;
  std::vector<Place> order;
  const auto is_match = [](const Place& place) {
    return !place.configs.empty() && place.configs.front() == 0;
  };
  auto visit = [&](Place place) {
    if (is_match(place)) place = Place{{0}, {}};
    budget_.spend(place.configs.size() + 8);
    budget_.take(place.configs.size() * 16 + 100);
    const auto [found, fresh] =
        number.emplace(std::move(place), static_cast<Language::State>(order.size() + 1));
    if (fresh) order.push_back(found->first);
    return found->second;
  };
  Place begin;
  for (const LanguagePtr& behind : behinds_) begin.behinds.push_back(behind->start());
  close(config_of(match, 0), begin.behinds, true, false);
  begin.configs = take_closed();
  const bool empty_matches = accepts_at_end(begin, true);
  raw.start = visit(begin);
  // Behind a character the same set is another state where ^ decides what its end means.
  if (accepts_at_end(begin, false) != empty_matches) number.clear();
  raw.rows.table.assign(raw.rows.class_count, Language::kDead);
  raw.accepting.push_back(false);
  std::vector<std::vector<Config>> targets(raw.rows.class_count);
  for (std::size_t n = 0; n < order.size(); ++n) {
    // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `order` grows meanwhile
    const Place place = order[n];
    const bool matched = is_match(place);
    if (!budget_.take(raw.rows.class_count * 4)) return nullptr;
    if (!matched) find_targets(place, classes_of_set, targets);
    for (std::uint32_t c = 0; c < raw.rows.class_count; ++c) {
      raw.rows.table.push_back(matched ? static_cast<Language::State>(n + 1)
                                       : visit(next_place(place, targets[c], examples[c], match)));
      if (budget_.exhausted()) return nullptr;
    }
    raw.accepting.push_back(n == 0 ? empty_matches : matched || accepts_at_end(place, false));
  }
  return Language::create(std::move(raw), budget_);
}

// Takes the look-aheads off the beginning of a top-level sequence, behind its ^ if it has one.
std::vector<RegexNode> take_look_aheads(RegexNode& root) {
  std::vector<RegexNode> out;
  if (root.kind != Kind::kSequence) return out;
  auto& items = root.children;
  const std::size_t at = !items.empty() && items[0].kind == Kind::kBegin ? 1 : 0;
  if (at == 0) return out;
  while (items.size() > at && items[at].kind == Kind::kLookAhead) {
    out.push_back(std::move(items[at]));
    items.erase(items.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return out;
}

Result<LanguagePtr, GrammarError> compile_tree(const RegexNode& root, Budget& budget) {
  Nfa nfa(budget);
  const Nfa::State start = nfa.add(root, 0);
  if (const auto& error = nfa.error()) return Unexpected{*error};
  LanguagePtr language = budget.exhausted() ? nullptr : nfa.determinise(start);
  if (language == nullptr) {
    return fail(GrammarErrorCode::kSchemaTooComplex, "pattern is too complex");
  }
  return language;
}

// A tree, and the look-aheads at its beginning.
Result<LanguagePtr, GrammarError> compile_with_looks(RegexNode root, Budget& budget) {
  std::vector<RegexNode> looks = take_look_aheads(root);
  if (!has(root, Kind::kLookBehind)) trim_edge(root, true);
  trim_edge(root, false);
  TRY_ASSIGN(LanguagePtr language, compile_tree(root, budget));
  for (RegexNode& look : looks) {
    const RegexNode anchored = sequence(anchor(Kind::kBegin), std::move(look.children[0]));
    TRY_ASSIGN(LanguagePtr other, compile_tree(anchored, budget));
    if (look.negative) other = Language::complement(*other, budget);
    if (other != nullptr) language = Language::intersection(*language, *other, budget);
    if (other == nullptr || language == nullptr) {
      return fail(GrammarErrorCode::kSchemaTooComplex, "pattern is too complex");
    }
  }
  return language;
}

}  // namespace

Result<LanguagePtr, GrammarError> compile_regex(std::string_view pattern, Budget& budget) {
  TRY_ASSIGN(RegexNode root, parse_regex(pattern, budget));
  return compile_with_looks(std::move(root), budget);
}

Result<SearchedTexts, GrammarError> compile_some_regex(std::string_view pattern, Budget& budget) {
  TRY_ASSIGN(RegexNode root, parse_regex(pattern, budget));
  RegexNode shorter = root;
  if (!shorten_repeats(shorter)) {
    TRY_ASSIGN(LanguagePtr language, compile_with_looks(std::move(root), budget));
    return SearchedTexts{std::move(language), true};
  }
  Budget some = budget;
  some.keep(kWholeLimits);
  const Budget before = some;
  auto language = compile_with_looks(std::move(root), some);
  budget.pay(before, some);
  if (language) return SearchedTexts{*std::move(language), true};
  if (language.error().code != GrammarErrorCode::kSchemaTooComplex)
    return Unexpected{std::move(language).error()};
  TRY_ASSIGN(LanguagePtr fewer, compile_with_looks(std::move(shorter), budget));
  return SearchedTexts{std::move(fewer), false};
}

Result<LanguagePtr, GrammarError> compile_whole_regex(std::string_view pattern, Budget& budget) {
  TRY_ASSIGN(RegexNode root, parse_regex(pattern, budget));
  return compile_whole_regex(std::move(root), budget);
}

Result<LanguagePtr, GrammarError> compile_whole_regex(RegexNode root, Budget& budget) {
  RegexNode whole;
  whole.kind = Kind::kSequence;
  whole.children.resize(1);
  whole.children[0].kind = Kind::kBegin;
  if (root.kind == Kind::kSequence) {
    for (RegexNode& child : root.children) {
      const bool again = child.kind == Kind::kBegin && whole.children.size() == 1;
      if (!again) whole.children.push_back(std::move(child));
    }
  } else {
    whole.children.push_back(std::move(root));
  }
  whole.children.emplace_back().kind = Kind::kEnd;
  return compile_with_looks(std::move(whole), budget);
}

}  // namespace tessera::grammar
