// `functions` and `function_call`: what `tools` and `tool_choice` were called before. They become
// those; the answer has the old shape (ChatShape::function_calls).
#include <fmt/format.h>

#include <string>
#include <utility>

#include "api/chat_fields.h"
#include "api/request_context.h"

namespace tessera::api {
namespace {

Parsed<json::Value> to_tool(const json::Value& function, const std::string& path) {
  TRY(check_field(chat_field("functions[]"), function, path));
  for (const std::string_view row :
       {"functions[].name", "functions[].description", "functions[].parameters"})
    TRY(read_member(*function.if_object(), path, chat_field(row)));
  json::Object tool;
  tool.set("type", "function");
  tool.set("function", function);
  return json::Value(std::move(tool));
}

bool has_function(const std::vector<json::Value>& tools, std::string_view name) {
  for (const json::Value& tool : tools)
    if (*tool.find("function")->find("name")->if_string() == name) return true;
  return false;
}

Unexpected<ApiError> beside(std::string_view field, std::string_view newer) {
  return refuse(
      ErrorId::kInvalidValue,
      fmt::format("'{}' is the older name of '{}': only one of them can be given.", field, newer),
      std::string(field));
}

}  // namespace

Parsed<void> read_functions(const json::Value& value, const Field& field, Context& context) {
  for (std::size_t i = 0; i < value.if_array()->size(); ++i) {
    const std::string path = join(field.path, i);
    TRY_ASSIGN(json::Value tool, to_tool((*value.if_array())[i], path));
    const std::string& name = *tool.find("function")->find("name")->if_string();
    if (has_function(context.functions, name)) {
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}.name': another function has the same name.", path),
                    join(path, "name"));
    }
    context.functions.push_back(std::move(tool));
  }
  return {};
}

Parsed<void> read_function_call(const json::Value& value, const Field&, Context& context) {
  context.function_call = &value;
  return {};
}

Parsed<void> map_functions(Context& context) {
  chat::ChatRequest& request = context.chat->chat;
  using Mode = chat::ToolChoice::Mode;
  if (!context.functions.empty()) {
    if (!request.prompt.tools.empty()) return beside("functions", "tools");
    request.prompt.tools = std::move(context.functions);
    request.parallel_tool_calls = false;
    context.chat->function_calls = true;
  }
  if (context.function_call == nullptr) return {};
  if (context.tool_choice != nullptr) return beside("function_call", "tool_choice");
  if (const std::string* word = context.function_call->if_string()) {
    request.tool_choice.mode = *word == "none" ? Mode::kNone : Mode::kAuto;
    return {};
  }
  TRY_ASSIGN(const json::Value* name,
             read_member(*context.function_call->if_object(), "function_call",
                         chat_field("function_call.name")));
  if (!context.chat->function_calls || !has_function(request.prompt.tools, *name->if_string())) {
    return refuse(ErrorId::kInvalidValue,
                  fmt::format("Invalid 'function_call.name': there is no function '{}' in "
                              "'functions'.",
                              *name->if_string()),
                  "function_call.name");
  }
  request.tool_choice = {Mode::kNamed, {*name->if_string()}};
  return {};
}

void use_older_names(chat::Refusal& refusal) {
  constexpr std::string_view kTools = "tools[";
  constexpr std::string_view kFunction = "].function";
  for (std::string* text : {&refusal.param, &refusal.message}) {
    for (std::size_t at = 0; (at = text->find(kTools, at)) != std::string::npos; ++at) {
      const std::size_t end = text->find(']', at);
      if (end == std::string::npos || text->compare(end, kFunction.size(), kFunction) != 0)
        continue;
      text->erase(end + 1, kFunction.size() - 1);
      text->replace(at, kTools.size(), "functions[");
    }
  }
}

}  // namespace tessera::api
