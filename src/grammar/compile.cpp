#include "grammar/compile.h"

#include <utility>

#include "grammar/node_builder.h"
#include "grammar/schema.h"
#include "grammar/shaper.h"

namespace tessera::grammar {
namespace {

// Builds the nodes of one schema into `grammar`; its root.
Result<NodeId, GrammarError> build_schema(Grammar& grammar, const json::Value& schema,
                                          Budget& budget) {
  const SchemaDocument document(schema, budget);
  Shaper shaper(document, budget);
  NodeBuilder builder(grammar, shaper);
  const NodeId root = builder.node({Term{&schema, true}});
  TRY(builder.finish());
  return root;
}

Result<void, GrammarError> finish(Grammar& grammar, Budget& budget) {
  prune(grammar, budget);
  if (budget.exhausted()) {
    return fail(GrammarErrorCode::kSchemaTooComplex, "the schema is too complex");
  }
  return {};
}

}  // namespace

Result<GrammarPtr, GrammarError> compile_schema(const json::Value& schema, bool thinking,
                                                const CompileLimits& limits) {
  Budget budget(limits);
  auto grammar = std::make_shared<Grammar>();
  TRY_ASSIGN(const NodeId root, build_schema(*grammar, schema, budget));
  TRY(finish(*grammar, budget));
  if (grammar->nodes[root].height == kNone) {
    return fail(GrammarErrorCode::kInvalidSchema, "no value satisfies the schema");
  }
  grammar->plan.thinking = thinking;
  grammar->plan.json = root;
  return GrammarPtr(std::move(grammar));
}

Result<GrammarPtr, GrammarError> compile_json_object(bool thinking) {
  json::Object object;
  object.set("type", "object");
  return compile_schema(json::Value(std::move(object)), thinking);
}

}  // namespace tessera::grammar
