// JSON Schema to a grammar. What cannot be enforced, is malformed, impossible or over the limits is
// an error that names the place; nothing is ignored. Any thread; meant for one that may be busy for
// some milliseconds.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "grammar/error.h"
#include "grammar/grammar.h"

namespace tessera::grammar {

// One JSON text, and nothing around it.
Result<GrammarPtr, GrammarError> compile_schema(const json::Value& schema, bool thinking = false,
                                                const CompileLimits& limits = {});
// Any JSON object.
Result<GrammarPtr, GrammarError> compile_json_object(bool thinking = false);

}  // namespace tessera::grammar
