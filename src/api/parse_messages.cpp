// The `messages` array: roles, contents, tool calls and their results.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_set>

#include "api/parse_chat.h"

namespace tessera::api {
namespace {

// What the readers below hold a message to.
struct Rules {
  const RequestLimits& limits;
  bool as_template;   // Reading::kTemplate
  bool number_media;  // the template's add_vision_id
  int* images;        // seen so far, for the numbers
  int* videos;
};

using chat::Message;
using chat::Role;

// What the template prints for a part that is no text; nothing for parts that it does not know.
std::optional<std::string> media_placeholder(const json::Object& part, std::string_view type,
                                             const Rules& rules) {
  const auto is = [&](std::string_view kind) { return part.contains(kind) || type == kind; };
  const auto number = [&](std::string_view name, int& count) {
    ++count;
    return rules.number_media ? fmt::format("{} {}: ", name, count) : std::string();
  };
  if (is("image") || part.contains("image_url")) {
    return number("Picture", *rules.images) + "<|vision_start|><|image_pad|><|vision_end|>";
  }
  if (is("video"))
    return number("Video", *rules.videos) + "<|vision_start|><|video_pad|><|vision_end|>";
  return std::nullopt;
}

Parsed<std::string> read_part(const json::Value& part, const std::string& path, bool assistant,
                              const Rules& rules) {
  TRY_ASSIGN(const json::Object* object, read_object(part, path));
  std::string_view type = rules.as_template ? "text" : "";
  if (!rules.as_template || object->contains("type")) {
    TRY_ASSIGN(const json::Value* type_value, require(*object, "type", path));
    TRY_ASSIGN(type, read_string(*type_value, join(path, "type")));
  }
  if (rules.as_template) {
    if (std::optional<std::string> placeholder = media_placeholder(*object, type, rules))
      return *std::move(placeholder);
  }
  const bool refusal = type == "refusal" && assistant;
  if (type == "text" || refusal) {
    const std::string_view key = refusal ? "refusal" : "text";
    TRY_ASSIGN(const json::Value* text, require(*object, key, path));
    TRY_ASSIGN(const std::string_view string, read_string(*text, join(path, key)));
    return std::string(string);
  }
  static constexpr std::array<std::string_view, 5> kMedia = {"image_url", "input_audio", "file",
                                                             "image", "video_url"};
  const bool media = std::find(kMedia.begin(), kMedia.end(), type) != kMedia.end();
  return refuse(media ? ErrorId::kUnsupportedContent : ErrorId::kInvalidValue,
                fmt::format("Invalid '{}.type': {}.", path,
                            media ? "this model takes text alone" : "expected 'text'"),
                join(path, "type"));
}

// A string, or an array of text parts, joined.
Parsed<std::string> read_content(const json::Value& value, const std::string& path, bool assistant,
                                 const Rules& rules) {
  if (const std::string* text = value.if_string()) return *text;
  if (value.if_array() == nullptr)
    return wrong_type("a string or an array of content parts", value, path);
  TRY_ASSIGN(const json::Array* parts, read_array(value, path, 1, rules.limits.content_parts));
  std::string joined;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    TRY_ASSIGN(const std::string text, read_part((*parts)[i], join(path, i), assistant, rules));
    joined += text;
  }
  return joined;
}

Parsed<chat::ToolCall> read_tool_call(const json::Value& value, const std::string& path,
                                      const Rules& rules) {
  TRY_ASSIGN(const json::Object* object, read_object(value, path));
  chat::ToolCall call;
  if (!rules.as_template || object->contains("id")) {
    TRY_ASSIGN(const json::Value* id, require(*object, "id", path));
    TRY_ASSIGN(call.id, read_string(*id, join(path, "id"), rules.limits.id_bytes));
  }
  if (const json::Value* type = optional_member(*object, "type")) {
    static constexpr std::array<std::string_view, 1> kTypes = {"function"};
    TRY(read_one_of(*type, join(path, "type"), kTypes));
  }
  const bool wrapped = !rules.as_template || object->contains("function");
  const std::string function_path = wrapped ? join(path, "function") : path;
  const json::Object* function = object;
  if (wrapped) {
    TRY_ASSIGN(const json::Value* function_value, require(*object, "function", path));
    TRY_ASSIGN(function, read_object(*function_value, function_path));
  }
  TRY_ASSIGN(const json::Value* name, require(*function, "name", function_path));
  // Any text: histories come from other servers, too, and a name here is only shown to the model.
  TRY_ASSIGN(call.name, read_string(*name, join(function_path, "name"), rules.limits.id_bytes));
  if (const json::Value* arguments = optional_member(*function, "arguments")) {
    if (arguments->if_object() != nullptr) {
      call.arguments = json::to_text(*arguments);  // some clients send the object itself
    } else {
      TRY_ASSIGN(call.arguments, read_string(*arguments, join(function_path, "arguments")));
    }
  }
  return call;
}

Parsed<void> read_assistant(const json::Object& object, const std::string& path, const Rules& rules,
                            Message& message) {
  for (const std::string_view key : {"function_call", "audio"}) {
    if (optional_member(object, key) != nullptr) {
      return refuse(ErrorId::kUnsupportedParameter,
                    fmt::format("Unsupported parameter: '{}'.", join(path, key)), join(path, key));
    }
  }
  if (const json::Value* calls_value = optional_member(object, "tool_calls")) {
    const std::string calls_path = join(path, "tool_calls");
    TRY_ASSIGN(const json::Array* calls,
               read_array(*calls_value, calls_path, 0, rules.limits.tool_calls_per_message));
    for (std::size_t i = 0; i < calls->size(); ++i) {
      TRY_ASSIGN(chat::ToolCall call, read_tool_call((*calls)[i], join(calls_path, i), rules));
      message.tool_calls.push_back(std::move(call));
    }
  }
  for (const std::string_view key : {"reasoning", "reasoning_content"}) {  // the second wins
    if (const json::Value* reasoning = optional_member(object, key)) {
      TRY_ASSIGN(const std::string_view text, read_string(*reasoning, join(path, key)));
      message.reasoning = text;
    }
  }
  if (optional_member(object, "content") == nullptr && message.tool_calls.empty()) {
    return refuse(
        ErrorId::kMissingRequiredParameter,
        fmt::format("Missing '{}': an assistant message needs content unless it has tool_calls.",
                    join(path, "content")),
        join(path, "content"));
  }
  return {};
}

Parsed<Role> read_role(const json::Object& object, const std::string& path) {
  TRY_ASSIGN(const json::Value* value, require(object, "role", path));
  static constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user",
                                                             "assistant", "tool"};
  TRY_ASSIGN(const std::string_view role, read_one_of(*value, join(path, "role"), kRoles));
  if (role == "user") return Role::kUser;
  if (role == "assistant") return Role::kAssistant;
  if (role == "tool") return Role::kTool;
  return Role::kSystem;
}

