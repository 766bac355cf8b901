#include "grammar/lark_productions.h"

#include <algorithm>
#include <set>

#include "grammar/regex.h"

namespace tessera::grammar {
namespace {

Unexpected<GrammarError> too_complex() {
  return fail(GrammarErrorCode::kSchemaTooComplex, "the grammar is too complex");
}

}  // namespace

LarkProductions::LarkProductions(const LarkGrammar& grammar, const Language& allowed,
                                 Budget& budget)
    : grammar_(grammar), allowed_(allowed), budget_(budget), lark_(grammar, budget) {}

LarkProductions::Symbol LarkProductions::new_rule() {
  budget_.take(sizeof(std::vector<Production>) * 2);
  rules_.emplace_back();
  return static_cast<Symbol>(rules_.size() - 1);
}

void LarkProductions::add(Symbol rule, Production production) {
  budget_.spend(production.size() + 4);
  budget_.take(production.size() * sizeof(Symbol) + sizeof(Production) + 16);
  rules_[rule].push_back(std::move(production));
}

Result<void, GrammarError> LarkProductions::build() {
  of_rule_.assign(grammar_.rules.size(), kText);
  for (std::size_t i = 0; i < grammar_.rules.size(); ++i) {
    if (!lark_.is_regular(static_cast<std::uint32_t>(i))) of_rule_[i] = new_rule();
  }
  for (std::size_t i = 0; i < grammar_.rules.size(); ++i) {
    if (of_rule_[i] == kText) continue;
    TRY_ASSIGN(const Symbol body, symbol(grammar_.rules[i]));
    add(of_rule_[i], {body});
  }
  start_ = new_rule();
  TRY_ASSIGN(const Symbol gap, text(lark_.gap()));
  add(start_, {of_rule_[grammar_.start], gap});
  remove_empty();
  if (!budget_.exhausted()) remove_units(components());
  if (!budget_.exhausted()) turn_left_recursion();
  if (budget_.exhausted()) return too_complex();
  return {};
}

LarkProductions::Built LarkProductions::symbol(const LarkNode& node) {
  if (!budget_.spend(20)) return too_complex();
  if (lark_.is_regular(node)) {
    TRY_ASSIGN(RegexNode tree, lark_.node(node));
    return text(std::move(tree));
  }
  if (node.kind == LarkNode::Kind::kRule) return of_rule_[node.rule];
  if (node.kind == LarkNode::Kind::kRepeat) return repeat(node);
  TRY_ASSIGN(const std::vector<Symbol> parts, children(node));
  const Symbol made = new_rule();
  if (node.kind == LarkNode::Kind::kChoice) {
    for (const Symbol part : parts) add(made, {part});
    return made;
  }
  // In pairs, so that what may be empty does not make too many of one.
  Symbol rest = made;
  for (std::size_t i = 0; i + 2 < parts.size(); ++i) {
    const Symbol behind = new_rule();
    add(rest, {parts[i], behind});
    rest = behind;
  }
  add(rest,
      Production(parts.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, parts.size())),
                 parts.end()));
  return made;
}

Result<std::vector<LarkProductions::Symbol>, GrammarError> LarkProductions::children(
    const LarkNode& node) {
  const bool choice = node.kind == LarkNode::Kind::kChoice;
  std::vector<Symbol> out;
  LarkNode run;
  run.kind = node.kind;
  const auto end_run = [&]() -> Result<void, GrammarError> {
    if (run.children.empty()) return {};
    TRY_ASSIGN(const Symbol made, symbol(run));
    out.push_back(made);
    run.children.clear();
    return {};
  };
  for (const LarkNode& child : node.children) {
    if (lark_.is_regular(child)) {
      if (!budget_.take(sizeof(LarkNode) + 64)) return too_complex();
      run.children.push_back(child);
      continue;
    }
    if (!choice) TRY(end_run());
    TRY_ASSIGN(const Symbol made, symbol(child));
    out.push_back(made);
  }
  TRY(end_run());
  return out;
}

LarkProductions::Built LarkProductions::repeat(const LarkNode& node) {
  TRY_ASSIGN(const Symbol item, symbol(node.children[0]));
  // What may follow when `min` are there: nothing, or one more and so on.
  Symbol rest = new_rule();
  add(rest, {});
  if (node.max == kUnbounded) {
    add(rest, {item, rest});
  } else {
    for (std::uint32_t i = node.min; i < node.max; ++i) {
      const Symbol more = new_rule();
      add(more, {});
      add(more, {item, rest});
      rest = more;
      if (budget_.exhausted()) return too_complex();
    }
  }
  for (std::uint32_t i = 0; i < node.min; ++i) {
    const Symbol one = new_rule();
    add(one, {item, rest});
    rest = one;
    if (budget_.exhausted()) return too_complex();
  }
  return rest;
}

LarkProductions::Built LarkProductions::text(RegexNode tree) {
  TRY_ASSIGN(LanguagePtr language, compile_whole_regex(std::move(tree), budget_));
  const Symbol made = new_rule();
  if (language->accepts(language->start())) {
    add(made, {});
    const LanguagePtr some = Language::of_length(1, kUnbounded, budget_);
    if (some != nullptr) language = Language::intersection(*language, *some, budget_);
  }
  if (language != nullptr) language = Language::intersection(*language, allowed_, budget_);
  if (language == nullptr) return too_complex();
  if (!language->empty()) {
    add(made, {kText | static_cast<Symbol>(texts_.size())});
    texts_.push_back(std::move(language));
  }
  return made;
}

