// `tools` and `tool_choice`.
#include <fmt/format.h>

#include <unordered_set>

#include "api/chat_fields.h"
#include "api/request_context.h"
#include "chat/custom_tool.h"

namespace tessera::api {
namespace {

// Each of the object's members that the rows describe, checked; a required one must be there.
Parsed<void> check_members(const json::Object& object, std::string_view parent,
                           std::initializer_list<std::string_view> rows) {
  for (const std::string_view row : rows) TRY(read_member(object, parent, chat_field(row)));
  return {};
}

Parsed<void> read_function(const json::Object& function, const std::string& path,
                           const Reading& reading) {
  TRY(check_members(
      function, path,
      {"tools[].function.description", "tools[].function.strict", "tools[].function.parameters"}));
  if (!reading.as_template) return check_members(function, path, {"tools[].function.name"});
  const json::Value* name = optional_member(function, "name");
  if (name == nullptr || name->if_string() == nullptr) return missing(join(path, "name"));
  return {};
}

Parsed<void> read_custom(const json::Object& custom, const std::string& path) {
  TRY(check_members(custom, path, {"tools[].custom.name", "tools[].custom.description"}));
  TRY_ASSIGN(const json::Value* format,
             read_member(custom, path, chat_field("tools[].custom.format")));
  if (format == nullptr) return {};
  const std::string format_path = join(path, "format");
  TRY_ASSIGN(const json::Value* type, read_member(*format->if_object(), format_path,
                                                  chat_field("tools[].custom.format.type")));
  if (*type->if_string() == "text") return {};
  TRY_ASSIGN(const json::Value* grammar,
             read_member(*format->if_object(), format_path,
                         chat_field("tools[].custom.format.grammar"), true));
  return check_members(
      *grammar->if_object(), join(format_path, "grammar"),
      {"tools[].custom.format.grammar.definition", "tools[].custom.format.grammar.syntax"});
}

// {"type": "function", "function": {…}} and {"type": "custom", "custom": {…}}: the inner object.
// `row`: of the outer one, "tools[]".
struct Typed {
  std::string type;
  const json::Object* inner = nullptr;
  std::string path;
};
Parsed<Typed> read_typed(const json::Value& value, const std::string& path, std::string_view row) {
  TRY_ASSIGN(const json::Value* type,
             read_member(*value.if_object(), path, chat_field(join(row, "type"))));
  const std::string& kind = *type->if_string();
  TRY_ASSIGN(const json::Value* inner,
             read_member(*value.if_object(), path, chat_field(join(row, kind)), true));
  return Typed{kind, inner->if_object(), join(path, kind)};
}

// → the tool's name
Parsed<std::string> read_tool(const json::Value& value, const std::string& path,
                              const Reading& reading) {
  TRY(check_field(chat_field("tools[]"), value, path));
  TRY_ASSIGN(const Typed tool, read_typed(value, path, "tools[]"));
  if (tool.type == "custom") {
    TRY(read_custom(*tool.inner, tool.path));
  } else {
    TRY(read_function(*tool.inner, tool.path, reading));
  }
  return *tool.inner->find("name")->if_string();
}

// The tool that {"type", "function" or "custom": {"name"}} means. `row`: its row.
Parsed<std::string> read_reference(const json::Value& value, const std::string& path,
                                   std::string_view row, const std::vector<json::Value>& tools) {
  TRY_ASSIGN(const Typed reference, read_typed(value, path, row));
  const std::string name_row = join(join(row, reference.type), "name");
  TRY_ASSIGN(const json::Value* name,
             read_member(*reference.inner, reference.path, chat_field(name_row)));
  for (const json::Value& tool : tools) {
    const json::Value* inner = tool.find(reference.type);
    const json::Value* known = inner == nullptr ? nullptr : inner->find("name");
    if (known != nullptr && *known->if_string() == *name->if_string()) return *name->if_string();
  }
  return refuse(ErrorId::kInvalidValue,
                fmt::format("Invalid '{}.name': there is no tool '{}' in 'tools'.", reference.path,
                            *name->if_string()),
                join(reference.path, "name"));
}

Parsed<chat::ToolChoice> read_allowed(const json::Value& value,
                                      const std::vector<json::Value>& tools) {
  using Mode = chat::ToolChoice::Mode;
  const std::string path = "tool_choice.allowed_tools";
  TRY_ASSIGN(const json::Value* allowed,
             read_member(*value.if_object(), "tool_choice", chat_field(path), true));
  const json::Object& object = *allowed->if_object();
  TRY_ASSIGN(const json::Value* mode, read_member(object, path, chat_field(path + ".mode")));
  TRY_ASSIGN(const json::Value* list, read_member(object, path, chat_field(path + ".tools")));
  chat::ToolChoice choice{*mode->if_string() == "auto" ? Mode::kAuto : Mode::kRequired, {}};
  const std::string row = path + ".tools[]";
  for (std::size_t i = 0; i < list->if_array()->size(); ++i) {
    const json::Value& item = (*list->if_array())[i];
    const std::string item_path = join(path + ".tools", i);
    TRY(check_field(chat_field(row), item, item_path));
    TRY_ASSIGN(std::string name, read_reference(item, item_path, row, tools));
    choice.names.push_back(std::move(name));
  }
  return choice;
}

Parsed<void> need_tools(const std::vector<json::Value>& tools) {
  if (!tools.empty()) return {};
  return refuse(
      ErrorId::kInvalidValue,
      "Invalid value for 'tool_choice': it asks for a tool call, but there are no 'tools'.",
      "tool_choice");
}

chat::CustomFormat format_of(const json::Object& custom) {
  using Syntax = chat::CustomFormat::Syntax;
  const json::Value* format = optional_member(custom, "format");
  const json::Value* grammar = format == nullptr ? nullptr : format->find("grammar");
  if (grammar == nullptr || *format->find("type")->if_string() == "text") return {};
  const bool regex = *grammar->find("syntax")->if_string() == "regex";
  return {regex ? Syntax::kRegex : Syntax::kLark, *grammar->find("definition")->if_string()};
}

}  // namespace

bool is_custom(const json::Value& tool) {
  const json::Value* type = tool.find("type");
  return type != nullptr && type->if_string() != nullptr && *type->if_string() == "custom";
}

Parsed<void> read_tools(const json::Value& value, const Field&, Context& context) {
  const json::Array& array = *value.if_array();
  const Reading& reading = context.options.reading;
  std::unordered_set<std::string> names;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const std::string path = join("tools", i);
    TRY_ASSIGN(std::string name, read_tool(array[i], path, reading));
    if (!names.insert(std::move(name)).second && !reading.as_template) {
      const std::string at = join(join(path, is_custom(array[i]) ? "custom" : "function"), "name");
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}': another tool has the same name.", at), at);
    }
  }
  context.chat->chat.prompt.tools = array;
  return {};
}

