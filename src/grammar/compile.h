// JSON Schema to a grammar. What cannot be enforced, is malformed, impossible or over the limits is
// an error that names the place; nothing is ignored. Any thread; meant for one that may be busy for
// some milliseconds.
#pragma once

#include <cstddef>
#include <map>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grammar/error.h"
#include "grammar/grammar.h"
#include "grammar/text_form.h"

namespace tessera::grammar {

// The tools that may be called, and when.
struct ToolRules {
  std::vector<const json::Value*> functions;  // {"name": …, "parameters": …} as the API has them
  bool required = false;  // there is a call; otherwise free text, or the JSON text, will do
  bool parallel = true;   // several calls may follow each other
  // Some of them, by index, have one parameter of this name and form, whatever their "parameters"
  // say.
  struct Input {
    std::string_view parameter;
    TextForm form;
  };
  std::map<std::size_t, Input> inputs = {};
};

// One JSON text, and nothing around it.
Result<GrammarPtr, GrammarError> compile_schema(const json::Value& schema, bool thinking = false,
                                                const CompileLimits& limits = {});
// Any JSON object.
Result<GrammarPtr, GrammarError> compile_json_object(bool thinking = false);
// Free text with calls, or calls alone; with `json_schema`, calls or one JSON text instead of free
// text. The error's path begins with "/tools/INDEX" (the index into `functions`), behind which
// "/input" means its form's definition, or with "/response_format".
Result<GrammarPtr, GrammarError> compile_tools(const ToolRules& rules,
                                               const json::Value* json_schema = nullptr,
                                               bool thinking = false,
                                               const CompileLimits& limits = {});

}  // namespace tessera::grammar
