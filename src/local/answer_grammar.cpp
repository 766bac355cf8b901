#include "local/answer_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "chat/custom_tool.h"
#include "grammar/compile.h"
#include "grammar/matcher.h"

namespace tessera::local {
namespace {

using chat::Refusal;
using chat::RefusalCode;
using chat::ResponseFormat;
using Mode = chat::ToolChoice::Mode;

constexpr std::size_t kCacheBytes = std::size_t{128} << 20;
constexpr std::string_view kSchemaPath = "response_format.json_schema.schema";

// Takes the first step off a JSON pointer, unescaped.
std::string take_step(std::string_view& pointer) {
  CHECK(pointer.starts_with('/'));
  pointer.remove_prefix(1);
  const std::size_t end = std::min(pointer.find('/'), pointer.size());
  std::string step;
  for (std::size_t i = 0; i < end; ++i) {
    const bool escape = pointer[i] == '~' && i + 1 < end;
    step += !escape ? pointer[i] : pointer[++i] == '1' ? '/' : '~';
  }
  pointer.remove_prefix(end);
  return step;
}

std::size_t take_index(std::string_view& pointer) {
  const std::string step = take_step(pointer);
  std::size_t index = 0;
  std::from_chars(step.data(), step.data() + step.size(), index);
  return index;
}

// `pointer` into `schema`, which stands at `path`, as our paths are written: a.b[2].c
std::string path_of(std::string path, const json::Value* schema, std::string_view pointer) {
  while (pointer.starts_with('/')) {
    const bool array = schema != nullptr && schema->if_array() != nullptr;
    const std::string step = take_step(pointer);
    path += array ? '[' + step + ']' : '.' + step;
    if (schema == nullptr) continue;
    if (!array) {
      schema = schema->find(step);
      continue;
    }
    std::size_t index = 0;
    std::from_chars(step.data(), step.data() + step.size(), index);
    schema = index < schema->if_array()->size() ? &(*schema->if_array())[index] : nullptr;
  }
  return path;
}

Refusal to_refusal(const grammar::GrammarError& error, std::string path) {
  using Code = grammar::GrammarErrorCode;
  switch (error.code) {
    case Code::kUnsupportedSchema:
      return {RefusalCode::kUnsupportedSchema,
              fmt::format("Unsupported schema at '{}': {}. What cannot be enforced is refused, not "
                          "ignored.",
                          path, error.message),
              std::move(path), 0};
    case Code::kInvalidSchema:
      return {RefusalCode::kInvalidSchema,
              fmt::format("Invalid schema at '{}': {}.", path, error.message), std::move(path), 0};
    case Code::kInvalidRegex:
      return {RefusalCode::kInvalidRegex,
              fmt::format("Invalid pattern at '{}': {}.", path, error.message), std::move(path), 0};
    case Code::kUnsupportedGrammar:
      return {RefusalCode::kUnsupportedValue,
              fmt::format("Unsupported value in '{}': {}.", path, error.message), std::move(path),
              0};
    case Code::kInvalidGrammar:
      return {RefusalCode::kInvalidRequest,
              fmt::format("Invalid grammar in '{}': {}.", path, error.message), std::move(path), 0};
    case Code::kSchemaTooComplex:
      return {RefusalCode::kSchemaTooComplex,
              fmt::format("The schema at '{}' costs more than this server spends on one: {}. "
                          "Please simplify it.",
                          path, error.message),
              std::move(path), 0};
  }
  return {RefusalCode::kInternal, "The schema could not be read.", std::move(path), 0};
}

// The tools that may be called, and where the request has them.
struct Callable {
  std::vector<const json::Value*> functions;
  std::vector<std::size_t> places;  // in `tools`
};

Callable callable(const chat::ChatRequest& request) {
  Callable out;
  if (request.tool_choice.mode == Mode::kNone) return out;
  const std::vector<std::string>& names = request.tool_choice.names;
  for (std::size_t i = 0; i < request.prompt.tools.size(); ++i) {
    const json::Value* function = request.prompt.tools[i].find("function");
    if (function == nullptr) continue;
    const json::Value* name = function->find("name");
    CHECK(name != nullptr && name->if_string() != nullptr);
    const bool allowed =
        names.empty() || std::find(names.begin(), names.end(), *name->if_string()) != names.end();
    if (!allowed) continue;
    out.functions.push_back(function);
    out.places.push_back(i);
  }
  return out;
}

// compile_tools() says which of the functions, or the response format, is at fault.
Refusal refuse_tools(const grammar::GrammarError& error, const Callable& tools,
                     const json::Value* schema) {
  std::string_view pointer = error.path;
  if (pointer.empty()) return to_refusal(error, "tools");
  if (take_step(pointer) == "response_format")
    return to_refusal(error, path_of(std::string(kSchemaPath), schema, pointer));
  const std::size_t index = take_index(pointer);
  CHECK(index < tools.functions.size());
  if (take_step(pointer) == "input") {
    return to_refusal(
        error, fmt::format("tools[{}].custom.format.grammar.definition", tools.places[index]));
  }
  return to_refusal(error, path_of(fmt::format("tools[{}].function", tools.places[index]),
                                   tools.functions[index], pointer));
}

std::map<std::size_t, grammar::ToolRules::Input> inputs_of(const Callable& tools,
                                                           const chat::CustomTools& custom) {
  using Syntax = grammar::TextForm::Syntax;
  std::map<std::size_t, grammar::ToolRules::Input> inputs;
  for (std::size_t i = 0; i < tools.functions.size(); ++i) {
    const auto found = custom.find(*tools.functions[i]->find("name")->if_string());
    if (found == custom.end()) continue;
    const chat::CustomFormat& format = found->second;
    const Syntax syntax = format.syntax == chat::CustomFormat::Syntax::kText    ? Syntax::kAny
                          : format.syntax == chat::CustomFormat::Syntax::kRegex ? Syntax::kRegex
                                                                                : Syntax::kLark;
    inputs[i] = {chat::kCustomInput, {syntax, format.definition}};
  }
  return inputs;
}

json::Value any_object() {
  json::Object object;
  object.set("type", "object");
  return json::Value(std::move(object));
}

// What a grammar is made of, and all that it depends on.
struct Form {
  grammar::ToolRules rules;
  const json::Value* schema = nullptr;  // of the JSON text; null: none
  bool in_reasoning = false;

