#include "api/chat_session.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace tessera::api {
namespace {

void add_headers(http::Response& response, const std::vector<http::Header>& headers) {
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
}

}  // namespace

ApiError to_api_error(const chat::Refusal& refusal) {
  const auto id = [&] {
    switch (refusal.code) {
      case chat::RefusalCode::kContextLengthExceeded:
        return ErrorId::kContextLengthExceeded;
      case chat::RefusalCode::kInvalidRequest:
        return ErrorId::kInvalidValue;
      case chat::RefusalCode::kOverloaded:
        return ErrorId::kServerOverloaded;
      case chat::RefusalCode::kDraining:
        return ErrorId::kDraining;
      case chat::RefusalCode::kInternal:
        return ErrorId::kInternalError;
    }
    return ErrorId::kInternalError;
  }();
  return ApiError{id, refusal.message, refusal.param, refusal.retry_after_s};
}

ApiError to_api_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kNumerical:
      return {ErrorId::kNumericalError,
              "The model produced numbers that are not finite; this request was ended. Others are "
              "not affected."};
    case ErrorCode::kUnavailable:
      return {ErrorId::kDraining,
              "The server is shutting down; the answer was cut here. Please retry.", "", 5};
    case ErrorCode::kResourceExhausted:
      return {ErrorId::kServerOverloaded,
              "The server ran out of memory for this request. Please retry later.", "", 5};
    case ErrorCode::kIo:
      return {ErrorId::kModelUnavailable,
              "The model cannot be read any more; the operator has to look at it."};
    default:
      return {ErrorId::kEngineFailure, "The engine could not finish this request."};
  }
}

ChatSession::ChatSession(Options options, std::shared_ptr<http::Exchange> exchange,
                         std::function<void(std::string_view outcome, const chat::Usage&)> on_end)
    : options_(std::move(options)),
      exchange_(std::move(exchange)),
      writer_(options_.identity, options_.include_usage),
      collected_(static_cast<std::size_t>(options_.choices)),
      on_end_(std::move(on_end)) {
  if (options_.thinking) {
    for (CollectedChoice& choice : collected_) choice.reasoning.emplace();
  }
}

void ChatSession::run(chat::ChatService& service, chat::ChatRequest request, Options options,
                      const std::shared_ptr<http::Exchange>& exchange,
                      std::function<void(std::string_view outcome, const chat::Usage&)> on_end) {
  const auto session =
      std::make_shared<ChatSession>(std::move(options), exchange, std::move(on_end));
  // The engine may wake us before start() has returned: the work is posted, so it runs after this
  // function.
  auto on_ready = [weak = std::weak_ptr(session), weak_exchange = std::weak_ptr(exchange)] {
    if (const auto alive = weak_exchange.lock()) {
      alive->post([weak] {
        if (const auto target = weak.lock()) target->pump();
      });
    }
  };
  auto started = service.start(std::move(request), std::move(on_ready));
  if (!started) {
    http::Response response = error_response(to_api_error(started.error()));
    add_headers(response, session->options_.headers);
    exchange->respond(std::move(response));
    session->end("refused", {});
    return;
  }
  session->attach(*std::move(started));
}

void ChatSession::attach(std::unique_ptr<chat::ChatStream> stream) {
  stream_ = std::move(stream);
  exchange_->on_disconnect([self = shared_from_this()] { self->disconnected(); });
  if (options_.stream) {
    exchange_->on_writable([self = shared_from_this()] { self->pump(); });
    std::vector<http::Header> headers = options_.headers;
    headers.emplace_back("Content-Type", "text/event-stream; charset=utf-8");
    headers.emplace_back("Cache-Control", "no-cache");
    headers.emplace_back("X-Accel-Buffering", "no");
    exchange_->start_stream(200, std::move(headers));
    for (std::int32_t choice = 0; choice < options_.choices; ++choice)
      exchange_->write(writer_.role(choice));
  }
  pump();
}

