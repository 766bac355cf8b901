#include "grammar/compile.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "grammar/call_builder.h"
#include "grammar/cost.h"
#include "grammar/node_builder.h"
#include "grammar/schema.h"
#include "grammar/shaper.h"
#include "grammar/value_count.h"

namespace tessera::grammar {
namespace {

// Builds the nodes of one schema into `grammar`; its root.
Result<NodeId, GrammarError> build_schema(Grammar& grammar, const json::Value& schema,
                                          Budget& budget, Shaper::Patterns& patterns) {
  const SchemaDocument document(schema, budget);
  Shaper shaper(document, budget, &patterns);
  NodeBuilder builder(grammar, shaper);
  const NodeId root = builder.node({Term{&schema, true}});
  TRY(builder.finish());
  return root;
}

// Of items that have to differ there must be enough.
Result<void, GrammarError> count_items(Grammar& grammar, Budget& budget) {
  const auto differs = [](const ArrayAlt& array) { return array.differ; };
  if (std::none_of(grammar.arrays.begin(), grammar.arrays.end(), differs)) return {};
  count_values(grammar, budget);
  for (const ArrayAlt& array : grammar.arrays) {
    const std::uint32_t last =
        std::min(array.min, static_cast<std::uint32_t>(array.prefix.size()) + 1);
    for (std::uint32_t i = 0; array.differ && i < last; ++i) {
      const NodeId node = array.item_node(i, 0);
      const std::uint32_t before = i < array.prefix.size() ? i : array.min - 1;
      if (node == kNone || grammar.nodes[node].values > before) continue;
      return fail(GrammarErrorCode::kUnsupportedSchema,
                  "uniqueItems cannot be enforced for so many items of so few values");
    }
  }
  return {};
}

Result<void, GrammarError> finish(Grammar& grammar, Budget& budget) {
  prune(grammar, budget);
  if (budget.exhausted()) {
    return fail(GrammarErrorCode::kSchemaTooComplex, "the schema is too complex");
  }
  TRY(count_items(grammar, budget));
  // What the masks ask of the languages, while nobody waits for a token.
  for (const StringAlt& string : grammar.strings) string.language->alike();
  for (const ObjectAlt& object : grammar.objects) {
    for (const auto& region : object.regions) region.language->alike();
  }
  return {};
}

Result<void, GrammarError> check_root(const Grammar& grammar, NodeId root) {
  const std::uint32_t height = grammar.nodes[root].height;
  if (height == kNone) {
    return fail(GrammarErrorCode::kInvalidSchema, "no value satisfies the schema");
  }
  if (height > kMaxNesting) {
    return fail(GrammarErrorCode::kSchemaTooComplex, "every value nests deeper than 64 levels");
  }
  return {};
}

}  // namespace

Result<GrammarPtr, GrammarError> compile_schema(const json::Value& schema, bool thinking,
                                                const CompileLimits& limits) {
  Budget budget(limits);
  auto grammar = std::make_shared<Grammar>();
  Shaper::Patterns patterns;
  TRY_ASSIGN(const NodeId root, build_schema(*grammar, schema, budget, patterns));
  TRY(finish(*grammar, budget));
  TRY(check_root(*grammar, root));
  grammar->plan.thinking = thinking;
  grammar->plan.json = root;
  measure_costs(*grammar);
  return GrammarPtr(std::move(grammar));
}

Result<GrammarPtr, GrammarError> compile_json_object(bool thinking) {
  json::Object object;
  object.set("type", "object");
  return compile_schema(json::Value(std::move(object)), thinking);
}

namespace {

GrammarError at(std::string prefix, GrammarError error) {
  error.path = std::move(prefix) + error.path;
  return error;
}

const json::Value& any_object() {
  static const json::Value schema = [] {
    json::Object object;
    object.set("type", "object");
    return json::Value(std::move(object));
  }();
  return schema;
}

}  // namespace

Result<GrammarPtr, GrammarError> compile_tools(const ToolRules& rules,
                                               const json::Value* json_schema, bool thinking,
                                               const CompileLimits& limits) {
  Budget budget(limits);
  auto grammar = std::make_shared<Grammar>();
  Plan& plan = grammar->plan;
  Shaper::Patterns patterns;
  if (json_schema != nullptr && !rules.required) {
    auto root = build_schema(*grammar, *json_schema, budget, patterns);
    if (!root) return Unexpected{at("/response_format", std::move(root).error())};
    plan.json = *root;
  }
  std::vector<NodeId> roots;
  for (std::size_t i = 0; i < rules.functions.size(); ++i) {
    if (rules.inputs.contains(i)) {
      roots.push_back(kNone);
      continue;
    }
    const json::Value* parameters = rules.functions[i]->find("parameters");
    const bool none = parameters == nullptr || parameters->is_null();
    auto root = build_schema(*grammar, none ? any_object() : *parameters, budget, patterns);
    if (!root) {
      return Unexpected{
          at("/tools/" + std::to_string(i) + "/function/parameters", std::move(root).error())};
    }
    roots.push_back(*root);
  }
  TRY(finish(*grammar, budget));
  if (plan.json != kNone) {
    auto root = check_root(*grammar, plan.json);
    if (!root) return Unexpected{at("/response_format", std::move(root).error())};
  }
  CallBuilder calls(*grammar, budget);
  for (std::size_t i = 0; i < rules.functions.size(); ++i) {
    const json::Value* name = rules.functions[i]->find("name");
    const json::Value* parameters = rules.functions[i]->find("parameters");
    CHECK(name != nullptr && name->if_string() != nullptr);
    if (const auto input = rules.inputs.find(i); input != rules.inputs.end()) {
      auto added = calls.add_text(*name->if_string(), input->second.parameter, input->second.form);
      if (!added)
        return Unexpected{at("/tools/" + std::to_string(i) + "/input", std::move(added).error())};
      continue;
    }
    auto added = calls.add(*name->if_string(), parameters, roots[i]);
    if (!added) {
      return Unexpected{
          at("/tools/" + std::to_string(i) + "/function/parameters", std::move(added).error())};
    }
  }
  if (budget.exhausted()) {
    return fail(GrammarErrorCode::kSchemaTooComplex, "the tools are too complex");
  }
  plan.thinking = thinking;
  plan.calls = !rules.functions.empty();
  plan.free_text = !rules.required && json_schema == nullptr;
  plan.may_end = plan.free_text;
  plan.parallel_calls = rules.parallel;
  measure_costs(*grammar);
  return GrammarPtr(std::move(grammar));
}

}  // namespace tessera::grammar
