#include "grammar/regex.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "grammar/regex_parser.h"

namespace tessera::grammar {
namespace {

using Kind = RegexNode::Kind;

// Thompson's automaton: a state either eats a character of a set, or splits, or passes when an
// anchor holds, or accepts.
class Nfa {
 public:
  using State = std::uint32_t;
  enum class Op : std::uint8_t { kEat, kSplit, kBegin, kEnd, kAccept };
  struct Node {
    Op op = Op::kAccept;
    std::uint32_t set = 0;  // kEat
    State a = 0;
    State b = 0;
  };

  explicit Nfa(Budget& budget) : budget_(budget) { nodes_.push_back({}); }

  // Built from its end: the states that match `node` and then go on with `then`. 0 accepts.
  // False when something stands where we cannot follow it.
  State add(const RegexNode& node, State then) {
    if (!budget_.spend(6) || !budget_.take(sizeof(Node))) return then;
    switch (node.kind) {
      case Kind::kEmpty:
        return then;
      case Kind::kSet:
        return push({Op::kEat, set_of(node.set), then, 0});
      case Kind::kSequence:
        for (std::size_t i = node.children.size(); i-- > 0;) then = add(node.children[i], then);
        return then;
      case Kind::kChoice: {
        State state = add(node.children.back(), then);
        for (std::size_t i = node.children.size() - 1; i-- > 0;) {
          state = push({Op::kSplit, 0, add(node.children[i], then), state});
        }
        return state;
      }
      case Kind::kRepeat:
        return add_repeat(node, then);
      case Kind::kBegin:
        return push({Op::kBegin, 0, then, 0});
      case Kind::kEnd:
        return push({Op::kEnd, 0, then, 0});
      case Kind::kLookAhead:
        misplaced_look_ahead_ = true;
        return then;
    }
    return then;
  }
  bool misplaced_look_ahead() const { return misplaced_look_ahead_; }

  // The language of the texts that contain a match.
  LanguagePtr determinise(State match);

 private:
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
  State add_repeat(const RegexNode& node, State then) {
    const RegexNode& child = node.children[0];
    State state = then;
    if (node.max == kUnbounded) {
      const State loop = push({Op::kSplit, 0, 0, then});
      const State body = add(child, loop);
      nodes_[loop].a = body;
      state = loop;
    } else {
      for (std::uint32_t i = node.min; i < node.max && !budget_.exhausted(); ++i) {
        state = push({Op::kSplit, 0, add(child, state), then});
      }
    }
    for (std::uint32_t i = 0; i < node.min && !budget_.exhausted(); ++i) state = add(child, state);
    return state;
  }
  void classify(Language::Raw& raw, std::vector<std::vector<std::uint32_t>>& classes_of_set);
  // Adds what can be reached from `state` without a character.
  void close(State state, bool at_begin, bool at_end);
  std::vector<State> take_closed();

