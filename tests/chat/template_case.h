// Chats as the chat template takes them (content in parts, arguments as mappings, template
// variables) to what the renderer takes. Test data only: the API reads request bodies by itself.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "chat/request.h"

namespace tessera::chat {

struct TemplateCase {
  std::string name;
  PromptInput input;
  bool add_generation_prompt = true;
  std::string text;               // expected; empty when the case does not say
  bool template_refuses = false;  // the template raises an error
};

// One case: {"name", "messages", "tools", "kwargs", "text", "error"}, all but messages optional.
Result<TemplateCase> to_template_case(const json::Value& value);

// A file with an array of them.
Result<std::vector<TemplateCase>> read_template_cases(const std::string& path);

}  // namespace tessera::chat
