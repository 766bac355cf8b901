#include "local/local_stream.h"

#include <algorithm>

#include "local/token_digest.h"

namespace tessera::local {

using chat::ChatEvent;

namespace {

constexpr double kLeastLogprob = -9999.0;  // stands for "never", as OpenAI has it

}  // namespace

LocalChatStream::LocalChatStream(engine::Engine& engine,
                                 const std::shared_ptr<const text::Tokenizer>& tokenizer,
                                 const chat::OutputOptions& output, std::int32_t choices,
                                 std::int64_t prompt_tokens)
    : engine_(engine), tokenizer_(tokenizer), prompt_tokens_(prompt_tokens) {
  for (std::int32_t i = 0; i < choices; ++i) {
    chat::OutputOptions options = output;
    options.choice = i;
    choices_.push_back({chat::OutputParser(tokenizer, std::move(options)), {}, false});
  }
}

std::optional<ChatEvent> LocalChatStream::next() {
  while (next_event_ == events_.size()) {
    events_.clear();
    next_event_ = 0;
    if (over_ || !submitted_) return std::nullopt;
    const std::optional<engine::EngineEvent> event = submitted_->events->pop();
    if (!event) return std::nullopt;
    handle(*event);
  }
  return std::move(events_[next_event_++]);
}

void LocalChatStream::cancel() {
  if (submitted_ && !over_) engine_.cancel(submitted_->id);
  over_ = true;
}

chat::Usage LocalChatStream::usage() const {
  chat::Usage usage;
  if (submitted_ && submitted_->events->started()) usage.prompt_tokens = prompt_tokens_;
  usage.cached_tokens = cached_tokens_;
  for (const Choice& choice : choices_) {
    usage.completion_tokens += static_cast<std::int64_t>(choice.tokens.size());
    usage.reasoning_tokens += choice.parser.reasoning_tokens();
  }
  return usage;
}

void LocalChatStream::handle(const engine::EngineEvent& event) {
  if (const auto* token = std::get_if<engine::TokenEvent>(&event)) {
    on_token(*token);
  } else if (const auto* prefill = std::get_if<engine::PrefillDone>(&event)) {
    cached_tokens_ = prefill->cached_tokens;
  } else if (const auto* end = std::get_if<engine::ChoiceEnd>(&event)) {
    const bool whole = end->reason == engine::EndReason::kEnd;
    end_choice(choices_[static_cast<std::size_t>(end->choice)],
               whole ? chat::OutputEnd::kEnd : chat::OutputEnd::kTruncated);
  } else if (const auto* failed = std::get_if<engine::RequestFailed>(&event)) {
    over_ = true;
    events_.emplace_back(chat::Failed{failed->error});
  }
}

void LocalChatStream::on_token(const engine::TokenEvent& event) {
  Choice& choice = choices_[static_cast<std::size_t>(event.choice)];
  if (choice.finished) return;  // its stop string has come; the engine does not know
  choice.tokens.push_back(event.token);
  if (choice.parser.append(event.token, events_, to_logprob(event)))
    end_choice(choice, chat::OutputEnd::kEnd);
}

std::optional<chat::ContentLogprob> LocalChatStream::to_logprob(
    const engine::TokenEvent& event) const {
  if (event.logprobs.empty()) return std::nullopt;
  const auto convert = [this](const engine::TokenLogprob& entry) {
    return chat::TokenLogprob{entry.token, std::string(tokenizer_->bytes(entry.token)),
                              std::max(entry.logprob, kLeastLogprob)};
  };
  chat::ContentLogprob out{convert(event.logprobs.front()), {}};
  for (std::size_t i = 1; i < event.logprobs.size(); ++i)
    out.top.push_back(convert(event.logprobs[i]));
  return out;
}

void LocalChatStream::end_choice(Choice& choice, chat::OutputEnd end) {
  if (choice.finished) return;
  choice.finished = true;
  choice.parser.finish(end, events_);
  complete();
}

// Once every choice has finished: the terminal event. The engine's own terminal event is not waited
// for; where a stop string ended the last choice, the engine is told.
void LocalChatStream::complete() {
  if (!std::all_of(choices_.begin(), choices_.end(),
                   [](const Choice& choice) { return choice.finished; }))
    return;
  TokenDigest digest;
  for (const Choice& choice : choices_) {
    digest.add(choice.tokens);
    digest.add(-1);  // between choices
  }
  CHECK(submitted_.has_value());
  engine_.cancel(submitted_->id);
  over_ = true;
  events_.emplace_back(chat::Completed{usage(), digest.hex()});
}

}  // namespace tessera::local
