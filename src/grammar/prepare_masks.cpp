// Masks that are made before they are asked for: they are the vocabulary's to keep (text_mask.h).
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "grammar/compile.h"
#include "grammar/formats.h"
#include "grammar/matcher.h"

namespace tessera::grammar {
namespace {

// As a matcher counts it: some 2 ms.
constexpr std::int64_t kFuel = 100'000;
// Of one language, the nearest ones to its start.
constexpr std::size_t kMaxStates = 48;

class Preparer {
 public:
  explicit Preparer(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  void prepare(const LanguagePtr& language, bool raw) {
    if (language == nullptr || language->is_any() || language->empty()) return;
    std::vector<Language::State> open{language->start()};
    std::unordered_set<std::uint64_t> seen;
    for (std::size_t i = 0; i < open.size() && seen.size() < kMaxStates && fuel_ > 0; ++i) {
      const TextPlace place{language, open[i], kUnbounded, 0, raw};
      if (!seen.insert(place.hash()).second) continue;
      vocabulary_.text_mask(place, fuel_);
      for (std::uint32_t c = 0; c < language->class_count(); ++c) {
        const Language::State to = language->next_of_class(open[i], c);
        if (to != Language::kDead && to != open[i]) open.push_back(to);
      }
    }
  }

 private:
  const Vocabulary& vocabulary_;
  std::int64_t fuel_ = kFuel;
};

}  // namespace

void prepare_masks(const Grammar& grammar, const Vocabulary& vocabulary) {
  std::vector<bool> raw(grammar.strings.size(), false);
  for (const CallAlt& call : grammar.calls) {
    for (const CallAlt::Parameter& parameter : call.parameters) {
      for (const std::uint32_t string : parameter.raw) raw[string] = true;
    }
    for (const CallAlt::Free& free : call.free) {
      raw[free.name] = true;
      for (const std::uint32_t string : free.parameter.raw) raw[string] = true;
    }
  }
  for (const RuleNode& node : grammar.rules) {
    for (const RuleNode::Edge& edge : node.edges) {
      if (edge.string != kNone) raw[edge.string] = true;
    }
  }
  Preparer preparer(vocabulary);
  for (std::size_t i = 0; i < grammar.strings.size(); ++i) {
    preparer.prepare(grammar.strings[i].language, raw[i]);
  }
  for (const ObjectAlt& object : grammar.objects) {
    for (const ObjectAlt::Region& region : object.regions) preparer.prepare(region.language, false);
  }
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
  Matcher raw(*call, vocabulary);
  CHECK(raw.accept_symbol(kCallOpen) && raw.accept_bytes("\n<function=f>\n<parameter=text>\n"));
  raw.fill_mask(words);  // at the beginning of a line
  CHECK(raw.accept_bytes("x"));
  raw.fill_mask(words);
  vocabulary->tokens_with('>');
  prepare_formats();
}

}  // namespace tessera::grammar
