#include "chat/prompt.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "chat/python_json.h"

namespace tessera::chat {
namespace {

// The control tokens that the template's own text uses.
constexpr std::array<std::string_view, 8> kControls = {
    "<|im_start|>", "<|im_end|>",   "<think>",         "</think>",
    "<tool_call>",  "</tool_call>", "<tool_response>", "</tool_response>"};

// The template's words around the list of tools. Part of the model's interface, and so verbatim
// (Qwen, Apache-2.0).
constexpr std::string_view kToolsIntroduction =
    "# Tools\n\nYou have access to the following functions:\n\n<tools>";
constexpr std::string_view kToolsInstructions =
    "\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO "
    "suffix:\n\n<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\n"
    "value_1\n</parameter>\n<parameter=example_parameter_2>\nThis is the value for the second "
    "parameter\nthat can span\nmultiple lines\n</parameter>\n</function>\n</tool_call>\n\n"
    "<IMPORTANT>\nReminder:\n- Function calls MUST follow the specified format: an inner "
    "<function=...></function> block must be nested within <tool_call></tool_call> XML tags\n- "
    "Required parameters MUST be specified\n- You may provide optional reasoning for your function "
    "call in natural language BEFORE the function call, but NOT after\n- If there is no function "
    "call available, answer the question like normal with your current knowledge and do not tell "
    "the user about function calls\n</IMPORTANT>";

// The name under which a call's arguments are shown that are no JSON object.
constexpr std::string_view kRawArgumentsKey = "arguments";

// What str.strip() takes off.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view text) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t next = begin;
    if (!is_python_space(next_code_point(text, next))) break;
    begin = next;
  }
  text.remove_prefix(begin);
  while (!text.empty()) {
    std::size_t last = text.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    std::size_t next = last;
    if (!is_python_space(next_code_point(text, next))) break;
    text = text.substr(0, last);
  }
  return text;
}

std::string_view strip_leading_newlines(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  return text;
}

std::string_view strip_trailing_newlines(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

class SpanWriter {
 public:
  // The template's own text, in which the literals of control tokens are those tokens.
  void markup(std::string_view text) {
    std::size_t begin = 0;
    for (std::size_t at = text.find('<'); at != std::string_view::npos;) {
      const auto* control = std::find_if(
          kControls.begin(), kControls.end(),
          [&](std::string_view literal) { return text.substr(at).starts_with(literal); });
      if (control == kControls.end()) {
        at = text.find('<', at + 1);
        continue;
      }
      content(text.substr(begin, at - begin));
      prompt_.spans.push_back({SpanKind::kControl, std::string(*control)});
      begin = at + control->size();
      at = text.find('<', begin);
    }
    content(text.substr(begin));
  }

  // Anybody's text: never a control token.
  void content(std::string_view text) {
    if (text.empty()) return;
    std::vector<Span>& spans = prompt_.spans;
    if (spans.empty() || spans.back().kind == SpanKind::kControl) {
      spans.push_back({SpanKind::kText, std::string(text)});
      return;
    }
    spans.back().text += text;
    // What looked like a boundary lies inside one text now.
    if (!prompt_.boundaries.empty() && prompt_.boundaries.back() == spans.size()) {
      prompt_.boundaries.pop_back();
    }
  }

  void boundary() { prompt_.boundaries.push_back(prompt_.spans.size()); }
  void end_turn() {
    markup("<|im_end|>\n");
    boundary();
  }

  Prompt take(bool ends_in_reasoning) && {
    prompt_.ends_in_reasoning = ends_in_reasoning;
    return std::move(prompt_);
  }

 private:
  Prompt prompt_;
};

// An assistant message's reasoning and the rest. Without the field, reasoning is what a think block
// in the content holds, found as the template does.
struct AssistantText {
  std::string_view reasoning;
  std::string_view content;
};
AssistantText split_reasoning(const Message& message) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  AssistantText text{{}, strip(message.content)};
  if (message.reasoning) {
    text.reasoning = strip(*message.reasoning);
    return text;
  }
  const std::size_t first_close = text.content.find(kClose);
  if (first_close == std::string_view::npos) return text;
  std::string_view reasoning = strip_trailing_newlines(text.content.substr(0, first_close));
  if (const std::size_t open = reasoning.rfind(kOpen); open != std::string_view::npos) {
    reasoning.remove_prefix(open + kOpen.size());
  }
  text.reasoning = strip(strip_leading_newlines(reasoning));
  const std::size_t behind_last_close = text.content.rfind(kClose) + kClose.size();
  text.content = strip_leading_newlines(text.content.substr(behind_last_close));
  return text;
}

