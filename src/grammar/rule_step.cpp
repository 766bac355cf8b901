// Stepper: the rules of a custom tool's grammar. A thread reads a text of one of them; the frames
// below it say where the rules around it go on.
#include <algorithm>

#include "grammar/stepper.h"

namespace tessera::grammar {
namespace {

// Rules that are looked into for one character.
constexpr std::int64_t kMaxRulesEntered = 10'000;

}  // namespace

void Stepper::enter_rules(std::uint32_t top, std::uint32_t node) {
  struct Place {
    std::uint32_t top;
    std::uint32_t node;
  };
  std::vector<Place> open{{top, node}};
  for (std::int64_t entered = 0; !open.empty() && entered < kMaxRulesEntered; ++entered) {
    ++m_.work_;
    const Place place = open.back();
    open.pop_back();
    const RuleNode& at = g_.rules[place.node];
    const Frame inside = frame(place.top);
    if (at.end && inside.kind == FrameKind::kRule) {
      open.push_back({inside.parent, inside.alt});
    } else if (at.end) {
      Thread thread;
      thread.top = place.top;
      thread.phase = Phase::kFixed;
      thread.state = kParameterEnd;
      emit(thread);
    }
    for (const RuleNode::Edge& edge : at.edges) {
      if (inside.depth + g_.rules[edge.to].height > kMaxRules) continue;
      if (edge.string != kNone) {
        Thread thread;
        thread.top = place.top;
        thread.phase = Phase::kRuleText;
        thread.alt = edge.string;
        thread.state = g_.strings[edge.string].language->start();
        thread.count = edge.to;
        emit(thread);
        continue;
      }
      const RuleNode& behind = g_.rules[edge.to];
      if (behind.end && behind.edges.empty()) {  // the rule's end is this one's
        if (inside.depth + g_.rules[edge.rule].height <= kMaxRules)
          open.push_back({place.top, edge.rule});
        continue;
      }
      if (inside.depth + 1 + g_.rules[edge.rule].height > kMaxRules) continue;
      Frame next;
      next.kind = FrameKind::kRule;
      next.parent = place.top;
      next.depth = inside.depth + 1;
      next.alt = edge.to;
      open.push_back({push(next), edge.rule});
    }
  }
}

void Stepper::read_rule_text(Thread thread, std::uint32_t code_point) {
  const Language& language = *g_.strings[thread.alt].language;
  thread.state = language.next(thread.state, code_point);
  if (thread.state == Language::kDead) return;
  if (language.accepts(thread.state)) enter_rules(thread.top, thread.count);
  if (language.completions(thread.state) > (language.accepts(thread.state) ? 1u : 0u)) emit(thread);
}

}  // namespace tessera::grammar
