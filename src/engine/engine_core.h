// The engine without its thread: what happens in one step, in order, to which request. Driven by
// the engine thread, or step by step by a test.
//
// Whatever cannot be had in a step (memory, a constraint's word, the backend's numbers) ends the
// requests that needed it, and those alone: see contained.h.
//
// Invariants (check_integrity): every request that is in has had no terminal event; the backend's
// sequences are those of running choices that have not ended, and no others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/side_jobs.h"
#include "engine/engine.h"
#include "engine/fair_queue.h"
#include "engine/live_request.h"
#include "engine/request_ledger.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence_memory.h"
#include "engine/step_pace.h"
#include "model/backend.h"

namespace tessera::engine {

class EngineCore {
 public:
  // `options` as resolve_options() gives them. The references outlive the core.
  EngineCore(model::Backend& backend, const EngineOptions& options, const Clock& clock,
             RequestLedger& ledger, EngineCounters& counters);
  // Every request must have ended: see fail_all().
  ~EngineCore();

  // A request that the ledger has accepted; it waits for its turn.
  void add(std::unique_ptr<LiveRequest> request);
  // Ends the request with `error`; nothing when it has ended.
  void fail_request(RequestId id, const Error& error);
  void fail_all(const Error& error);

  // Ends what was abandoned or stalls too long, admits what fits, computes one batch and publishes
  // its events. False: there was nothing to compute (idle, or every reader is behind).
  bool step();

  bool is_idle() const { return queue_.empty() && running_.empty(); }
  void check_integrity() const;

 private:
  void end_overdue();
  void look_after_readers();
  void admit();
  // What the constraints of the choices in this step say, found while the model computes.
  void begin_constraints();
  void find_next(Choice& choice);
  void make_room();
  void plan();
  const AccountBook* find_crowd();
  void note_account(AccountId account, Clock::Instant now);
  void note_time(Clock::Duration elapsed);
  void compute();
  void publish(const model::LogitsView& logits);
  Result<void> finish_prompt(LiveRequest& request, std::span<const float> logits);
  Result<void> sample_choice(LiveRequest& request, Choice& choice, std::span<const float> logits);
  Result<TokenId> next_token(Choice& choice, std::span<const float> logits);
  // The choice goes on with `token`, or with what its constraint puts in its place; the reason if
  // that ends it.
  std::optional<EndReason> take_token(LiveRequest& request, Choice& choice, TokenId token,
                                      std::span<const float> logits);
  // Takes what is forced behind the last token: it goes through the model together with it.
  std::optional<EndReason> take_forced(LiveRequest& request, Choice& choice);
  void finish_ended();
  void end(std::unique_ptr<LiveRequest> request, EngineEvent terminal);

  model::Backend& backend_;
  const model::BackendLimits limits_;
  const EngineOptions options_;
  const Clock& clock_;
  RequestLedger& ledger_;
  EngineCounters& counters_;

  SequenceMemory memory_;
  Scheduler scheduler_;
  StepPace pace_;
  SamplerScratch scratch_;
  SideJobs side_jobs_;
  std::vector<Choice*> constrained_;  // those with a row in this step
  FairQueue queue_;
  std::vector<std::unique_ptr<LiveRequest>> running_;  // in order of admission
  StepPlan plan_;
  const AccountBook* crowd_ = nullptr;  // of this step: see find_crowd()
  // Somebody was in beside an account that crowds.
  Clock::Instant watched_until_ = Clock::Instant::min();
  // Nothing that is in has a deadline before it.
  Clock::Instant first_deadline_ = Clock::Instant::max();
  struct Seen {
    std::optional<AccountId> account;
    Clock::Instant at;
  };
  std::array<Seen, 2> last_seen_;  // the account that ran last, and the one before

  // The head of the queue did not fit when so much had been given back: no use in trying again
  // before more is.
  struct Blocked {
    RequestId head;
    std::int64_t releases;
    bool operator==(const Blocked&) const = default;
  };
  std::optional<Blocked> blocked_;
};

// Fills in what depends on the backend, and CHECKs the rest.
EngineOptions resolve_options(EngineOptions options, const model::BackendLimits& limits);

}  // namespace tessera::engine
