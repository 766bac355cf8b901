#include "grammar/lark_net.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "grammar/lark_productions.h"

namespace tessera::grammar {
namespace {

using Symbol = LarkProductions::Symbol;

constexpr std::uint32_t kFar = kUnbounded / 4;

Unexpected<GrammarError> too_complex() {
  return fail(GrammarErrorCode::kSchemaTooComplex, "the grammar is too complex");
}

// The productions as a trie for each rule.
class NetBuilder {
 public:
  NetBuilder(const LarkProductions& productions, Budget& budget)
      : productions_(productions), budget_(budget) {}

  TextNet build() {
    for (std::size_t i = 0; i < productions_.rules().size(); ++i) node();
    for (std::size_t rule = 0; rule < productions_.rules().size(); ++rule) {
      for (const auto& production : productions_.rules()[rule]) {
        auto at = static_cast<std::uint32_t>(rule);
        for (const Symbol symbol : production) at = step(at, symbol);
        net_.nodes[at].end = true;
        if (budget_.exhausted()) return std::move(net_);
      }
    }
    net_.start = productions_.start();
    net_.nothing = productions_.nothing();
    measure();
    remove_dead_ends();
    return std::move(net_);
  }

 private:
  std::uint32_t node() {
    budget_.take(sizeof(TextNet::Node) + 64);
    net_.nodes.push_back({{}, false, kFar, kFar});
    return static_cast<std::uint32_t>(net_.nodes.size() - 1);
  }
  std::uint32_t step(std::uint32_t from, Symbol symbol) {
    const auto [found, fresh] = steps_.emplace(std::pair(from, symbol), 0);
    budget_.spend(20);
    if (!fresh) return found->second;
    budget_.take(sizeof(TextNet::Edge) + 100);
    found->second = node();
    TextNet::Edge edge;
    edge.to = found->second;
    if ((symbol & LarkProductions::kText) != 0) {
      edge.text = productions_.texts()[symbol & ~LarkProductions::kText];
    } else {
      edge.rule = symbol;  // a rule's first node has its number
    }
    net_.nodes[from].edges.push_back(std::move(edge));
    return found->second;
  }

  // The least heights and costs, to a fixed point.
  void measure() {
    for (bool changed = true; changed && !budget_.exhausted();) {
      changed = false;
      for (std::size_t i = net_.nodes.size(); i-- > 0;) {
        TextNet::Node& at = net_.nodes[i];
        std::uint32_t height = at.end ? 0 : kFar;
        std::uint32_t cost = height;
        for (const TextNet::Edge& edge : at.edges) {
          budget_.spend(2);
          const TextNet::Node& to = net_.nodes[edge.to];
          if (edge.text != nullptr) {
            height = std::min(height, to.height);
            cost = std::min(cost, to.cost + edge.text->shortest(edge.text->start()));
          } else {
            const TextNet::Node& rule = net_.nodes[edge.rule];
            height = std::min(height, std::max(to.height, rule.height + 1));
            cost = std::min(cost, to.cost + rule.cost);
          }
        }
        changed |= height < at.height || cost < at.cost;
        at.height = std::min(at.height, height);
        at.cost = std::min({at.cost, cost, kFar});
      }
    }
  }

  void remove_dead_ends() {
    for (TextNet::Node& at : net_.nodes) {
      std::erase_if(at.edges, [&](const TextNet::Edge& edge) {
        const bool rule = edge.text == nullptr && net_.nodes[edge.rule].cost >= kFar;
        return rule || net_.nodes[edge.to].cost >= kFar;
      });
    }
  }

  const LarkProductions& productions_;
  Budget& budget_;
  TextNet net_;
  std::map<std::pair<std::uint32_t, Symbol>, std::uint32_t> steps_;
};

// Where `allowed` can be while the network is walked: whether it can be left.
class Watch {
 public:
  using State = Language::State;

