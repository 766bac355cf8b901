// What the single fields of a chat request mean, but for messages and tools.
#include <fmt/format.h>

#include "api/chat_fields.h"
#include "api/request_context.h"

namespace tessera::api {

Parsed<void> read_tool_choice(const json::Value& value, const Field&, Context& context) {
  context.tool_choice = &value;  // the tools may come behind it
  return {};
}

Parsed<void> read_parallel_tool_calls(const json::Value& value, const Field&, Context& context) {
  context.chat->chat.parallel_tool_calls = *value.if_bool();
  return {};
}

Parsed<void> read_max_completion_tokens(const json::Value& value, const Field&, Context& context) {
  context.max_completion_tokens = to_token_count(value);
  return {};
}

Parsed<void> read_logprobs(const json::Value& value, const Field&, Context& context) {
  context.logprobs = *value.if_bool();
  return {};
}

Parsed<void> read_top_logprobs(const json::Value& value, const Field&, Context& context) {
  context.top_logprobs = static_cast<std::int32_t>(*value.as_int64());
  return {};
}

Parsed<void> read_response_format(const json::Value& value, const Field& field, Context& context) {
  chat::ResponseFormat& format = context.chat->chat.response_format;
  const json::Object& object = *value.if_object();
  TRY_ASSIGN(const json::Value* type,
             read_member(object, field.path, context.row("response_format.type")));
  const bool needs_schema = *type->if_string() == "json_schema";
  const Field& schema_row = context.row("response_format.json_schema");
  TRY_ASSIGN(const json::Value* inner, read_member(object, field.path, schema_row, needs_schema));
  if (!needs_schema) {
    if (*type->if_string() == "json_object") format.kind = chat::ResponseFormat::Kind::kJsonObject;
    return {};
  }
  const auto member = [&](std::string_view path) {
    return read_member(*inner->if_object(), schema_row.path, context.row(path));
  };
  TRY_ASSIGN(const json::Value* name, member("response_format.json_schema.name"));
  TRY_ASSIGN(const json::Value* schema, member("response_format.json_schema.schema"));
  TRY_ASSIGN(const json::Value* strict, member("response_format.json_schema.strict"));
  TRY(member("response_format.json_schema.description"));
  format.kind = chat::ResponseFormat::Kind::kJsonSchema;
  format.name = *name->if_string();
  format.schema = *schema;
  format.strict = strict != nullptr && *strict->if_bool();
  return {};
}

Parsed<void> read_template_kwargs(const json::Value& value, const Field& field, Context& context) {
  const auto flag = [&](std::string_view path, bool& target) -> Parsed<void> {
    TRY_ASSIGN(const json::Value* member,
               read_member(*value.if_object(), field.path, context.row(path)));
    if (member != nullptr) target = *member->if_bool();
    return {};
  };
  chat::PromptInput& prompt = context.chat->chat.prompt;
  TRY(flag("chat_template_kwargs.enable_thinking", prompt.enable_thinking));
  return flag("chat_template_kwargs.preserve_thinking", prompt.preserve_thinking);
}

Parsed<void> read_thinking_budget(const json::Value& value, const Field&, Context& context) {
  context.chat->chat.thinking_budget = to_token_count(value);
  return {};
}

Parsed<void> read_cut_at_max_tokens(const json::Value& value, const Field&, Context& context) {
  context.chat->chat.cut_at_max_tokens = *value.if_bool();
  return {};
}

Parsed<void> read_continue_final(const json::Value& value, const Field&, Context& context) {
  context.chat->chat.prompt.continue_final_message = *value.if_bool();
  return {};
}

Parsed<void> check_metadata_key(const std::string& key) {
  constexpr Field kKey = {
      .path = "", .types = kString, .string = {0, kRequestLimits.metadata_key_length}};
  if (check_field(kKey, json::Value(key), "")) return {};
  return refuse(ErrorId::kStringAboveMaxLength,
                fmt::format("Invalid 'metadata': a key has more than {} characters.",
                            kRequestLimits.metadata_key_length),
                "metadata");
}

Parsed<void> read_metadata(const json::Value& value, const Field& field, Context& context) {
  const Field& entry = context.row("metadata.*");
  for (const auto& [key, text] : *value.if_object()) {
    TRY(check_metadata_key(key));
    TRY(check_field(entry, text, join(field.path, key)));
  }
  context.chat->metadata = *value.if_object();
  return {};
}

Parsed<void> read_modalities(const json::Value& value, const Field& field, Context& context) {
  const json::Array& modalities = *value.if_array();
  for (std::size_t i = 0; i < modalities.size(); ++i) {
    const std::string path = join(field.path, i);
    TRY(check_field(context.row("modalities[]"), modalities[i], path));
    if (*modalities[i].if_string() != "text") {
      return refuse(ErrorId::kUnsupportedParameter,
                    fmt::format("Unsupported value in '{}': only text is generated here.", path),
                    path);
    }
  }
  return {};
}

Parsed<void> read_prediction(const json::Value& value, const Field& field, Context& context) {
  const auto member = [&](const json::Value& of, std::string_view parent, std::string_view path) {
    return read_member(*of.if_object(), parent, context.row(path));
  };
  TRY(member(value, field.path, "prediction.type"));
  TRY_ASSIGN(const json::Value* content, member(value, field.path, "prediction.content"));
  if (content->if_array() == nullptr) return {};
  for (std::size_t i = 0; i < content->if_array()->size(); ++i) {
    const json::Value& part = (*content->if_array())[i];
    const std::string path = join("prediction.content", i);
    TRY(check_field(context.row("prediction.content[]"), part, path));
    TRY(member(part, path, "prediction.content[].type"));
    TRY(member(part, path, "prediction.content[].text"));
  }
  return {};
}

Parsed<void> read_cache_options(const json::Value& value, const Field& field, Context& context) {
  for (const std::string_view path : {"prompt_cache_options.ttl", "prompt_cache_options.mode"})
    TRY(read_member(*value.if_object(), field.path, context.row(path)));
  return {};
}

}  // namespace tessera::api
