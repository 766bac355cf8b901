// `tessera chat`: a conversation in the terminal, over the same chat service that the API uses.
#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <iostream>
#include <mutex>
#include <string>

#include "app/checkpoint.h"
#include "app/commands.h"
#include "engine/engine.h"
#include "local/local_service.h"

namespace tessera::app {
namespace {

// Waits for the engine's wake-ups in the terminal's thread.
class Bell {
 public:
  void ring() {
    {
      std::lock_guard lock(mutex_);
      rung_ = true;
    }
    rings_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    rings_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable rings_;
  bool rung_ = false;
};

void write_now(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

chat::Message make_message(chat::Role role, std::string content) {
  chat::Message message;
  message.role = role;
  message.content = std::move(content);
  return message;
}

// Prints the answer as it comes; the message to put into the history, or an error.
Result<chat::Message> answer(chat::ChatService& service, chat::ChatRequest request) {
  const auto bell = std::make_shared<Bell>();
  auto started = service.start(std::move(request), [bell] { bell->ring(); });
  if (!started) return fail(ErrorCode::kInvalidArgument, started.error().message);
  const bool colour = isatty(STDOUT_FILENO) != 0;
  chat::Message message = make_message(chat::Role::kAssistant, "");
  bool dim = false;
  while (true) {
    const std::optional<chat::ChatEvent> event = (*started)->next();
    if (!event) {
      bell->wait();
      continue;
    }
    if (const auto* reasoning = std::get_if<chat::ReasoningDelta>(&*event)) {
      if (colour && !std::exchange(dim, true)) write_now("\033[2m");
      write_now(reasoning->text);
      message.reasoning = message.reasoning.value_or("") + reasoning->text;
    } else if (const auto* content = std::get_if<chat::ContentDelta>(&*event)) {
      if (message.content.empty() && message.reasoning)
        write_now(std::exchange(dim, false) ? "\033[0m\n\n" : "\n\n");
      write_now(content->text);
      message.content += content->text;
    } else if (const auto* failed = std::get_if<chat::Failed>(&*event)) {
      return Unexpected{failed->error};
    } else if (std::holds_alternative<chat::Completed>(*event)) {
      write_now(dim ? "\033[0m\n" : "\n");
      return message;
    }
  }
}

Result<void> converse(const ChatOptions& options) {
  TRY_ASSIGN(const Checkpoint checkpoint, load_checkpoint(options.model.path));
  TRY_ASSIGN(const auto tokenizer, load_tokenizer(*checkpoint.tensors.file));
  TRY_ASSIGN(const std::int32_t context, choose_context(options.model, checkpoint.tensors.config));
  TRY_ASSIGN(auto backend, make_backend(options.model, checkpoint, context));
  const auto engine = engine::Engine::create(std::move(backend), {});
  local::LocalOptions local_options;
  local_options.model = describe_model(checkpoint, context);
  TRY_ASSIGN(const auto service,
             local::LocalChatService::create(*engine, tokenizer, local_options));

  const bool terminal = isatty(STDIN_FILENO) != 0;
  if (terminal) {
    fmt::print("{}{}. End with Ctrl-D; /clear forgets the conversation.\n",
               service->model().weights_name,
               checkpoint.embedded ? ", a toy that shows the machinery" : "");
  }
  chat::ChatRequest request;
  request.prompt.enable_thinking = options.thinking;
  if (options.temperature >= 0) request.sampling.temperature = options.temperature;
  if (options.seed >= 0) request.sampling.seed = options.seed;
  request.max_tokens = options.max_tokens;
  std::vector<chat::Message> start;
  if (!options.system.empty()) start.push_back(make_message(chat::Role::kSystem, options.system));
  request.prompt.messages = start;
  std::string line;
  while (true) {
    if (terminal) write_now("\n> ");
    if (!std::getline(std::cin, line)) break;
    if (line.empty()) continue;
    if (line == "/clear") {
      request.prompt.messages = start;
      continue;
    }
    request.prompt.messages.push_back(make_message(chat::Role::kUser, line));
    TRY_ASSIGN(chat::Message message, answer(*service, request));
    request.prompt.messages.push_back(std::move(message));
  }
  if (terminal) write_now("\n");
  return {};
}

}  // namespace

int run_chat(const ChatOptions& options) {
  const Result<void> ended = converse(options);
  return ended ? 0 : report(ended.error());
}

}  // namespace tessera::app