// The messages in the order in which they are rendered: as they are, but the results of one
// assistant message's calls in the order of the calls, because the template does not show which
// call a result answers.
std::vector<const Message*> in_rendering_order(const std::vector<Message>& messages) {
  std::vector<const Message*> order;
  order.reserve(messages.size());
  for (const Message& message : messages) order.push_back(&message);
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::size_t end = i + 1;
    while (end < order.size() && order[end]->role == Role::kTool) ++end;
    if (order[i]->role != Role::kAssistant || end - i < 3) continue;

    std::unordered_map<std::string_view, std::size_t> rank;
    const std::vector<ToolCall>& calls = order[i]->tool_calls;
    for (std::size_t call = 0; call < calls.size(); ++call) rank.emplace(calls[call].id, call);
    const auto results_begin = order.begin() + static_cast<std::ptrdiff_t>(i) + 1;
    const auto results_end = order.begin() + static_cast<std::ptrdiff_t>(end);
    const bool ids_match = rank.size() == calls.size() &&
                           std::all_of(results_begin, results_end, [&](const Message* result) {
                             return rank.contains(result->tool_call_id);
                           });
    if (ids_match) {
      std::sort(results_begin, results_end, [&](const Message* a, const Message* b) {
        // Of two results for one call the earlier one comes first: they lie in one vector.
        return std::pair(rank[a->tool_call_id], a) < std::pair(rank[b->tool_call_id], b);
      });
    }
    i = end - 1;
  }
  return order;
}

class Renderer {
 public:
  explicit Renderer(const PromptInput& input)
      : input_(input), messages_(in_rendering_order(input.messages)) {
    find_last_query();
  }

  Prompt render(bool add_generation_prompt) && {
    const bool continued = input_.continue_final_message && !messages_.empty() &&
                           messages_.back()->role == Role::kAssistant;
    for (std::size_t i = render_leading_system(); i < messages_.size(); ++i) {
      const Message& message = *messages_[i];
      switch (message.role) {
        case Role::kSystem:
          writer_.markup("<|im_start|>system\n");
          writer_.content(strip(message.content));
          writer_.end_turn();
          break;
        case Role::kUser:
          writer_.markup("<|im_start|>user\n");
          writer_.content(strip(message.content));
          writer_.end_turn();
          break;
        case Role::kAssistant:
          render_assistant(message, i);
          if (!continued || i + 1 < messages_.size()) writer_.end_turn();
          break;
        case Role::kTool:
          render_tool_result(message, i);
          break;
      }
    }
    if (!add_generation_prompt || continued) return std::move(writer_).take(false);
    writer_.markup("<|im_start|>assistant\n");
    writer_.boundary();
    writer_.markup(input_.enable_thinking ? "<think>\n" : "<think>\n\n</think>\n\n");
    return std::move(writer_).take(input_.enable_thinking);
  }

 private:
  // The last thing that a user asked; a user message that only wraps a tool's result is none.
  // Without any, the last message counts, so that the history shows no think blocks.
  void find_last_query() {
    last_query_ = messages_.empty() ? 0 : messages_.size() - 1;
    for (std::size_t i = messages_.size(); i-- > 0;) {
      if (messages_[i]->role != Role::kUser) continue;
      const std::string_view text = strip(messages_[i]->content);
      if (text.starts_with("<tool_response>") && text.ends_with("</tool_response>")) continue;
      last_query_ = i;
      return;
    }
  }

  // One system turn of the tools and all system messages before the first other one. Returns where
  // that is.
  std::size_t render_leading_system() {
    std::size_t end = 0;
    std::string text;
    for (; end < messages_.size() && messages_[end]->role == Role::kSystem; ++end) {
      const std::string_view content = strip(messages_[end]->content);
      if (!text.empty() && !content.empty()) text += "\n\n";
      text += content;
    }
    if (input_.tools.empty()) {
      if (end == 0) return 0;
      writer_.markup("<|im_start|>system\n");
      writer_.content(text);
    } else {
      writer_.markup("<|im_start|>system\n");
      writer_.markup(kToolsIntroduction);
      std::string tool_json;
      for (const json::Value& tool : input_.tools) {
        tool_json = "\n";
        append_python_json(tool, tool_json);
        writer_.content(tool_json);
      }
      writer_.markup(kToolsInstructions);
      if (!text.empty()) writer_.markup("\n\n");
      writer_.content(text);
    }
    writer_.end_turn();
    return end;
  }