void map_custom_tools(chat::ChatRequest& request) {
  for (json::Value& tool : request.prompt.tools) {
    if (!is_custom(tool)) continue;
    const json::Object& custom = *tool.find("custom")->if_object();
    chat::CustomFormat format = format_of(custom);
    json::Value function = chat::as_function(custom, format);
    request.custom_tools.emplace(*custom.find("name")->if_string(), std::move(format));
    tool = std::move(function);
  }
}

Parsed<chat::ToolChoice> parse_tool_choice(const json::Value& value,
                                           const std::vector<json::Value>& tools) {
  using Mode = chat::ToolChoice::Mode;
  if (const std::string* word = value.if_string()) {
    if (*word == "none") return chat::ToolChoice{Mode::kNone, {}};
    if (*word == "auto") return chat::ToolChoice{Mode::kAuto, {}};
    TRY(need_tools(tools));
    return chat::ToolChoice{Mode::kRequired, {}};
  }
  TRY_ASSIGN(const json::Value* type,
             read_member(*value.if_object(), "tool_choice", chat_field("tool_choice.type")));
  if (*type->if_string() == "allowed_tools") {
    TRY_ASSIGN(chat::ToolChoice choice, read_allowed(value, tools));
    return choice;
  }
  TRY_ASSIGN(std::string name, read_reference(value, "tool_choice", "tool_choice", tools));
  return chat::ToolChoice{Mode::kNamed, {std::move(name)}};
}

}  // namespace tessera::api
