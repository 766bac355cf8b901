#include "engine/engine_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "engine/contained.h"
#include "engine/logprobs.h"

namespace tessera::engine {
namespace {

// An account crowds with so many sequences, and more than all others together.
constexpr std::int64_t kCrowd = 8;
constexpr std::chrono::seconds kCrowdIsWatched{60};
// Somebody may have been in before it became a crowd, and come again.
constexpr std::chrono::seconds kSeenBefore{10};

// The most tokens that a choice has unread.
constexpr std::size_t kMaxUnread = 32;

// A backend promises Results; what its libraries throw all the same ends this batch, not the
// process.
Result<model::LogitsView> forward_or_error(model::Backend& backend, const model::Batch& batch) {
  Result<model::LogitsView> logits = model::LogitsView{};
  const Result<void> returned = contained("the model's computation", [&] {
    logits = backend.forward(batch);
    if (logits) backend.synchronise();
  });
  if (!returned) return Unexpected{returned.error()};
  return logits;
}

bool ends(const EngineRequest& request, TokenId token) {
  return std::find(request.end_tokens.begin(), request.end_tokens.end(), token) !=
         request.end_tokens.end();
}

// Log probabilities need a row for each token, forced ones too.
bool may_run_ahead(const LiveRequest& request, const Choice& choice) {
  return choice.constraint && !request.request.top_logprobs;
}

// `last`: the request ends with this step, and its terminal event calls the reader; called twice
// within some microseconds it would fall asleep between.
void push(LiveRequest& request, EngineEvent event, bool last) {
  last ? request.events->push_quietly(std::move(event)) : request.events->push(std::move(event));
}

// The most events that one step publishes for the request.
std::int32_t events_of_step(const LiveRequest& request) {
  std::size_t events = request.in_prefill() ? 1 : 0;
  for (const Choice& choice : request.choices) {
    if (!choice.ended) events += may_run_ahead(request, choice) ? kMaxUnread : 1;
  }
  return static_cast<std::int32_t>(events);
}

// Of KV, whose memory is that of a recurrent state.
std::int64_t state_tokens(const model::BackendLimits& limits) {
  if (limits.kv_bytes_per_token == 0) return 1;
  return static_cast<std::int64_t>(limits.state_bytes_per_sequence / limits.kv_bytes_per_token);
}

// That the memory for sequences would hold, or that they can use, if that is less.
std::int64_t memory_tokens(const model::BackendLimits& limits) {
  const std::int64_t usable = (limits.max_context + state_tokens(limits)) * limits.max_sequences;
  if (limits.kv_bytes_per_token == 0) return usable;
  return static_cast<std::int64_t>(std::min(
      static_cast<std::size_t>(usable), limits.sequence_memory_bytes / limits.kv_bytes_per_token));
}

}  // namespace

EngineOptions resolve_options(EngineOptions options, const model::BackendLimits& limits) {
  CHECK(limits.vocabulary > 0 && limits.max_context > 0 && limits.max_sequences > 0 &&
        limits.max_batch_tokens > 0);
  CHECK(options.max_queue >= 0 && options.max_running_requests >= 0 && options.prefill_chunk > 0 &&
        options.prefix_cache_bytes >= 0);
  CHECK(options.event_channel_capacity > 0 && options.stall_timeout_ms >= 0);
  CHECK(options.request_timeout_ms >= 0 && options.constraint_threads >= 0);
  CHECK(options.max_batch_tokens >= 0 && options.reserve_tokens > 0);
  CHECK(options.step_timeout_ms >= 0);
  CHECK(options.max_wait_ms >= 0 && options.account_share > 0 && options.account_share <= 1);
  const auto at_most = [](std::int32_t& value, std::int32_t limit) {
    value = value == 0 ? limit : std::min(value, limit);
  };
  at_most(options.max_running_requests, limits.max_sequences);
  at_most(options.max_batch_tokens, limits.max_batch_tokens);
  at_most(options.prefill_chunk, options.max_batch_tokens);
  return options;
}

EngineCore::EngineCore(model::Backend& backend, const EngineOptions& options, const Clock& clock,
                       RequestLedger& ledger, EngineCounters& counters)
    : backend_(backend),
      limits_(backend.limits()),
      options_(options),
      clock_(clock),
      ledger_(ledger),
      counters_(counters),
      memory_(backend, options.reserve_tokens, options.prefix_cache_bytes, clock, counters),
      scratch_(limits_.vocabulary),
      side_jobs_(options.constraint_threads),
      queue_({options.max_running_requests, limits_.max_sequences, memory_tokens(limits_)},
             options.account_share, state_tokens(limits_), counters.backlog_tokens) {
  constrained_.reserve(static_cast<std::size_t>(limits_.max_sequences));
  running_.reserve(static_cast<std::size_t>(options_.max_running_requests));
}

EngineCore::~EngineCore() {
  CHECK(is_idle());
}

void EngineCore::add(std::unique_ptr<LiveRequest> request) {
  if (options_.request_timeout_ms > 0)
    request->deadline = clock_.now() + std::chrono::milliseconds(options_.request_timeout_ms);
  if (options_.max_wait_ms > 0)
    request->start_deadline = clock_.now() + std::chrono::milliseconds(options_.max_wait_ms);
  first_deadline_ = std::min({first_deadline_, request->deadline, request->start_deadline});
  request->first_reserve =
      request->prompt_tokens() + std::min(request->request.max_tokens, options_.reserve_tokens);
  const Result<void> queued = contained("the queue", [&] { queue_.push(std::move(request)); });
  if (!queued) end(std::move(request), RequestFailed{queued.error()});
}

void EngineCore::fail_request(RequestId id, const Error& error) {
  const auto found = std::find_if(running_.begin(), running_.end(),
                                  [id](const auto& request) { return request->id == id; });
  if (found != running_.end()) {
    std::unique_ptr<LiveRequest> request = std::move(*found);
    running_.erase(found);
    queue_.release(*request);
    end(std::move(request), RequestFailed{copy_of(error)});
  } else if (std::unique_ptr<LiveRequest> waiting = queue_.remove(id)) {
    end(std::move(waiting), RequestFailed{copy_of(error)});
  }
}

void EngineCore::fail_all(const Error& error) {
  while (!running_.empty()) fail_request(running_.front()->id, error);
  while (const LiveRequest* request = queue_.any()) fail_request(request->id, error);
}

// What there is no memory for before the computation is done in a step to come.
bool EngineCore::step() {
  (void)contained("looking for what has ended", [this] {
    if (options_.request_timeout_ms > 0 || options_.max_wait_ms > 0) end_overdue();
    look_after_readers();
  });
  admit();
  make_room();
  if (!contained("planning a step", [this] { plan(); }) || plan_.items.empty()) {
    memory_.settle();  // what was cancelled since the last step has given back its own
    return false;
  }
  compute();
  finish_ended();
  memory_.settle();
#ifdef TESSERA_DCHECK
  (void)contained("the check of the books", [this] { check_integrity(); });
#endif
  return true;
}

void EngineCore::plan() {
  for (const auto& request : running_)
    if (request->in_prefill()) request->rank = request->book->rank();
  crowd_ = find_crowd();
  if (crowd_ == nullptr) pace_.forget_crowd();
  const std::int32_t beside =
      pace_.wants_decodes_alone() ? 0 : pace_.prompt_tokens_beside_decodes(options_.prefill_chunk);
  scheduler_.plan(running_,
                  {.batch = options_.max_batch_tokens,
                   .prompts = options_.prefill_chunk,
                   .beside_decodes = beside,
                   .crowd = crowd_,
                   .crowd_decodes = pace_.crowd_decodes(),
                   .crowd_prompts = pace_.crowd_prompts(options_.prefill_chunk)},
                  plan_);
}

// The account of most that runs, when somebody else is there too or was a moment ago, for whose
// sake its steps are to be short. While it is alone it has the machine.
const AccountBook* EngineCore::find_crowd() {
  const Clock::Instant now = clock_.now();
  const AccountBook* most = nullptr;
  AccountId of_most;
  std::int64_t sequences = 0;
  queue_.for_each_running([&](AccountId account, const AccountBook& book) {
    note_account(account, now);
    sequences += book.holds.sequences;
    if (most != nullptr && book.holds.sequences <= most->holds.sequences) return;
    most = &book;
    of_most = account;
  });
  if (most == nullptr || most->holds.sequences < kCrowd || 2 * most->holds.sequences <= sequences)
    return nullptr;
  if (most->holds.sequences < sequences) watched_until_ = now + kCrowdIsWatched;
  const Seen& other = last_seen_[last_seen_[0].account == of_most ? 1 : 0];
  const bool watched = now <= watched_until_ || (other.account && now <= other.at + kSeenBefore);
  return watched ? most : nullptr;
}

void EngineCore::note_account(AccountId account, Clock::Instant now) {
  if (last_seen_[0].account != account) {
    std::swap(last_seen_[0], last_seen_[1]);
    last_seen_[0].account = account;
  }
  last_seen_[0].at = now;
}

// How long the step took, and what it was.
void EngineCore::note_time(Clock::Duration elapsed) {
  pace_.note(plan_.decodes, plan_.prompt_tokens, elapsed);
  counters_.step_s.observe(std::chrono::duration<double>(elapsed).count());
  counters_.tokens_per_second = pace_.tokens_per_second();
  if (LiveRequest* const newcomer = plan_.newcomer) {
    for (const StepPart& part : plan_.parts)
      if (part.request == newcomer) newcomer->alone_tokens += part.tokens;
    newcomer->alone_time += elapsed;
    if (newcomer->cached + newcomer->alone_tokens == newcomer->prompt_tokens())
      pace_.note_newcomer(newcomer->alone_time);
  } else if (crowd_ != nullptr) {
    std::int32_t decodes = 0;
    for (const StepPart& part : plan_.parts)
      if (part.choice != nullptr && part.request->book == crowd_) decodes += part.tokens;
    pace_.note_crowd(decodes, elapsed);
  }
}

void EngineCore::make_room() {
  for (const auto& request : running_) {
    if (request->has_memory || request->in_prefill()) continue;
    request->has_memory = true;
    for (Choice& choice : request->choices) {
      if (choice.ended) continue;
      choice.waits = !memory_.make_room(*request, choice, running_);
      if (!choice.waits) continue;
      request->has_memory = false;
      counters_.memory_waits.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void EngineCore::compute() {
  for (const StepPart& part : plan_.parts) part.request->events->note_started();
  counters_.steps.fetch_add(1, std::memory_order_relaxed);
  begin_constraints();
  const Clock::Instant start = clock_.now();
  const Result<model::LogitsView> logits = forward_or_error(backend_, model::Batch{plan_.items});
  side_jobs_.finish();
  if (logits) {
    publish(*logits);
    note_time(clock_.now() - start);
  } else {
    log_error("step failed, {} sequences with it: {}", plan_.items.size(), logits.error().message);
    for (const StepPart& part : plan_.parts) part.request->failure = copy_of(logits.error());
  }
}

// Also what still waits: past its deadline nobody wants the prompt computed.
void EngineCore::end_overdue() {
  const Clock::Instant now = clock_.now();
  if (now < first_deadline_) return;
  Clock::Instant first = Clock::Instant::max();
  std::vector<RequestId> overdue;
  for (const auto& request : running_) {
    if (request->deadline <= now) overdue.push_back(request->id);
    first = std::min(first, request->deadline);
  }
  std::vector<RequestId> waited;
  queue_.for_each([&](const LiveRequest& request) {
    if (request.deadline <= now) {
      overdue.push_back(request.id);
    } else if (request.start_deadline <= now) {
      waited.push_back(request.id);
    }
    first = std::min({first, request.deadline, request.start_deadline});
  });
  first_deadline_ = first;
  for (const RequestId id : overdue) {
    fail_request(id, {ErrorCode::kTimedOut,
                      fmt::format("no whole answer within {} ms", options_.request_timeout_ms)});
  }
  for (const RequestId id : waited) {
    fail_request(id, {ErrorCode::kResourceExhausted,
                      fmt::format("not begun within {} ms", options_.max_wait_ms)});
  }
}

// A request takes part in a step only when what the step can publish fits into its channel. A
// reader can only make room, so those that had it and took no part since need no look: with
// thousands running and hundreds in a step that is most of them.
void EngineCore::look_after_readers() {
  const Clock::Instant now = clock_.now();
  const Clock::Duration timeout = std::chrono::milliseconds(options_.stall_timeout_ms);
  std::vector<RequestId> gone;
  std::vector<RequestId> stalled;
  queue_.for_each([&](const LiveRequest& request) {
    if (request.is_abandoned()) gone.push_back(request.id);
  });
  for (const auto& request : running_) {
    if (request->has_room && !request->took_part) continue;
    request->took_part = false;
    if (request->is_abandoned()) {
      gone.push_back(request->id);
      continue;
    }
    const std::int32_t events = events_of_step(*request);
    request->has_room = request->events->has_room(static_cast<std::size_t>(events));
    if (request->has_room) {
      request->stalled_since.reset();
      continue;
    }
    const Clock::Instant since = request->stalled_since.value_or(now);
    request->stalled_since = since;
    if (now - since >= timeout) stalled.push_back(request->id);
  }
  for (const RequestId id : gone) fail_request(id, {ErrorCode::kCancelled, "the reader has gone"});
  for (const RequestId id : stalled) {
    fail_request(id, {ErrorCode::kCancelled,
                      fmt::format("the client took nothing for {} ms while output was waiting",
                                  options_.stall_timeout_ms)});
  }
}

// In the queue's order: a big request at its head waits for memory, and nobody overtakes it.
void EngineCore::admit() {
  while (std::cmp_less(running_.size(), options_.max_running_requests)) {
    LiveRequest* const head = queue_.head();
    if (head == nullptr) return;
    LiveRequest& request = *head;
    if (blocked_ == Blocked{request.id, memory_.releases()}) return;
    if (const Result<void> reserved = memory_.reserve(request, running_); !reserved) {
      const bool may_fit_later =
          reserved.error().code == ErrorCode::kResourceExhausted && !running_.empty();
      if (may_fit_later) {
        blocked_ = {request.id, memory_.releases()};
        return;
      }
      fail_request(request.id, reserved.error());
      continue;
    }
    running_.push_back(queue_.admit(request));
    ledger_.admitted(running_.back()->id);
  }
}

void EngineCore::begin_constraints() {
  constrained_.clear();
  const auto add = [this](Choice& choice) {
    if (choice.constraint) constrained_.push_back(&choice);
  };
  for (const StepPart& part : plan_.parts) {
    if (!part.wants_logits) continue;
    if (part.choice != nullptr) {
      add(*part.choice);
    } else {
      for (Choice& choice : part.request->choices) add(choice);
    }
  }
  side_jobs_.start(constrained_.size(), [this](std::size_t i) { find_next(*constrained_[i]); });
}

void EngineCore::find_next(Choice& choice) {
  const Result<void> found = contained("a constraint", [&] {
    if (const std::optional<TokenId> token = choice.constraint->forced()) {
      choice.next = NextToken::forced(*token);
      return;
    }
    choice.mask.resize(mask_words(limits_.vocabulary));
    choice.next = choice.constraint->next(choice.mask);
  });
  if (!found) choice.next = Unexpected{found.error()};
}

void EngineCore::publish(const model::LogitsView& logits) {
  CHECK(logits.vocabulary == limits_.vocabulary);
  std::int64_t row = 0;
  for (const StepPart& part : plan_.parts) {
    LiveRequest& request = *part.request;
    if (part.choice == nullptr) {
      request.prefilled += part.tokens;
      counters_.prompt_tokens.fetch_add(part.tokens, std::memory_order_relaxed);
      (void)contained("keeping a state", [&] { memory_.keep_place(request); });
    } else {
      std::vector<TokenId>& unread = part.choice->unread;
      unread.erase(unread.begin(), unread.begin() + part.tokens);
    }
    queue_.charge(request, part.tokens);
    if (!part.wants_logits) continue;
    CHECK(row < logits.rows);
    const std::span<const float> values = logits.row(row++);
    if (request.failure) continue;  // another choice's row: the request fails as a whole
    Result<void> sampled;
    const Result<void> returned = contained("what comes after a token", [&] {
      sampled = part.choice == nullptr ? finish_prompt(request, values)
                                       : sample_choice(request, *part.choice, values);
    });
    if (!returned) sampled = returned;
    if (!sampled) request.failure = copy_of(sampled.error());
  }
  CHECK(row == logits.rows);
}

// The prompt is computed: the other choices get copies of its sequence in place of what was
// reserved for them, and every choice samples its first token from the same row.
Result<void> EngineCore::finish_prompt(LiveRequest& request, std::span<const float> logits) {
  request.events->push_quietly(PrefillDone{request.cached});
  for (Choice& choice : request.choices) TRY(sample_choice(request, choice, logits));
  memory_.publish_places(request);
  return memory_.copy_prompt(request);
}

Result<void> EngineCore::sample_choice(LiveRequest& request, Choice& choice,
                                       std::span<const float> logits) {
  TRY_ASSIGN(const TokenId token, next_token(choice, logits));
  std::optional<EndReason> reason = take_token(request, choice, token, logits);
  if (!reason && may_run_ahead(request, choice)) reason = take_forced(request, choice);
  if (reason) {
    choice.ended = true;
    push(request, ChoiceEnd{choice.number, *reason}, request.live_choices() == 0);
  }
  return {};
}

std::optional<EndReason> EngineCore::take_token(LiveRequest& request, Choice& choice, TokenId token,
                                                std::span<const float> logits) {
  const EngineRequest& wanted = request.request;
  if (choice.constraint && !ends(wanted, token)) token = choice.constraint->accept(token);
  if (ends(wanted, token)) return EndReason::kEnd;
  CHECK(token >= 0 && token < limits_.vocabulary);
  choice.sampler.accept(token);
  choice.unread.push_back(token);
  if (wanted.keep_answer) choice.answer.push_back(token);
  ++choice.generated;
  counters_.generated_tokens.fetch_add(1, std::memory_order_relaxed);
  TokenEvent event{choice.number, token};
  if (wanted.top_logprobs)
    event.logprobs = compute_logprobs(logits, token, *wanted.top_logprobs, wanted.unlisted);
  const bool last = choice.generated >= wanted.max_tokens;
  push(request, std::move(event), last && request.live_choices() == 1);
  if (!last) return std::nullopt;
  const bool complete = choice.constraint && choice.constraint->is_complete();
  return complete ? EndReason::kEnd : EndReason::kMaxTokens;
}

std::optional<EndReason> EngineCore::take_forced(LiveRequest& request, Choice& choice) {
  std::optional<EndReason> reason;
  while (!reason && choice.unread.size() < kMaxUnread) {
    const std::optional<TokenId> token = choice.constraint->forced();
    if (!token) break;
    reason = take_token(request, choice, *token, {});
  }
  return reason;
}

// Forced or sampled. A row that is no use fails the request either way.
Result<TokenId> EngineCore::next_token(Choice& choice, std::span<const float> logits) {
  NextToken next;
  if (choice.constraint) {
    TRY_ASSIGN(next, choice.next);
  }
  if (next.kind == NextToken::Kind::kForced) {
    CHECK(next.token >= 0 && next.token < limits_.vocabulary);
    TRY(check_row(logits));
    return next.token;
  }
  const bool masked = next.kind == NextToken::Kind::kMasked;
  return choice.sampler.sample(
      logits,
      masked ? std::span<const std::uint32_t>(choice.mask) : std::span<const std::uint32_t>(),
      scratch_);
}

// Frees the sequences of choices that have ended, and ends requests that failed or have none left.
void EngineCore::finish_ended() {
  bool any_over = false;
  for (const StepPart& part : plan_.parts) {
    part.request->took_part = true;
    part.request->has_memory = false;
    for (Choice& choice : part.request->choices) {
      if (!choice.ended || !choice.sequence.holds()) continue;
      if (!part.request->failure)
        (void)contained("keeping an answer", [&] { memory_.keep_answer(*part.request, choice); });
      choice.sequence.reset();
    }
    part.request->is_over = part.request->failure || part.request->live_choices() == 0;
    any_over = any_over || part.request->is_over;
  }
  if (!any_over) return;
  for (auto& running : running_) {
    if (!running->is_over) continue;
    std::unique_ptr<LiveRequest> request = std::move(running);
    EngineEvent terminal = RequestDone{};
    if (request->failure && request->failure->code == ErrorCode::kNumerical)
      memory_.forget(*request);
    if (std::optional<Error> failure = std::move(request->failure); failure)
      terminal = RequestFailed{*std::move(failure)};
    queue_.release(*request);
    end(std::move(request), std::move(terminal));
  }
  std::erase(running_, nullptr);
}

// The only place where a terminal event is made. Its memory is back and the counts are right before
// the reader sees it.
void EngineCore::end(std::unique_ptr<LiveRequest> request, EngineEvent terminal) {
  request->choices.clear();
  request->places.clear();
  ledger_.finished(request->id);
  request->events->push(std::move(terminal));
  ledger_.delivered();
}

void EngineCore::check_integrity() const {
  std::int32_t owned = 0;
  std::int32_t pending = 0;
  for (const auto& request : running_) {
    CHECK(std::cmp_equal(request->choices.size(), request->request.choices));
    CHECK(request->live_choices() > 0);
    pending += static_cast<std::int32_t>(request->places.size());
    for (const Choice& choice : request->choices) {
      CHECK(choice.sequence.holds() == !choice.ended);
      CHECK(choice.generated <= request->request.max_tokens);
      owned += choice.sequence.holds() ? 1 : 0;
    }
  }
  queue_.check_integrity(running_);
  CHECK(owned == memory_.live_sequences());
  memory_.check_integrity(pending);
  CHECK(std::cmp_equal(running_.size(), ledger_.running()));
}

}  // namespace tessera::engine
