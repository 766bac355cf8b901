// One chat completion under way: takes chat events from the service and writes them to the client,
// whole or as a stream. Lives on its connection's strand; the engine's wake-ups are posted there.
// The client leaving cancels the work.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/response_writer.h"
#include "chat/service.h"
#include "http/server.h"

namespace tessera::api {

class ChatSession : public std::enable_shared_from_this<ChatSession> {
 public:
  struct Options {
    Identity identity;
    std::int32_t choices = 1;
    bool stream = false;
    bool include_usage = false;
    bool thinking = false;                 // reasoning_content is there, if only empty
    std::vector<http::Header> headers;     // of the response, X-Request-Id among them
    std::size_t high_water_bytes = 65536;  // of unsent output, from which on the session waits
  };

  // Starts the request; a refusal is answered at once. `log` is called when it is over, with a line
  // of counts.
  static void run(chat::ChatService& service, chat::ChatRequest request, Options options,
                  const std::shared_ptr<http::Exchange>& exchange,
                  std::function<void(std::string_view outcome, const chat::Usage&)> on_end);

  ChatSession(Options options, std::shared_ptr<http::Exchange> exchange,
              std::function<void(std::string_view outcome, const chat::Usage&)> on_end);

 private:
  void attach(std::unique_ptr<chat::ChatStream> stream);
  void pump();
  void handle(const chat::ChatEvent& event);
  void handle_streamed(const chat::ChatEvent& event);
  void handle_collected(const chat::ChatEvent& event);
  void complete(const chat::Completed& completed);
  void fail(const Error& error);
  void disconnected();
  void end(std::string_view outcome, const chat::Usage& usage);

  Options options_;
  std::shared_ptr<http::Exchange> exchange_;  // null once the answer is whole or the client is gone
  std::unique_ptr<chat::ChatStream> stream_;
  ChunkWriter writer_;
  std::vector<CollectedChoice> collected_;
  std::function<void(std::string_view outcome, const chat::Usage&)> on_end_;
};

// The API's error for a refusal of the service, and for a failure after a request was accepted.
ApiError to_api_error(const chat::Refusal& refusal);
ApiError to_api_error(const Error& error);

}  // namespace tessera::api