void ChatSession::pump() {
  while (stream_ != nullptr && exchange_ != nullptr) {
    if (options_.stream && exchange_->buffered() > options_.high_water_bytes)
      return;  // on_writable goes on
    const std::optional<chat::ChatEvent> event = stream_->next();
    if (!event) return;
    handle(*event);
  }
}

void ChatSession::handle(const chat::ChatEvent& event) {
  if (const auto* completed = std::get_if<chat::Completed>(&event)) return complete(*completed);
  if (const auto* failed = std::get_if<chat::Failed>(&event)) return fail(failed->error);
  if (options_.stream) {
    handle_streamed(event);
  } else {
    handle_collected(event);
  }
}

void ChatSession::handle_streamed(const chat::ChatEvent& event) {
  if (const auto* delta = std::get_if<chat::ReasoningDelta>(&event))
    exchange_->write(writer_.reasoning(delta->choice, delta->text));
  if (const auto* delta = std::get_if<chat::ContentDelta>(&event))
    exchange_->write(writer_.content(delta->choice, delta->text));
  if (const auto* start = std::get_if<chat::ToolCallStart>(&event))
    exchange_->write(writer_.call_start(*start));
  if (const auto* piece = std::get_if<chat::ToolCallArguments>(&event))
    exchange_->write(writer_.call_arguments(*piece));
  if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
    exchange_->write(writer_.finish(finish->choice, finish->reason));
}

void ChatSession::handle_collected(const chat::ChatEvent& event) {
  const auto at = [this](std::int32_t choice) -> CollectedChoice& {
    return collected_[static_cast<std::size_t>(choice)];
  };
  if (const auto* delta = std::get_if<chat::ReasoningDelta>(&event)) {
    std::optional<std::string>& reasoning = at(delta->choice).reasoning;
    reasoning = std::move(reasoning).value_or("") + delta->text;
  }
  if (const auto* delta = std::get_if<chat::ContentDelta>(&event))
    at(delta->choice).content += delta->text;
  if (const auto* start = std::get_if<chat::ToolCallStart>(&event))
    at(start->choice).tool_calls.push_back({start->id, start->name, ""});
  if (const auto* piece = std::get_if<chat::ToolCallArguments>(&event)) {
    at(piece->choice).tool_calls[static_cast<std::size_t>(piece->index)].arguments += piece->text;
  }
  if (const auto* finish = std::get_if<chat::ChoiceFinished>(&event))
    at(finish->choice).finish_reason = finish->reason;
}

void ChatSession::complete(const chat::Completed& completed) {
  if (options_.stream) {
    std::string last = options_.include_usage ? writer_.usage(completed.usage) : "";
    last += ChunkWriter::done();
    exchange_->write(std::move(last));
    exchange_->finish_stream();
  } else {
    http::Response response;
    add_headers(response, options_.headers);
    response.headers.emplace_back("Content-Type", "application/json");
    response.headers.emplace_back("X-Tessera-Output-Digest", completed.output_digest);
    response.body = completion_body(options_.identity, collected_, completed.usage);
    exchange_->respond(std::move(response));
  }
  end("ok", completed.usage);
}

void ChatSession::fail(const Error& error) {
  const ApiError api_error = to_api_error(error);
  log_warning("{} failed: {}", options_.identity.id, error.message);
  if (options_.stream) {  // a cut stream never looks finished: no finish_reason was sent
    exchange_->write(ChunkWriter::error(api_error) + std::string(ChunkWriter::done()));
    exchange_->finish_stream();
  } else {
    http::Response response = error_response(api_error);
    add_headers(response, options_.headers);
    exchange_->respond(std::move(response));
  }
  end("failed", stream_->usage());
}

void ChatSession::disconnected() {
  if (stream_ == nullptr) return;
  end("cancelled", stream_->usage());
}

void ChatSession::end(std::string_view outcome, const chat::Usage& usage) {
  stream_.reset();  // cancels what still runs
  exchange_.reset();
  if (const auto on_end = std::exchange(on_end_, nullptr)) on_end(outcome, usage);
}

}  // namespace tessera::api
