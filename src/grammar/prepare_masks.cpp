// Masks that are made before they are asked for: they are the vocabulary's to keep (text_mask.h).
#include <cstddef>
#include <cstdint>
#include <limits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "grammar/char_property.h"
#include "grammar/compile.h"
#include "grammar/formats.h"
#include "grammar/matcher.h"

namespace tessera::grammar {
namespace {

// As a matcher counts it: some 2 ms.
constexpr std::int64_t kFuel = 100'000;
// Of one language, the nearest ones to its start.
constexpr std::size_t kMaxStates = 48;

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int32_t>::max();

// Goes through the languages side by side, each from its start on: where the fuel does not last,
// it is what most answers come to that is made.
class Preparer {
 public:
  Preparer(const Vocabulary& vocabulary, std::int64_t fuel, std::size_t max_states)
      : vocabulary_(vocabulary), fuel_(fuel), max_states_(max_states) {}

  void add(const LanguagePtr& language, bool raw) {
    if (language == nullptr || language->is_any() || language->empty()) return;
    if (!known_.insert(TextPlace{language, language->start(), kUnbounded, 0, raw}.hash()).second)
      return;
    ways_.push_back({language, raw, {language->start()}, {}, 0});
  }

  void run() {
    for (bool more = true; more && fuel_ > 0;) {
      more = false;
      for (Way& way : ways_) more = go_on(way) || more;
    }
  }

 private:
  struct Way {
    LanguagePtr language;
    bool raw = false;
    std::vector<Language::State> open;
    std::unordered_set<std::uint64_t> made;
    std::size_t next = 0;
  };

  // Makes one mask more; false: there is none.
  bool go_on(Way& way) {
    while (way.next < way.open.size() && way.made.size() < max_states_ && fuel_ > 0) {
      const TextPlace place{way.language, way.open[way.next++], kUnbounded, 0, way.raw};
      if (!way.made.insert(place.hash()).second) continue;
      vocabulary_.text_mask(place, fuel_);
      for (std::uint32_t c = 0; c < way.language->class_count(); ++c) {
        const Language::State to = way.language->next_of_class(place.state, c);
        if (to != Language::kDead && to != place.state) way.open.push_back(to);
      }
      return true;
    }
    return false;
  }

  const Vocabulary& vocabulary_;
  std::int64_t fuel_;
  const std::size_t max_states_;
  std::vector<Way> ways_;
  std::unordered_set<std::uint64_t> known_;
};

// The texts that can be reached from where an answer begins: a call's strings are written as they
// are, and the JSON that they were made of is left over.
class Reached {
 public:
  Reached(const Grammar& grammar, Preparer& preparer) : grammar_(grammar), preparer_(preparer) {}

  void add() {
    if (grammar_.plan.json != kNone) open(grammar_.plan.json);
    for (const CallAlt& call : grammar_.calls) {
      for (const CallAlt::Parameter& parameter : call.parameters) add_parameter(parameter);
      for (const CallAlt::Free& free : call.free) {
        add_string(free.name, true);
        add_parameter(free.parameter);
      }
    }
    for (const RuleNode& node : grammar_.rules) {
      for (const RuleNode::Edge& edge : node.edges) {
        if (edge.string != kNone) add_string(edge.string, true);
      }
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      for (const AltId alt : grammar_.nodes[nodes_[i]].alts) add_alt(grammar_.alts[alt]);
    }
  }

 private:
  void add_parameter(const CallAlt::Parameter& parameter) {
    for (const std::uint32_t string : parameter.raw) add_string(string, true);
    if (parameter.node != kNone) open(parameter.node);
  }
  void add_string(std::uint32_t string, bool raw) {
    preparer_.add(grammar_.strings[string].language, raw);
  }
  void open(NodeId node) {
    if (node != kNone && seen_.insert(node).second) nodes_.push_back(node);
  }
  void add_alt(const Alt& alt) {
    if (alt.kind == Alt::Kind::kString) {
      add_string(alt.index, false);
    } else if (alt.kind == Alt::Kind::kArray) {
      const ArrayAlt& array = grammar_.arrays[alt.index];
      for (const NodeId node : array.prefix) open(node);
      open(array.rest);
      for (const ArrayAlt::Counted& counted : array.counted) {
        for (const NodeId node : counted.prefix) open(node);
        open(counted.rest);
      }
    } else if (alt.kind == Alt::Kind::kObject) {
      const ObjectAlt& object = grammar_.objects[alt.index];
      for (const ObjectAlt::Key& key : object.keys) open(key.node);
      for (const ObjectAlt::Region& region : object.regions) {
        preparer_.add(region.language, false);
        open(region.node);
      }
    }
  }

  const Grammar& grammar_;
  Preparer& preparer_;
  std::vector<NodeId> nodes_;
  std::unordered_set<NodeId> seen_;
};

}  // namespace

void prepare_masks(const Grammar& grammar, const Vocabulary& vocabulary) {
  Preparer preparer(vocabulary, kFuel, kMaxStates);
  Reached(grammar, preparer).add();
  preparer.run();
}

void warm_up(const VocabularyPtr& vocabulary) {
  std::vector<std::uint32_t> words(vocabulary->mask_words());
  json::Object string;
  string.set("type", "string");
  const json::Value schema(string);
  json::Object properties;
  properties.set("text", schema);
  json::Object parameters;
  parameters.set("properties", std::move(properties));
  json::Object function;
  function.set("name", "f");
  function.set("parameters", std::move(parameters));
  const json::Value tool(std::move(function));
  ToolRules rules;
  rules.functions.push_back(&tool);
  rules.required = true;
  const auto text = compile_schema(schema);
  const auto call = compile_tools(rules);
  CHECK(text && call);
  Matcher inside(*text, vocabulary);
  CHECK(inside.accept_bytes("\""));
  inside.fill_mask(words);
  Matcher before(*call, vocabulary);
  CHECK(before.accept_symbol(kCallOpen) && before.accept_bytes("\n<function=f>\n<parameter=text>"));
  before.fill_mask(words);
  // All places of a parameter's text: a few lie inside of what could be a tag.
  Preparer preparer(*vocabulary, kUnlimited, kUnlimited);
  Reached(**call, preparer).add();
  preparer.run();
  vocabulary->tokens_with('>');
  prepare_formats();
  property_set("Any");  // with it all others are made
}

}  // namespace tessera::grammar