  grammar::GrammarCache::Compiled compile() const {
    return rules.functions.empty() ? grammar::compile_schema(*schema, in_reasoning)
                                   : grammar::compile_tools(rules, schema, in_reasoning);
  }
  std::string key() const {
    std::string text = fmt::format("{:d}{:d}{:d}", in_reasoning, rules.required, rules.parallel);
    if (schema != nullptr) text += json::to_text(*schema);
    for (std::size_t i = 0; i < rules.functions.size(); ++i) {
      for (const std::string_view member : {"name", "parameters"}) {
        text += '\n';  // which no JSON text of ours has
        const json::Value* value = rules.functions[i]->find(member);
        if (value != nullptr) text += json::to_text(*value);
      }
      const auto input = rules.inputs.find(i);
      if (input == rules.inputs.end()) continue;
      text += fmt::format("\n{:d}", static_cast<int>(input->second.form.syntax));
      json::append_string(input->second.form.definition, text);
    }
    return text;
  }
};

}  // namespace

AnswerGrammars::AnswerGrammars() : cache_(kCacheBytes) {}

Result<grammar::GrammarPtr, Refusal> AnswerGrammars::compile(
    const chat::ChatRequest& request, bool in_reasoning, const grammar::Vocabulary& vocabulary) {
  const ResponseFormat& format = request.response_format;
  const Callable tools = callable(request);
  const Mode mode = request.tool_choice.mode;
  const json::Value object = any_object();
  Form form;
  if (format.kind == ResponseFormat::Kind::kJsonObject) form.schema = &object;
  if (format.kind == ResponseFormat::Kind::kJsonSchema) form.schema = &format.schema;
  form.rules.functions = tools.functions;
  form.rules.inputs = inputs_of(tools, request.custom_tools);
  form.rules.required = mode == Mode::kRequired || mode == Mode::kNamed;
  form.rules.parallel = request.parallel_tool_calls && mode != Mode::kNamed;
  form.in_reasoning = in_reasoning;
  if (form.schema == nullptr && tools.functions.empty()) return grammar::GrammarPtr();
  auto compiled = cache_.get(request.account, form.key(), [&] {
    auto made = form.compile();
    if (made) grammar::prepare_masks(**made, vocabulary);
    return made;
  });
  if (compiled) return *std::move(compiled);
  const grammar::GrammarError& error = compiled.error();
  if (!tools.functions.empty()) return Unexpected{refuse_tools(error, tools, form.schema)};
  return Unexpected{to_refusal(error, path_of(std::string(kSchemaPath), form.schema, error.path))};
}

}  // namespace tessera::local
