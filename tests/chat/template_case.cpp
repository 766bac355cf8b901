#include "template_case.h"

#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace tessera::chat {
namespace {

const json::Value kNull;

const json::Value& member(const json::Value& object, std::string_view key) {
  const json::Value* value = object.find(key);
  return value == nullptr ? kNull : *value;
}

std::string string_or_empty(const json::Value& value) {
  return value.if_string() ? *value.if_string() : std::string();
}

// Numbers pictures and videos as the template does when add_vision_id is set.
struct VisionCount {
  bool shown = false;
  int pictures = 0;
  int videos = 0;
};

std::string part_text(const json::Value& part, VisionCount& count) {
  const std::string type = string_or_empty(member(part, "type"));
  const auto media = [&](std::string_view word, int& number, std::string_view token) {
    ++number;
    return (count.shown ? fmt::format("{} {}: ", word, number) : std::string()) +
           fmt::format("<|vision_start|>{}<|vision_end|>", token);
  };
  if (part.find("image") || part.find("image_url") || type == "image") {
    return media("Picture", count.pictures, "<|image_pad|>");
  }
  if (part.find("video") || type == "video") return media("Video", count.videos, "<|video_pad|>");
  return string_or_empty(member(part, "text"));
}

std::string content_text(const json::Value& content, VisionCount& count) {
  if (content.if_array() == nullptr) return string_or_empty(content);
  std::string text;
  for (const json::Value& part : *content.if_array()) text += part_text(part, count);
  return text;
}

ToolCall to_tool_call(const json::Value& value) {
  const json::Value* function = value.find("function");
  const json::Value& call = function == nullptr ? value : *function;
  ToolCall result;
  result.id = string_or_empty(member(value, "id"));
  result.name = string_or_empty(member(call, "name"));
  if (const json::Value* arguments = call.find("arguments")) {
    result.arguments = arguments->if_string() ? *arguments->if_string() : json::to_text(*arguments);
  }
  return result;
}

Result<Message> to_message(const json::Value& value, VisionCount& count) {
  Message message;
  const std::string role = string_or_empty(member(value, "role"));
  if (role == "system" || role == "developer") {
    message.role = Role::kSystem;
  } else if (role == "user") {
    message.role = Role::kUser;
  } else if (role == "assistant") {
    message.role = Role::kAssistant;
  } else if (role == "tool") {
    message.role = Role::kTool;
  } else {
    return fail(ErrorCode::kInvalidArgument, fmt::format("unknown role \"{}\"", role));
  }
  message.content = content_text(member(value, "content"), count);
  const json::Value& reasoning = member(value, "reasoning_content");
  if (reasoning.if_string()) message.reasoning = *reasoning.if_string();
  const json::Value& calls = member(value, "tool_calls");
  if (calls.if_array()) {
    for (const json::Value& call : *calls.if_array()) {
      message.tool_calls.push_back(to_tool_call(call));
    }
  }
  message.tool_call_id = string_or_empty(member(value, "tool_call_id"));
  return message;
}

// A template variable that is set to exactly this boolean.
bool is(const json::Value& value, bool expected) {
  return value.if_bool() != nullptr && *value.if_bool() == expected;
}

}  // namespace

Result<TemplateCase> to_template_case(const json::Value& value) {
  TemplateCase result;
  result.name = string_or_empty(member(value, "name"));
  const json::Value& variables = member(value, "kwargs");
  result.input.enable_thinking = !is(member(variables, "enable_thinking"), false);
  result.input.preserve_thinking = is(member(variables, "preserve_thinking"), true);
  result.input.continue_final_message = is(member(variables, "continue_final_message"), true);
  result.add_generation_prompt = !is(member(variables, "add_generation_prompt"), false);
  VisionCount count{is(member(variables, "add_vision_id"), true)};
  const json::Value& messages = member(value, "messages");
  if (messages.if_array() == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "a case has no array of messages");
  }
  for (const json::Value& message : *messages.if_array()) {
    TRY_ASSIGN(Message converted, to_message(message, count));
    result.input.messages.push_back(std::move(converted));
  }
  const json::Value& tools = member(value, "tools");
  if (tools.if_array()) result.input.tools = *tools.if_array();
  result.text = string_or_empty(member(value, "text"));
  result.template_refuses = !member(value, "error").is_null();
  return result;
}

Result<std::vector<TemplateCase>> read_template_cases(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return fail(ErrorCode::kIo, fmt::format("cannot read {}", path));
  auto parsed = json::parse(text.str());
  if (!parsed) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}", path, parsed.error().message));
  }
  if (parsed->if_array() == nullptr) {
    return fail(ErrorCode::kCorrupt, fmt::format("{} is no array", path));
  }
  std::vector<TemplateCase> cases;
  for (const json::Value& value : *parsed->if_array()) {
    TRY_ASSIGN(TemplateCase converted, to_template_case(value));
    cases.push_back(std::move(converted));
  }
  return cases;
}

}  // namespace tessera::chat
