#include "api/answer_session.h"

#include <new>
#include <utility>

#include "base/log.h"
#include "base/sha256.h"

namespace tessera::api {
namespace {

constexpr std::string_view kDigestHeader = "X-Tessera-Output-Digest";

access::Tokens to_tokens(const chat::Usage& usage) {
  return {usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens,
          usage.reasoning_tokens};
}

bool is_output(const chat::ChatEvent& event) {
  return !std::holds_alternative<chat::ChoiceFinished>(event) &&
         !std::holds_alternative<chat::Completed>(event) &&
         !std::holds_alternative<chat::Failed>(event);
}

}  // namespace

ApiError to_api_error(const chat::Refusal& refusal) {
  const auto id = [&] {
    switch (refusal.code) {
      case chat::RefusalCode::kContextLengthExceeded:
        return ErrorId::kContextLengthExceeded;
      case chat::RefusalCode::kInvalidRequest:
        return ErrorId::kInvalidValue;
      case chat::RefusalCode::kUnsupportedValue:
        return ErrorId::kUnsupportedValue;
      case chat::RefusalCode::kUnsupportedSchema:
        return ErrorId::kUnsupportedSchema;
      case chat::RefusalCode::kInvalidSchema:
        return ErrorId::kInvalidSchema;
      case chat::RefusalCode::kInvalidRegex:
        return ErrorId::kInvalidRegex;
      case chat::RefusalCode::kSchemaTooComplex:
        return ErrorId::kSchemaTooComplex;
      case chat::RefusalCode::kMaxTokensTooSmall:
        return ErrorId::kMaxTokensTooSmall;
      case chat::RefusalCode::kOverloaded:
        return ErrorId::kServerOverloaded;
      case chat::RefusalCode::kDraining:
        return ErrorId::kDraining;
      case chat::RefusalCode::kInternal:
        return ErrorId::kInternalError;
    }
    return ErrorId::kInternalError;
  }();
  return ApiError{id, refusal.message, refusal.param, std::int64_t{refusal.retry_after_s} * 1000};
}

ApiError to_api_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNumerical:
      return {ErrorId::kNumericalError,
              "The model produced numbers that are not finite; this request was ended. Others are "
              "not affected."};
    case ErrorCode::kUnavailable:
      return {ErrorId::kDraining,
              "The server is shutting down; the answer was cut here. Please retry.", "", 5000};
    case ErrorCode::kResourceExhausted:
      return {ErrorId::kServerOverloaded,
              "The server ran out of memory for this request. Please retry later.", "", 5000};
    case ErrorCode::kTimedOut:
      return {ErrorId::kTimeout,
              "The answer was not whole within the time that this server gives a request."};
    case ErrorCode::kDeadEnd:
      return {ErrorId::kGrammarDeadEnd,
              "The form that the answer must have left the model no way to go on; this request was "
              "ended."};
    case ErrorCode::kIo:
      return {ErrorId::kModelUnavailable,
              "The model cannot be read any more; the operator has to look at it."};
    default:
      return {ErrorId::kEngineFailure, "The engine could not finish this request."};
  }
}

AnswerSession::AnswerSession(Options options, std::unique_ptr<AnswerFormat> format,
                             std::unique_ptr<access::Admission> admission,
                             std::shared_ptr<http::Exchange> exchange, OnEnd on_end)
    : options_(std::move(options)),
      format_(std::move(format)),
      admission_(std::move(admission)),
      exchange_(std::move(exchange)),
      on_end_(std::move(on_end)) {}

