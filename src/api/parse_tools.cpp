// `tools` and `tool_choice`.
#include <fmt/format.h>

#include <array>
#include <unordered_set>

#include "api/parse_chat.h"

namespace tessera::api {
namespace {

Parsed<std::string_view> read_tool(const json::Value& value, const std::string& path,
                                   const RequestLimits& limits, const Reading& reading) {
  TRY_ASSIGN(const json::Object* tool, read_object(value, path));
  TRY_ASSIGN(const json::Value* type, require(*tool, "type", path));
  TRY_ASSIGN(const std::string_view type_name, read_string(*type, join(path, "type")));
  if (type_name != "function") {
    return refuse(type_name == "custom" ? ErrorId::kUnsupportedValue : ErrorId::kInvalidValue,
                  fmt::format("Invalid '{}.type': tools of type 'function' are supported.", path),
                  join(path, "type"));
  }
  TRY_ASSIGN(const json::Value* function_value, require(*tool, "function", path));
  const std::string function_path = join(path, "function");
  TRY_ASSIGN(const json::Object* function, read_object(*function_value, function_path));
  if (const json::Value* description = optional_member(*function, "description")) {
    TRY(read_string(*description, join(function_path, "description")));
  }
  if (const json::Value* strict = optional_member(*function, "strict"))
    TRY(read_bool(*strict, join(function_path, "strict")));
  if (const json::Value* parameters = optional_member(*function, "parameters");
      parameters && !parameters->if_object()) {
    return refuse(ErrorId::kInvalidFunctionParameters,
                  fmt::format("Invalid '{}.parameters': expected a JSON Schema object, but got {}.",
                              function_path, json::type_name(parameters->type())),
                  join(function_path, "parameters"));
  }
  TRY_ASSIGN(const json::Value* name, require(*function, "name", function_path));
  if (reading.as_template) return read_string(*name, join(function_path, "name"));
  return read_name(*name, join(function_path, "name"), limits.name_bytes);
}

}  // namespace

Parsed<std::vector<json::Value>> parse_tools(const json::Value& value, const RequestLimits& limits,
                                             const Reading& reading) {
  TRY_ASSIGN(const json::Array* array, read_array(value, "tools", 0, limits.tools));
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string path = join("tools", i);
    TRY_ASSIGN(const std::string_view name, read_tool((*array)[i], path, limits, reading));
    if (!names.insert(name).second && !reading.as_template) {
      return refuse(
          ErrorId::kInvalidValue,
          fmt::format("Invalid '{}.function.name': another tool has the same name.", path),
          join(path, "function.name"));
    }
  }
  return *array;
}

Parsed<chat::ToolChoice> parse_tool_choice(const json::Value& value, bool has_tools) {
  static constexpr std::array<std::string_view, 3> kWords = {"none", "auto", "required"};
  if (value.if_string() != nullptr) {
    TRY_ASSIGN(const std::string_view word, read_one_of(value, "tool_choice", kWords));
    if (word == "none") return chat::ToolChoice::kNone;
    if (word == "auto") return chat::ToolChoice::kAuto;
  } else if (value.if_object() == nullptr) {
    return wrong_type("a string or an object", value, "tool_choice");
  }
  if (!has_tools) {
    return refuse(
        ErrorId::kInvalidValue,
        "Invalid value for 'tool_choice': it asks for a tool call, but there are no 'tools'.",
        "tool_choice");
  }
  return refuse(ErrorId::kUnsupportedValue,
                "Unsupported value for 'tool_choice': 'none' and 'auto' are supported by this "
                "version; it cannot yet guarantee a call.",
                "tool_choice");
}

}  // namespace tessera::api
