// Reads chats as the template takes them, one JSON object a line, and prints {"text": …} or
// {"error": …} for each: the native side of differential.py.
#include <iostream>
#include <string>

#include "base/json.h"
#include "chat/prompt.h"
#include "template_case.h"

int main() {
  using namespace tessera;
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    json::Object answer;
    const auto parsed = json::parse(line);
    if (!parsed) {
      answer.set("error", parsed.error().message);
    } else if (const auto chat_case = chat::to_template_case(*parsed); !chat_case) {
      answer.set("error", chat_case.error().message);
    } else {
      answer.set("text", chat::to_text(chat::render_prompt(chat_case->input,
                                                           chat_case->add_generation_prompt)));
    }
    std::cout << json::to_text(std::move(answer)) << '\n';
  }
  return 0;
}
