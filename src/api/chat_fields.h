// The field table of POST /v1/chat/completions, and what its rows read. Messages, tools and the
// choice among them are unions: their readers take them apart, each member checked with its row.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "api/fields.h"
#include "chat/request.h"

namespace tessera::api {

std::span<const Field> chat_fields();
inline const Field& chat_field(std::string_view path) {
  return find_field(chat_fields(), path);
}

// chat_readers.cpp, but for read_messages (parse_messages.cpp), read_tools and the check of
// tool_choice (parse_tools.cpp), and functions (parse_functions.cpp).
Parsed<void> read_messages(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_tools(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_tool_choice(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_functions(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_function_call(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_parallel_tool_calls(const json::Value& value, const Field& field,
                                      Context& context);
Parsed<void> read_max_completion_tokens(const json::Value& value, const Field& field,
                                        Context& context);
Parsed<void> read_logprobs(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_top_logprobs(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_response_format(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_template_kwargs(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_thinking_budget(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_cut_at_max_tokens(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_continue_final(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_metadata(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_modalities(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_prediction(const json::Value& value, const Field& field, Context& context);
Parsed<void> read_cache_options(const json::Value& value, const Field& field, Context& context);

// tool_choice against the tools of the request, when both are known.
Parsed<chat::ToolChoice> parse_tool_choice(const json::Value& value,
                                           const std::vector<json::Value>& tools);
bool is_custom(const json::Value& tool);
// Custom tools to the functions that the model sees, once all else that names them is read.
void map_custom_tools(chat::ChatRequest& request);
// functions and function_call to the tools and the choice that they mean, when all has been read.
Parsed<void> map_functions(Context& context);

}  // namespace tessera::api