void AnswerSession::run(const std::vector<Start>& prompts, Options options,
                        std::unique_ptr<AnswerFormat> format,
                        std::unique_ptr<access::Admission> admission,
                        const std::shared_ptr<http::Exchange>& exchange, OnEnd on_end) {
  const auto session = std::make_shared<AnswerSession>(
      std::move(options), std::move(format), std::move(admission), exchange, std::move(on_end));
  // The engine may ring before a start has returned: what is rung runs later, and
  // pump() does nothing before begin().
  exchange->on_ring([weak = std::weak_ptr(session)] {
    if (const auto alive = weak.lock()) alive->attempt(&AnswerSession::pump);
  });
  for (const Start& start : prompts) {
    auto started = start([weak = std::weak_ptr(exchange)] {
      if (const auto alive = weak.lock()) alive->ring();
    });
    if (!started)
      return session->go_on([session, error = started.error()] { session->refuse(error); });
    session->parts_.push_back({*std::move(started), {}, {}});
  }
  session->go_on([session] { session->attempt(&AnswerSession::begin); });
}

void AnswerSession::go_on(std::function<void()> rest) {
  options_.aside ? exchange_->post(std::move(rest)) : rest();
}

std::function<void()> AnswerSession::poster(void (AnswerSession::*work)()) {
  return [weak = weak_from_this(), weak_exchange = std::weak_ptr(exchange_), work] {
    if (const auto alive = weak_exchange.lock()) {
      alive->post([weak, work] {
        if (const auto target = weak.lock()) target->attempt(work);
      });
    }
  };
}

// A lack of memory ends this answer and no other.
void AnswerSession::attempt(void (AnswerSession::*work)()) {
  try {
    (this->*work)();
  } catch (const std::bad_alloc&) {
    if (running())
      fail(to_api_error(Error{ErrorCode::kResourceExhausted, ""}), access::Outcome::kFailed);
  }
}

void AnswerSession::begin() {
  begun_ = true;
  unfinished_choices_ = options_.choices * static_cast<std::int32_t>(parts_.size());
  live_until_disconnected();
  admission_->on_revoked(poster(&AnswerSession::revoked));
  if (options_.stream) {
    exchange_->on_writable([self = shared_from_this()] { self->attempt(&AnswerSession::pump); });
    std::vector<http::Header> headers;
    options_.headers.add_to(headers);
    headers.emplace_back("Content-Type", "text/event-stream; charset=utf-8");
    headers.emplace_back("Cache-Control", "no-cache");
    headers.emplace_back("X-Accel-Buffering", "no");
    headers.emplace_back("Trailer", kDigestHeader);
    exchange_->start_stream(200, std::move(headers));
    for (std::int32_t choice = 0; choice < unfinished_choices_; ++choice)
      if (std::string frame = format_->opening(choice); !frame.empty())
        exchange_->write(std::move(frame));
  }
  pump();
}

void AnswerSession::live_until_disconnected() {
  exchange_->on_disconnect([self = shared_from_this()] { self->disconnected(); });
}

// Before what came is handled: what is timed is the model, not the writing.
void AnswerSession::time_output() {
  if (options_.latency == nullptr) return;
  const Clock::Instant now = options_.clock->now();
  const std::chrono::duration<double> waited = now - last_output_.value_or(options_.arrived);
  (last_output_ ? options_.latency->gap_s : options_.latency->first_output_s)
      .observe(waited.count());
  last_output_ = now;
}

void AnswerSession::pump() {
  bool timed = false;
  if (!begun_) return;  // the parts are another thread's
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    while (running() && parts_[part].stream != nullptr) {
      if (options_.stream && exchange_->buffered() > options_.high_water_bytes)
        return;  // on_writable goes on
      std::optional<chat::ChatEvent> event = parts_[part].stream->next();
      if (!event) break;
      if (!timed && is_output(*event)) {
        time_output();
        timed = true;
      }
      handle(part, *std::move(event));
    }
  }
}

void AnswerSession::handle(std::size_t part, chat::ChatEvent event) {
  if (const auto* completed = std::get_if<chat::Completed>(&event))
    return part_completed(part, *completed);
  if (const auto* failed = std::get_if<chat::Failed>(&event)) {
    log_warning("{} failed: {}", options_.id, failed->error.message);
    return fail(to_api_error(failed->error), access::Outcome::kFailed);
  }
  // A choice of the whole answer, not of its prompt.
  std::visit(
      [&](auto& piece) {
        if constexpr (requires { piece.choice; })
          piece.choice += options_.choices * static_cast<std::int32_t>(part);
      },
      event);
  if (options_.stream) {
    write_event(event);
  } else {
    format_->collect(event);
  }
}

