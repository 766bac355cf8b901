// The `messages` array: roles, contents, tool calls and their results.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "api/chat_fields.h"
#include "api/request_context.h"
#include "chat/custom_tool.h"

namespace tessera::api {
namespace {

// What the readers below hold a message to.
struct Rules {
  bool as_template;   // Reading
  bool number_media;  // the template's add_vision_id
  int* images;        // seen so far, for the numbers
  int* videos;
};

// A checked string member; null when it is absent.
Parsed<const std::string*> read_text(const json::Object& object, const std::string& path,
                                     const Field& field, bool required) {
  TRY_ASSIGN(const json::Value* value, read_member(object, path, field, required));
  return value == nullptr ? nullptr : value->if_string();
}

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

bool is_media(std::string_view type) {
  static constexpr std::array<std::string_view, 7> kMedia = {
      "image_url", "input_audio", "file", "image", "video_url", "video", "audio_url"};
  return std::find(kMedia.begin(), kMedia.end(), type) != kMedia.end();
}

// Where OpenAI's cache would end a prefix. Ours finds the places itself.
Parsed<void> check_breakpoint(const json::Object& part, const std::string& path) {
  static const Field& kBreakpoint = chat_field("messages[].content[].prompt_cache_breakpoint");
  static const Field& kMode = chat_field("messages[].content[].prompt_cache_breakpoint.mode");
  TRY_ASSIGN(const json::Value* breakpoint, read_member(part, path, kBreakpoint));
  if (breakpoint == nullptr) return {};
  TRY(read_member(*breakpoint->if_object(), join(path, "prompt_cache_breakpoint"), kMode));
  return {};
}

Parsed<std::string> read_part(const json::Value& part, const std::string& path, bool may_refuse,
                              const Rules& rules) {
  static const Field& kPart = chat_field("messages[].content[]");
  static const Field& kType = chat_field("messages[].content[].type");
  static const Field& kText = chat_field("messages[].content[].text");
  static const Field& kRefusal = chat_field("messages[].content[].refusal");
  TRY(check_field(kPart, part, path));
  const json::Object& object = *part.if_object();
  const json::Value* type_value = optional_member(object, "type");
  const std::string* given = type_value == nullptr ? nullptr : type_value->if_string();
  if (rules.as_template) {
    if (std::optional<std::string> placeholder =
            media_placeholder(object, given == nullptr ? "" : *given, rules))
      return *std::move(placeholder);
  }
  if (given != nullptr && is_media(*given)) {
    return refuse(ErrorId::kUnsupportedContent,
                  fmt::format("Invalid '{}.type': this model takes text alone.", path),
                  join(path, "type"));
  }
  TRY_ASSIGN(const std::string* type, read_text(object, path, kType, !rules.as_template));
  const bool refusal = type != nullptr && *type == "refusal";
  if (refusal && !may_refuse) {
    return refuse(ErrorId::kInvalidValue,
                  fmt::format("Invalid '{}.type': 'refusal' is for assistant messages, as the "
                              "only part.",
                              path),
                  join(path, "type"));
  }
  TRY(check_breakpoint(object, path));
  TRY_ASSIGN(const std::string* text, read_text(object, path, refusal ? kRefusal : kText, true));
  return *text;
}

// A string, or an array of text parts, joined. `value` has passed its row.
Parsed<std::string> read_content(const json::Value& value, const std::string& path, bool assistant,
                                 const Rules& rules) {
  if (const std::string* text = value.if_string()) return *text;
  const json::Array& parts = *value.if_array();
  const bool may_refuse = assistant && (parts.size() == 1 || rules.as_template);
  std::string joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    TRY_ASSIGN(const std::string text, read_part(parts[i], join(path, i), may_refuse, rules));
    joined += text;
  }
  return joined;
}

Parsed<void> read_custom_call(const json::Object& object, const std::string& path,
                              chat::ToolCall& call) {
  static const Field& kCustom = chat_field("messages[].tool_calls[].custom");
  static const Field& kName = chat_field("messages[].tool_calls[].custom.name");
  static const Field& kInput = chat_field("messages[].tool_calls[].custom.input");
  TRY_ASSIGN(const json::Value* custom, read_member(object, path, kCustom, true));
  const std::string custom_path = join(path, "custom");
  TRY_ASSIGN(const std::string* name, read_text(*custom->if_object(), custom_path, kName, true));
  TRY_ASSIGN(const std::string* input, read_text(*custom->if_object(), custom_path, kInput, true));
  call.name = *name;
  call.arguments = chat::as_arguments(*input);
  return {};
}

Parsed<chat::ToolCall> read_tool_call(const json::Value& value, const std::string& path,
                                      const Rules& rules) {
  static const Field& kCall = chat_field("messages[].tool_calls[]");
  static const Field& kId = chat_field("messages[].tool_calls[].id");
  static const Field& kType = chat_field("messages[].tool_calls[].type");
  static const Field& kFunction = chat_field("messages[].tool_calls[].function");
  static const Field& kName = chat_field("messages[].tool_calls[].function.name");
  static const Field& kArguments = chat_field("messages[].tool_calls[].function.arguments");
  TRY(check_field(kCall, value, path));
  const json::Object& object = *value.if_object();
  chat::ToolCall call;
  TRY_ASSIGN(const std::string* id, read_text(object, path, kId, !rules.as_template));
  if (id != nullptr) call.id = *id;
  TRY(read_member(object, path, kType));
  if (is_custom(value)) {
    TRY(read_custom_call(object, path, call));
    return call;
  }
  const bool wrapped = !rules.as_template || object.contains("function");
  const std::string function_path = wrapped ? join(path, "function") : path;
  const json::Object* function = &object;
  if (wrapped) {
    TRY_ASSIGN(const json::Value* inner, read_member(object, path, kFunction, true));
    function = inner->if_object();
  }
  // Any text: histories come from other servers, too, and a name here is only shown to the model.
  TRY_ASSIGN(const std::string* name, read_text(*function, function_path, kName, true));
  call.name = *name;
  TRY_ASSIGN(const json::Value* arguments, read_member(*function, function_path, kArguments));
  if (arguments != nullptr) {  // some clients send the object itself
    call.arguments =
        arguments->if_string() != nullptr ? *arguments->if_string() : json::to_text(*arguments);
  }
  return call;
}

Parsed<void> read_tool_calls(const json::Object& object, const std::string& path,
                             const Rules& rules, Message& message) {
  static const Field& kCalls = chat_field("messages[].tool_calls");
  TRY_ASSIGN(const json::Value* value, read_member(object, path, kCalls));
  if (value == nullptr) return {};
  const std::string calls_path = join(path, "tool_calls");
  std::unordered_set<std::string> ids;
  for (std::size_t i = 0; i < value->if_array()->size(); ++i) {
    const std::string call_path = join(calls_path, i);
    TRY_ASSIGN(chat::ToolCall call, read_tool_call((*value->if_array())[i], call_path, rules));
    if (!ids.insert(call.id).second && !rules.as_template) {
      return refuse(
          ErrorId::kInvalidValue,
          fmt::format("Invalid '{}.id': another call of this message has the same id.", call_path),
          join(call_path, "id"));
    }
    message.tool_calls.push_back(std::move(call));
  }
  return {};
}

// The older form of a call has no id. Its result follows it, or never comes.
constexpr std::string_view kFunctionCallId = "function_call";

Parsed<void> read_function_call(const json::Object& object, const std::string& path,
                                Message& message) {
  static const Field& kCall = chat_field("messages[].function_call");
  static const Field& kName = chat_field("messages[].function_call.name");
  static const Field& kArguments = chat_field("messages[].function_call.arguments");
  TRY_ASSIGN(const json::Value* call, read_member(object, path, kCall));
  if (call == nullptr) return {};
  const std::string call_path = join(path, "function_call");
  if (!message.tool_calls.empty()) {
    return refuse(ErrorId::kInvalidValue,
                  fmt::format("Invalid '{}': the message has tool_calls as well.", call_path),
                  call_path);
  }
  chat::ToolCall made;
  made.id = kFunctionCallId;
  TRY_ASSIGN(const std::string* name, read_text(*call->if_object(), call_path, kName, true));
  made.name = *name;
  TRY_ASSIGN(const json::Value* arguments, read_member(*call->if_object(), call_path, kArguments));
  if (arguments != nullptr) {
    made.arguments =
        arguments->if_string() != nullptr ? *arguments->if_string() : json::to_text(*arguments);
  }
  message.tool_calls.push_back(std::move(made));
  return {};
}

Parsed<void> read_assistant(const json::Object& object, const std::string& path, const Rules& rules,
                            Message& message) {
  static const Field& kAudio = chat_field("messages[].audio");
  static const Field& kReasoning = chat_field("messages[].reasoning");
  static const Field& kReasoningContent = chat_field("messages[].reasoning_content");
  static const Field& kRefusal = chat_field("messages[].refusal");
  TRY(read_member(object, path, kAudio));
  TRY(read_tool_calls(object, path, rules, message));
  TRY(read_function_call(object, path, message));
  for (const Field* field : {&kReasoning, &kReasoningContent}) {  // the second wins
    TRY_ASSIGN(const std::string* text, read_text(object, path, *field, false));
    if (text != nullptr) message.reasoning = *text;
  }
  TRY_ASSIGN(const std::string* refusal, read_text(object, path, kRefusal, false));
  if (refusal != nullptr) message.content = *refusal;
  if (optional_member(object, "content") == nullptr && refusal == nullptr &&
      message.tool_calls.empty()) {
    return refuse(
        ErrorId::kMissingRequiredParameter,
        fmt::format("Missing '{}': an assistant message needs content unless it has tool_calls.",
                    join(path, "content")),
        join(path, "content"));
  }
  return {};
}

Parsed<Role> read_role(const json::Object& object, const std::string& path) {
  static const Field& kRole = chat_field("messages[].role");
  TRY_ASSIGN(const std::string* role, read_text(object, path, kRole, true));
  if (*role == "user") return Role::kUser;
  if (*role == "assistant") return Role::kAssistant;
  if (*role == "tool" || *role == "function") return Role::kTool;
  return Role::kSystem;
}

Parsed<Message> read_message(const json::Value& value, const std::string& path,
                             const Rules& rules) {
  static const Field& kMessage = chat_field("messages[]");
  static const Field& kName = chat_field("messages[].name");
  static const Field& kContent = chat_field("messages[].content");
  static const Field& kCallId = chat_field("messages[].tool_call_id");
  TRY(check_field(kMessage, value, path));
  const json::Object& object = *value.if_object();
  Message message;
  TRY_ASSIGN(message.role, read_role(object, path));
  TRY(read_member(object, path, kName));
  const bool assistant = message.role == Role::kAssistant;
  if (assistant) TRY(read_assistant(object, path, rules, message));
  TRY_ASSIGN(const json::Value* content, read_member(object, path, kContent, !assistant));
  if (content != nullptr) {
    TRY_ASSIGN(message.content, read_content(*content, join(path, "content"), assistant, rules));
  }
  if (*optional_member(object, "role")->if_string() == "function") {
    message.tool_call_id = kFunctionCallId;
  } else if (message.role == Role::kTool) {
    TRY_ASSIGN(const std::string* id, read_text(object, path, kCallId, !rules.as_template));
    if (id != nullptr) message.tool_call_id = *id;
  }
  return message;
}

// Tool calls that results may answer. An id may come again in a later message, and is open again
// then.
class OpenCalls {
 public:
  void add(const Message& message) {
    for (const chat::ToolCall& call : message.tool_calls) answered_[call.id] = false;
  }
  // `field`: of the message, which says whose result it is.
  Parsed<void> answer(const std::string& id, const std::string& path, std::string_view field) {
    const auto found = answered_.find(id);
    if (found == answered_.end() || found->second) {
      return refuse(ErrorId::kInvalidValue,
                    fmt::format("Invalid '{}': {}.", join(path, field),
                                found == answered_.end()
                                    ? "no earlier assistant message has such a call"
                                    : "an earlier message has the result of this call already"),
                    join(path, field));
    }
    found->second = true;
    return {};
  }

 private:
  std::unordered_map<std::string, bool> answered_;
};

Parsed<void> add_message(const json::Value& value, const std::string& path, const Rules& rules,
                         OpenCalls& calls, std::vector<Message>& messages) {
  TRY_ASSIGN(Message message, read_message(value, path, rules));
  calls.add(message);
  if (message.role == Role::kTool && !rules.as_template) {
    const bool older = value.find("tool_call_id") == nullptr;
    TRY(calls.answer(message.tool_call_id, path, older ? "role" : "tool_call_id"));
  }
  messages.push_back(std::move(message));
  return {};
}

}  // namespace

Parsed<void> read_messages(const json::Value& value, const Field& field, Context& context) {
  int images = 0;
  int videos = 0;
  const Reading& reading = context.options.reading;
  const Rules rules{reading.as_template, reading.number_media, &images, &videos};
  const json::Array& array = *value.if_array();
  std::vector<Message>& messages = context.chat->chat.prompt.messages;
  messages.reserve(array.size());
  OpenCalls calls;
  for (std::size_t i = 0; i < array.size(); ++i) {
    TRY(settle(add_message(array[i], join(field.path, i), rules, calls, messages), context));
  }
  return {};
}

}  // namespace tessera::api