  Budget& budget_;
  std::vector<Node> nodes_;
  std::map<std::vector<CharSet::Interval>, std::uint32_t> set_numbers_;
  bool misplaced_look_ahead_ = false;
  std::vector<std::uint32_t> marks_;
  std::uint32_t mark_ = 0;
  std::vector<State> closed_;
  std::vector<State> open_;
};

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
  raw.class_count = static_cast<std::uint32_t>(classes.size());
  classes_of_set.assign(set_numbers_.size(), {});
  for (const auto& [members, number] : classes) {
    if (!budget_.spend(members.size())) return;
    for (std::size_t set = 0; set < members.size(); ++set) {
      if (members[set]) classes_of_set[set].push_back(number);
    }
  }
}

void Nfa::close(State state, bool at_begin, bool at_end) {
  open_.push_back(state);
  while (!open_.empty()) {
    const State s = open_.back();
    open_.pop_back();
    if (marks_[s] == mark_) continue;
    marks_[s] = mark_;
    budget_.spend(1);
    const Node& node = nodes_[s];
    switch (node.op) {
      case Op::kSplit:
        open_.push_back(node.b);
        open_.push_back(node.a);
        break;
      case Op::kBegin:
        if (at_begin) open_.push_back(node.a);
        break;
      case Op::kEnd:
        closed_.push_back(s);  // passes when the text ends here
        if (at_end) open_.push_back(node.a);
        break;
      case Op::kEat:
      case Op::kAccept:
        closed_.push_back(s);
        break;
    }
  }
}

std::vector<Nfa::State> Nfa::take_closed() {
  std::sort(closed_.begin(), closed_.end());
  ++mark_;
  return std::exchange(closed_, {});
}

LanguagePtr Nfa::determinise(State match) {
  Language::Raw raw;
  std::vector<std::vector<std::uint32_t>> classes_of_set;
  classify(raw, classes_of_set);
  marks_.assign(nodes_.size(), 0);
  mark_ = 1;
  // A set that has the accepting state stays there: what follows a match does not matter. The
  // match may begin anywhere, so each set has the match's start in it, the first one at ^.
  std::map<std::vector<State>, Language::State> number;
  std::vector<std::vector<State>> order;
  auto visit = [&](std::vector<State> set) {
    if (!set.empty() && set.front() == 0) set.resize(1);
    budget_.spend(set.size() + 8);
    budget_.take(set.size() * 8 + 100);
    const auto [found, fresh] =
        number.emplace(std::move(set), static_cast<Language::State>(order.size() + 1));
    if (fresh) order.push_back(found->first);
    return found->second;
  };
  // Whether the text may end behind what it read to come to `set`.
  const auto may_end = [&](const std::vector<State>& set) {
    for (const State s : set) {
      if (nodes_[s].op == Op::kEnd) close(s, false, true);
    }
    const std::vector<State> at_end = take_closed();
    return (!set.empty() && set.front() == 0) || (!at_end.empty() && at_end.front() == 0);
  };
  close(match, true, false);
  const std::vector<State> first = take_closed();
  close(match, true, true);
  const bool empty_matches = take_closed().front() == 0;
  raw.start = visit(first);
  // Behind a character the same set is another state where ^ decides what its end means.
  if (may_end(first) != empty_matches) number.clear();
  raw.table.assign(raw.class_count, Language::kDead);
  raw.accepting.push_back(false);
  std::vector<std::vector<State>> targets(raw.class_count);
  for (std::size_t n = 0; n < order.size(); ++n) {
    const std::vector<State> set = order[n];
    const bool matched = !set.empty() && set.front() == 0;
    for (auto& target : targets) target.clear();
    for (const State s : set) {
      if (nodes_[s].op != Op::kEat) continue;
      for (const std::uint32_t c : classes_of_set[nodes_[s].set]) targets[c].push_back(nodes_[s].a);
      budget_.spend(classes_of_set[nodes_[s].set].size());
    }
    if (!budget_.take(raw.class_count * 4)) return nullptr;
    for (std::uint32_t c = 0; c < raw.class_count; ++c) {
      if (matched) {
        raw.table.push_back(static_cast<Language::State>(n + 1));
        continue;
      }
      for (const State s : targets[c]) close(s, false, false);
      close(match, false, false);
      raw.table.push_back(visit(take_closed()));
      if (budget_.exhausted()) return nullptr;
    }
    raw.accepting.push_back(n == 0 ? empty_matches : may_end(set));
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
  if (nfa.misplaced_look_ahead()) {
    return fail(GrammarErrorCode::kUnsupportedSchema,
                "pattern uses look-ahead elsewhere than behind a leading ^");
  }
  LanguagePtr language = budget.exhausted() ? nullptr : nfa.determinise(start);
  if (language == nullptr) {
    return fail(GrammarErrorCode::kSchemaTooComplex, "pattern is too complex");
  }
  return language;
}

// A tree, and the look-aheads at its beginning.
Result<LanguagePtr, GrammarError> compile_with_looks(RegexNode root, Budget& budget) {
  std::vector<RegexNode> looks = take_look_aheads(root);
  TRY_ASSIGN(LanguagePtr language, compile_tree(root, budget));
  for (RegexNode& look : looks) {
    RegexNode sequence;
    sequence.kind = Kind::kSequence;
    sequence.children.resize(1);
    sequence.children[0].kind = Kind::kBegin;
    sequence.children.push_back(std::move(look.children[0]));
    TRY_ASSIGN(LanguagePtr other, compile_tree(sequence, budget));
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
