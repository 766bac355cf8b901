#include "chat/custom_tool.h"

#include <utility>

namespace tessera::chat {
namespace {

std::string describe(const CustomFormat& format) {
  switch (format.syntax) {
    case CustomFormat::Syntax::kText:
      return "Any text.";
    case CustomFormat::Syntax::kRegex:
      return "A text that matches this regular expression as a whole:\n" + format.definition;
    case CustomFormat::Syntax::kLark:
      return "A text of this grammar, which is written in Lark's notation:\n" + format.definition;
  }
  return {};
}

}  // namespace

json::Value as_function(const json::Object& custom, const CustomFormat& format) {
  json::Object input;
  input.set("type", "string");
  input.set("description", describe(format));
  json::Object properties;
  properties.set(std::string(kCustomInput), std::move(input));
  json::Object parameters;
  parameters.set("type", "object");
  parameters.set("properties", std::move(properties));
  parameters.set("required", json::Array{json::Value(std::string(kCustomInput))});
  json::Object function;
  function.set("name", *custom.find("name"));
  const json::Value* description = custom.find("description");
  if (description != nullptr && !description->is_null()) function.set("description", *description);
  function.set("parameters", std::move(parameters));
  json::Object tool;
  tool.set("type", "function");
  tool.set("function", std::move(function));
  return json::Value(std::move(tool));
}

std::string as_arguments(std::string_view input) {
  json::Object arguments;
  arguments.set(std::string(kCustomInput), std::string(input));
  return json::to_text(json::Value(std::move(arguments)));
}

}  // namespace tessera::chat