  void render_assistant(const Message& message, std::size_t index) {
    const AssistantText text = split_reasoning(message);
    writer_.markup("<|im_start|>assistant\n");
    if (input_.preserve_thinking || index > last_query_) {
      writer_.markup("<think>\n");
      writer_.content(text.reasoning);
      writer_.markup("\n</think>\n\n");
    }
    writer_.content(text.content);
    bool first = true;
    for (const ToolCall& call : message.tool_calls) {
      if (!first) {
        writer_.markup("\n");
      } else if (!strip(text.content).empty()) {
        writer_.markup("\n\n");
      }
      first = false;
      render_call(call);
    }
  }

  void render_call(const ToolCall& call) {
    writer_.markup("<tool_call>\n<function=");
    writer_.content(call.name);
    writer_.markup(">\n");
    if (!strip(call.arguments).empty()) render_arguments(call.arguments);
    writer_.markup("</function>\n</tool_call>");
  }

  void render_arguments(const std::string& arguments) {
    const auto parsed = json::parse(arguments);
    const json::Object* object = parsed ? parsed->if_object() : nullptr;
    if (object == nullptr) {
      if (!parsed || !parsed->is_null()) render_parameter(kRawArgumentsKey, arguments);
      return;
    }
    std::string value_json;
    for (const auto& [key, value] : *object) {
      if (const std::string* text = value.if_string()) {
        render_parameter(key, *text);
      } else {
        value_json.clear();
        append_python_json(value, value_json);
        render_parameter(key, value_json);
      }
    }
  }

  void render_parameter(std::string_view key, std::string_view value) {
    writer_.markup("<parameter=");
    writer_.content(key);
    writer_.markup(">\n");
    writer_.content(value);
    writer_.markup("\n</parameter>\n");
  }

  // Results in a row share one user turn. A conversation that starts with a result gets no turn's
  // opening: so the template.
  void render_tool_result(const Message& message, std::size_t index) {
    if (index > 0 && messages_[index - 1]->role != Role::kTool) writer_.markup("<|im_start|>user");
    writer_.markup("\n<tool_response>\n");
    writer_.content(strip(message.content));
    writer_.markup("\n</tool_response>");
    const bool last = index + 1 == messages_.size() || messages_[index + 1]->role != Role::kTool;
    if (last) writer_.end_turn();
  }

  const PromptInput& input_;
  const std::vector<const Message*> messages_;
  std::size_t last_query_ = 0;
  SpanWriter writer_;
};

}  // namespace

Prompt render_prompt(const PromptInput& input, bool add_generation_prompt) {
  return Renderer(input).render(add_generation_prompt);
}

std::string to_text(const Prompt& prompt) {
  std::size_t size = 0;
  for (const Span& span : prompt.spans) size += span.text.size();
  std::string text;
  text.reserve(size);
  for (const Span& span : prompt.spans) text += span.text;
  return text;
}

Result<TokenisedPrompt> tokenise(const Prompt& prompt, const text::Tokenizer& tokenizer) {
  TokenisedPrompt result;
  std::size_t next_boundary = 0;
  for (std::size_t i = 0; i <= prompt.spans.size(); ++i) {
    CHECK(result.ids.size() <= std::numeric_limits<std::int32_t>::max());
    for (; next_boundary < prompt.boundaries.size() && prompt.boundaries[next_boundary] == i;
         ++next_boundary) {
      result.boundaries.push_back(static_cast<std::int32_t>(result.ids.size()));
    }
    if (i == prompt.spans.size()) break;
    const Span& span = prompt.spans[i];
    if (span.kind == SpanKind::kText) {
      tokenizer.encode_text(span.text, result.ids);
      continue;
    }
    const std::optional<TokenId> id = tokenizer.find_added(span.text);
    if (!id) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("the model's vocabulary has no token {}, which its chat prompt needs",
                              span.text));
    }
    result.ids.push_back(*id);
  }
  return result;
}

}  // namespace tessera::chat
