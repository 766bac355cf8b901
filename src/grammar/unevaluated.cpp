// Shaper: unevaluatedProperties and unevaluatedItems. A shape knows which schemas it was made of,
// so that what they looked at is known before there is a value.
#include <algorithm>
#include <bit>
#include <utility>

#include "grammar/shaper.h"

namespace tessera::grammar {
namespace {

// Branches of an anyOf that are combined with each other.
constexpr std::size_t kMaxCombined = 5;

template <class Rule>
void add_rest(const Term& term, Rule& rule) {
  Rest rest;
  for (const Part& part : rule.parts) {
    if (part.evaluates) rest.parts.push_back(part);
  }
  rest.term = term;
  const bool all = std::any_of(rule.rests.begin(), rule.rests.end(),
                               [](const Rest& other) { return other.evaluates; });
  // What is below has evaluated everything: nothing is left to ask of, but so it is said above.
  if (all) rest.term = Term{&anything(), true};
  rule.rests.push_back(std::move(rest));
}

}  // namespace

Shaper::Step Shaper::add_rests(const json::Value& schema, Shapes& out) {
  if (const json::Value* rest = schema.find("unevaluatedProperties")) {
    for (Shape& shape : out) add_rest(Term{rest, true}, shape.object);
  }
  const json::Value* rest = schema.find("unevaluatedItems");
  if (rest == nullptr) return {};
  for (Shape& shape : out) {
    // An item that `contains` found is evaluated, since 2020.
    json::Array choice;
    for (const Contains& contains : shape.array.contains) {
      if (contains.item.positive && !document_.is_2019()) choice.push_back(*contains.item.schema);
    }
    Term term{rest, true};
    if (!choice.empty()) {
      choice.push_back(*rest);
      json::Object made;
      made.set("anyOf", json::Value(std::move(choice)));
      term.schema = &made_.emplace_back(std::move(made));
      if (!budget_.take(json::to_text(*term.schema).size() * 8)) return too_complex();
    }
    add_rest(term, shape.array);
  }
  return {};
}

Shaper::Step Shaper::add_combinations(const json::Array& branches, Shapes& any) {
  if (branches.size() > kMaxCombined) return {};
  for (std::uint32_t set = 1; set < 1u << branches.size(); ++set) {
    if (std::popcount(set) < 2) continue;
    std::vector<Term> terms;
    for (std::size_t i = 0; i < branches.size(); ++i) {
      if ((set >> i & 1) != 0) terms.push_back({&branches[i], true});
    }
    TRY_ASSIGN(const Shapes both, shapes(terms));
    any.insert(any.end(), both.begin(), both.end());
    if (!budget_.spend(both.size() * 10)) return too_complex();
  }
  return {};
}

}  // namespace tessera::grammar