  Watch(const TextNet& net, const Language& allowed, Budget& budget)
      : net_(net), allowed_(allowed), budget_(budget), ends_(net.nodes.size()) {}

  // False: it can be left, or the budget is exhausted.
  bool holds() {
    reach(net_.start, net_.start, allowed_.start());
    while (!open_.empty()) {
      const auto [rule, at, state] = open_.back();
      open_.pop_back();
      const TextNet::Node& node = net_.nodes[at];
      if (node.end && ends_[rule].insert(state).second) {
        for (const auto& [caller, to] : waiting_[rule]) reach(caller, to, state);
      }
      for (const TextNet::Edge& edge : node.edges) {
        if (!budget_.spend(20)) return false;
        if (edge.text != nullptr) {
          const std::set<State>& behind = read(*edge.text, state);
          if (left_) return false;
          for (const State next : behind) reach(rule, edge.to, next);
          continue;
        }
        waiting_[edge.rule].insert({rule, edge.to});
        reach(edge.rule, edge.rule, state);
        for (const State end : ends_[edge.rule]) reach(rule, edge.to, end);
      }
    }
    return true;
  }

 private:
  struct Place {
    std::uint32_t rule, at;
    State state;
    auto operator<=>(const Place&) const = default;
  };

  void reach(std::uint32_t rule, std::uint32_t at, State state) {
    budget_.take(64);
    if (seen_.insert({rule, at, state}).second) open_.push_back({rule, at, state});
  }

  // The states behind each of the language's texts.
  const std::set<State>& read(const Language& text, State state) {
    const auto [found, fresh] = known_.emplace(std::pair(&text, state), std::set<State>());
    if (!fresh) return found->second;
    std::set<std::pair<State, State>> seen{{text.start(), state}};
    std::vector<std::pair<State, State>> open{{text.start(), state}};
    while (!open.empty() && !left_ && budget_.take(64)) {
      const auto [in_text, in_allowed] = open.back();
      open.pop_back();
      if (text.accepts(in_text)) found->second.insert(in_allowed);
      for (const Language::Step& step : text.steps(in_text)) {
        std::uint32_t covered = 0;
        for (const Language::Step& other : allowed_.steps(in_allowed)) {
          const std::uint32_t low = std::max(step.low, other.low);
          const std::uint32_t high = std::min(step.high, other.high);
          budget_.spend(1);
          if (low > high) continue;
          covered += high - low + 1;
          if (seen.insert({step.to, other.to}).second) open.push_back({step.to, other.to});
        }
        left_ |= covered < step.high - step.low + 1;
      }
    }
    return found->second;
  }

  const TextNet& net_;
  const Language& allowed_;
  Budget& budget_;
  std::vector<std::set<State>> ends_;  // by rule
  // Who goes on where behind a rule.
  std::map<std::uint32_t, std::set<std::pair<std::uint32_t, std::uint32_t>>> waiting_;
  std::set<Place> seen_;
  std::vector<Place> open_;
  std::map<std::pair<const Language*, State>, std::set<State>> known_;
  bool left_ = false;
};

}  // namespace

Result<TextNet, GrammarError> compile_net(const LarkGrammar& grammar, const Language& allowed,
                                          Budget& budget) {
  LarkProductions productions(grammar, allowed, budget);
  TRY(productions.build());
  TextNet net = NetBuilder(productions, budget).build();
  if (budget.exhausted()) return too_complex();
  if (net.nodes[net.start].cost >= kFar && !net.nothing) {
    return fail(GrammarErrorCode::kInvalidGrammar,
                "no text of the grammar can be written in a call");
  }
  const bool holds = Watch(net, allowed, budget).holds();
  if (budget.exhausted()) return too_complex();
  if (!holds) {
    return fail(GrammarErrorCode::kUnsupportedGrammar,
                "a grammar whose texts can put together, of several terminals, a line that begins "
                "like the tag behind an input cannot be enforced");
  }
  return net;
}

}  // namespace tessera::grammar