Parsed<Message> read_message(const json::Value& value, const std::string& path,
                             const Rules& rules) {
  TRY_ASSIGN(const json::Object* object, read_object(value, path));
  Message message;
  TRY_ASSIGN(message.role, read_role(*object, path));
  if (const json::Value* name = optional_member(*object, "name"))
    TRY(read_string(*name, join(path, "name")));
  if (message.role == Role::kAssistant) {
    TRY(read_assistant(*object, path, rules, message));
  } else {
    TRY(require(*object, "content", path));
  }
  if (const json::Value* content = optional_member(*object, "content")) {
    TRY_ASSIGN(message.content, read_content(*content, join(path, "content"),
                                             message.role == Role::kAssistant, rules));
  }
  if (message.role == Role::kTool && (!rules.as_template || object->contains("tool_call_id"))) {
    TRY_ASSIGN(const json::Value* id, require(*object, "tool_call_id", path));
    TRY_ASSIGN(message.tool_call_id,
               read_string(*id, join(path, "tool_call_id"), rules.limits.id_bytes));
  }
  return message;
}

}  // namespace

Parsed<std::vector<Message>> parse_messages(const json::Value& value, const RequestLimits& limits,
                                            const Reading& reading) {
  TRY_ASSIGN(const json::Array* array, read_array(value, "messages", 1, limits.messages));
  int images = 0;
  int videos = 0;
  const Rules rules{limits, reading.as_template, reading.number_media, &images, &videos};
  std::vector<Message> messages;
  messages.reserve(array->size());
  std::unordered_set<std::string> call_ids;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string path = join("messages", i);
    TRY_ASSIGN(Message message, read_message((*array)[i], path, rules));
    for (const chat::ToolCall& call : message.tool_calls) call_ids.insert(call.id);
    const bool answers = message.role == Role::kTool && !rules.as_template;
    if (answers && !call_ids.contains(message.tool_call_id)) {
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}.tool_call_id': no earlier assistant message has a "
                                "tool call with this id.",
                                path),
                    join(path, "tool_call_id"));
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace tessera::api