void AnswerSession::write_event(const chat::ChatEvent& event) {
  std::string frame = format_->frame(event);
  if (std::holds_alternative<chat::ChoiceFinished>(event) && --unfinished_choices_ == 0) {
    last_frames_ = std::move(frame);  // waits for the usage row
  } else if (!frame.empty()) {
    exchange_->write(std::move(frame));
  }
}

void AnswerSession::part_completed(std::size_t part, const chat::Completed& completed) {
  parts_[part] = {nullptr, completed.usage, completed.output_digest};
  for (const Part& other : parts_)
    if (other.stream != nullptr) return;
  complete();
}

void AnswerSession::complete() {
  std::string digest;
  for (const Part& part : parts_) digest += part.digest;
  if (parts_.size() > 1) digest = to_hex(sha256(digest));
  if (options_.stream) {
    last_frames_ += format_->usage_frame(usage());
    last_frames_ += kDoneFrame;
    trailers_.emplace_back(kDigestHeader, digest);
  } else {
    response_.emplace();
    response_->headers.emplace_back("Content-Type", "application/json");
    response_->headers.emplace_back(kDigestHeader, digest);
    response_->body = format_->body(usage());
  }
  settle(access::Outcome::kOk, 200, "ok");
}

// Before begin(): nothing was written. What prompts before this one have cost is settled first.
void AnswerSession::refuse(const ApiError& error) {
  response_ = error_response(error);
  settle(access::Outcome::kFailed, static_cast<int>(status_of(error)), "refused");
  if (exchange_ != nullptr) live_until_disconnected();
}

void AnswerSession::fail(const ApiError& error, access::Outcome outcome) {
  if (options_.stream) {  // a cut stream never looks finished: no finish_reason comes any more
    last_frames_ = error_frame(error) + std::string(kDoneFrame);
  } else {
    response_ = error_response(error);
  }
  settle(outcome, static_cast<int>(status_of(error)),
         outcome == access::Outcome::kRevoked ? "revoked" : "failed");
}

void AnswerSession::revoked() {
  if (!running()) return;
  fail({ErrorId::kInvalidApiKey, "The API key ceased to be valid; the answer was cut here."},
       access::Outcome::kRevoked);
}

void AnswerSession::disconnected() {
  exchange_.reset();
  if (on_end_ == nullptr) return;  // settled already
  settle(access::Outcome::kCancelled, 499, "cancelled");
}

void AnswerSession::settle(access::Outcome outcome, int status, std::string_view word) {
  const chat::Usage cost = usage();
  parts_.clear();  // cancels what still runs
  const OnEnd on_end = std::exchange(on_end_, nullptr);
  const bool durable =
      admission_->settle(outcome, status, to_tokens(cost),
                         exchange_ == nullptr ? [] {} : poster(&AnswerSession::finish));
  if (durable) finish();
  on_end(word, cost);
}

void AnswerSession::finish() {
  const auto exchange = std::exchange(exchange_, nullptr);
  if (exchange == nullptr) return;
  if (response_) {
    options_.headers.add_to(response_->headers);
    exchange->respond(*std::move(response_));
  } else {
    exchange->write(std::move(last_frames_));
    exchange->finish_stream(std::move(trailers_));
  }
}

chat::Usage AnswerSession::usage() const {
  chat::Usage sum;
  for (const Part& part : parts_) {
    const chat::Usage usage = part.stream == nullptr ? part.usage : part.stream->usage();
    sum.prompt_tokens += usage.prompt_tokens;
    sum.completion_tokens += usage.completion_tokens;
    sum.cached_tokens += usage.cached_tokens;
    sum.reasoning_tokens += usage.reasoning_tokens;
  }
  return sum;
}

}  // namespace tessera::api
