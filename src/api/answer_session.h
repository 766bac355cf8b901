// One answer under way: takes the events of one or several streams of the chat service (one for
// each prompt), writes them to the client, whole or as a stream, and settles what it cost. Lives on
// its connection's strand; wake-ups of other threads are posted there.
//
// The usage row is durable before the client sees the end: a whole answer is sent, and of a stream
// the last choice's finish and what comes behind it, once the admission is settled. The client
// leaving, or its key ceasing to be valid, cancels the work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "access/gate.h"
#include "api/answer_format.h"
#include "api/common_headers.h"
#include "api/latency.h"
#include "base/clock.h"
#include "chat/service.h"
#include "http/server.h"

namespace tessera::api {

class AnswerSession : public std::enable_shared_from_this<AnswerSession> {
 public:
  // Called once, with a word and counts for the log.
  using OnEnd = std::function<void(std::string_view outcome, const chat::Usage&)>;
  // Starts the work on one prompt.
  using Start = std::function<Result<std::unique_ptr<chat::ChatStream>, ApiError>(
      std::function<void()> on_ready)>;
  struct Options {
    std::string id;  // for the log
    bool stream = false;
    std::int32_t choices = 1;              // of each prompt
    CommonHeaders headers = {};            // of the response
    Latency* latency = nullptr;            // where output is timed; may be null
    Clock::Instant arrived = {};           // by `clock`
    const Clock* clock = nullptr;          // beside latency
    std::size_t high_water_bytes = 65536;  // of unsent output, from which on the session waits
    bool aside = false;                    // run() is called on another thread than the strand's
  };

  // Starts the work on each prompt; a refusal of one is the answer.
  static void run(const std::vector<Start>& prompts, Options options,
                  std::unique_ptr<AnswerFormat> format,
                  std::unique_ptr<access::Admission> admission,
                  const std::shared_ptr<http::Exchange>& exchange, OnEnd on_end);

  // For run() alone.
  AnswerSession(Options options, std::unique_ptr<AnswerFormat> format,
                std::unique_ptr<access::Admission> admission,
                std::shared_ptr<http::Exchange> exchange, OnEnd on_end);

 private:
  struct Part {
    std::unique_ptr<chat::ChatStream> stream;  // null: completed
    chat::Usage usage;                         // once it is
    std::string digest;                        // of its tokens
  };
  // Posts `work` to the strand, for as long as session and connection live. Any thread may call it.
  std::function<void()> poster(void (AnswerSession::*work)());

  // Runs it; when memory is short, fails.
  void attempt(void (AnswerSession::*work)());
  // Goes on where the session lives.
  void go_on(std::function<void()> rest);
  void begin();
  void live_until_disconnected();
  void pump();
  void time_output();
  void handle(std::size_t part, chat::ChatEvent event);
  void write_event(const chat::ChatEvent& event);
  void part_completed(std::size_t part, const chat::Completed& completed);
  void complete();
  void refuse(const ApiError& error);
  void fail(const ApiError& error, access::Outcome outcome);
  void revoked();
  void disconnected();
  // Settles and goes on with finish() when the row is durable. Nothing is generated from here on.
  void settle(access::Outcome outcome, int status, std::string_view word);
  void finish();
  chat::Usage usage() const;
  bool running() const { return exchange_ != nullptr && on_end_ != nullptr; }

  Options options_;
  std::unique_ptr<AnswerFormat> format_;
  std::unique_ptr<access::Admission> admission_;
  std::shared_ptr<http::Exchange> exchange_;  // null once the answer is whole or the client is gone
  std::vector<Part> parts_;
  std::int32_t unfinished_choices_ = 0;
  std::optional<Clock::Instant> last_output_;
  bool begun_ = false;
  OnEnd on_end_;  // null once settled
  // What finish() has to write.
  std::string last_frames_;
  std::vector<http::Header> trailers_;
  std::optional<http::Response> response_;
};

// The API's error for a refusal of the service, and for a failure after a request was accepted.
ApiError to_api_error(const chat::Refusal& refusal);
ApiError to_api_error(const Error& error);

}  // namespace tessera::api