void LarkProductions::remove_empty() {
  std::vector<bool> nullable(rules_.size(), false);
  const auto is_nullable = [&](Symbol symbol) { return (symbol & kText) == 0 && nullable[symbol]; };
  for (bool changed = true; changed && !budget_.exhausted();) {
    changed = false;
    for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
      if (nullable[rule]) continue;
      budget_.spend(rules_[rule].size() * 3);
      nullable[rule] =
          std::any_of(rules_[rule].begin(), rules_[rule].end(), [&](const Production& production) {
            return std::all_of(production.begin(), production.end(), is_nullable);
          });
      changed |= nullable[rule];
    }
  }
  nothing_ = nullable[start_];
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    std::set<Production> made;
    for (const Production& production : rules_[rule]) {
      budget_.spend(40);
      budget_.take(100);
      if (!production.empty()) made.insert(production);
      if (production.size() != 2) continue;
      if (is_nullable(production[0])) made.insert({production[1]});
      if (is_nullable(production[1])) made.insert({production[0]});
    }
    made.erase({static_cast<Symbol>(rule)});
    rules_[rule].assign(made.begin(), made.end());
  }
}

std::vector<std::uint32_t> LarkProductions::components() const {
  // Tarjan's algorithm, with a stack of its own.
  const std::size_t count = rules_.size();
  std::vector<std::uint32_t> order(count, 0), low(count, 0), component(count, 0), open;
  std::uint32_t counter = 0, components = 0;
  struct Visit {
    Symbol rule;
    std::size_t next;
  };
  for (Symbol root = 0; root < count; ++root) {
    if (order[root] != 0) continue;
    std::vector<Visit> path{{root, 0}};
    while (!path.empty()) {
      auto& [rule, next] = path.back();
      if (next == 0) {
        order[rule] = low[rule] = ++counter;
        open.push_back(rule);
      }
      bool down = false;
      while (!down && next < rules_[rule].size()) {
        const Symbol first = rules_[rule][next++].front();
        if ((first & kText) != 0 || component[first] != 0) continue;
        if (order[first] != 0) {
          low[rule] = std::min(low[rule], order[first]);
        } else {
          path.push_back({first, 0});
          down = true;
        }
      }
      if (down) continue;
      const Symbol done = rule;
      path.pop_back();
      if (!path.empty()) low[path.back().rule] = std::min(low[path.back().rule], low[done]);
      if (low[done] != order[done]) continue;
      ++components;
      while (component[done] == 0) {
        component[open.back()] = components;
        open.pop_back();
      }
    }
  }
  return component;
}

void LarkProductions::remove_units(const std::vector<std::uint32_t>& component) {
  // Only among those that begin with each other: elsewhere they keep the network small.
  std::vector<std::vector<Production>> made(rules_.size());
  for (Symbol rule = 0; rule < rules_.size(); ++rule) {
    std::vector<Symbol> open{rule};
    std::set<Symbol> seen{rule};
    std::set<Production> out;
    while (!open.empty() && budget_.spend(20)) {
      const Symbol from = open.back();
      open.pop_back();
      for (const Production& production : rules_[from]) {
        const bool unit = production.size() == 1 && same(component, rule, production[0]);
        if (!unit) {
          budget_.take(100);
          budget_.spend(20);
          out.insert(production);
        } else if (seen.insert(production[0]).second) {
          open.push_back(production[0]);
        }
      }
    }
    made[rule].assign(out.begin(), out.end());
  }
  rules_ = std::move(made);
}

void LarkProductions::turn_left_recursion() {
  const std::vector<std::uint32_t> component = components();
  const std::size_t count = rules_.size();
  std::map<std::uint32_t, std::vector<Symbol>> members;
  for (Symbol rule = 0; rule < count; ++rule) members[component[rule]].push_back(rule);
  std::vector<std::vector<Production>> before = rules_;
  for (const auto& [number, rules] : members) {
    const bool recursive = std::any_of(rules.begin(), rules.end(), [&](Symbol rule) {
      return std::any_of(before[rule].begin(), before[rule].end(),
                         [&](const Production& p) { return same(component, rule, p.front()); });
    });
    if (!recursive) continue;
    for (const Symbol whole : rules) {
      // What is missing of `whole` behind each of the others.
      std::map<Symbol, Symbol> rest;
      for (const Symbol part : rules) rest[part] = new_rule();
      rules_[whole].clear();
      for (const Symbol part : rules) {
        for (const Production& production : before[part]) {
          if (!budget_.spend(20)) return;
          const bool turned = same(component, part, production.front());
          const Symbol made = turned ? rest[production.front()] : whole;
          Production tail(production.begin() + (turned ? 1 : 0), production.end());
          if (part == whole) add(made, tail);
          tail.push_back(rest[part]);
          add(made, std::move(tail));
        }
      }
    }
  }
}

}  // namespace tessera::grammar
