// A request in the engine, from acceptance to its terminal event. Owned by EngineCore; the engine
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "engine/constraint.h"
#include "engine/event_channel.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/sequence_pool.h"

namespace tessera::engine {

struct AccountBook;

constexpr std::size_t kCacheLine = 64;

// One answer to the prompt. Every step looks at all choices that run, thousands maybe, so what it
// looks at comes first and lies in one cache line.
struct alignas(kCacheLine) Choice {
  Choice(const EngineRequest& request, std::int32_t number)
      : number(number), sampler(request.sampling, number, request.prompt) {
    if (request.make_constraint) constraint = request.make_constraint(number);
  }

  bool ended = false;
  bool waits = false;          // for room: it takes no part in a step
  std::int32_t generated = 0;  // tokens published
  // The last of those generated: decided and published, not yet in the sequence. One was sampled;
  // what it forced follows it.
  std::vector<TokenId> unread;
  // While the prompt is computed: choice 0 holds the sequence that computes it, the others hold
  // empty ones of the same size, which reserve what their copies will need.
  SequenceHandle sequence;
  std::int32_t reserved = 0;  // tokens that its sequence has room for
  std::int32_t number;
  std::uint64_t turn = 0;  // its last one to decode, as the scheduler counts them

  Sampler sampler;
  std::unique_ptr<Constraint> constraint;  // null: none
  // What it says about the row that this step computes. Found by a side job.
  Result<NextToken> next = NextToken::free();
  std::vector<std::uint32_t> mask;
  std::vector<TokenId> answer;  // what was generated, where the request's keep_answer is set
};

// As with choices: what every step looks at comes first.
struct alignas(kCacheLine) LiveRequest {
  LiveRequest(RequestId id, EngineRequest request_value, std::shared_ptr<EventChannel> events)
      : prompt_size(static_cast<std::int32_t>(request_value.prompt.size())),
        id(id),
        request(std::move(request_value)),
        events(std::move(events)),
        first_reserve(max_tokens()) {}
  LiveRequest(const LiveRequest&) = delete;  // the samplers refer to `request`
  LiveRequest& operator=(const LiveRequest&) = delete;

  bool has_room = true;        // its reader keeps up; only then it takes part in a step
  bool took_part = true;       // in a step since its reader was last looked after
  bool has_memory = false;     // no choice waits for room, nor took part since that was seen
  bool is_over = false;        // it failed, or all its choices have ended: found in finish_ended()
  std::int32_t prefilled = 0;  // prompt tokens in the sequence
  const std::int32_t prompt_size;
  std::vector<Choice> choices;  // filled at admission; never resized after
  AccountBook* book = nullptr;  // the queue's, of its account
  const RequestId id;

  const EngineRequest request;
  const std::shared_ptr<EventChannel> events;

  std::int32_t first_reserve;  // tokens that each choice's sequence begins with room for
  std::int32_t cached = 0;     // of these, from the prefix cache
  // Where chunks of the prompt end, because the state there is kept; ascending.
  std::vector<std::int32_t> stops;
  // Kept and not in the cache yet: lengths of the prompt.
  std::vector<std::pair<std::int32_t, CheckpointHandle>> places;
  std::int64_t expected = 0;      // tokens that it may need yet, for the queue's account of it
  double rank = 0;                // the lower, the more its account is owed: its prompt goes first
  std::int32_t passed_over = 0;   // steps since its prompt last advanced
  std::int32_t alone_tokens = 0;  // of its prompt, computed in steps of its own
  Clock::Duration alone_time{};   // that these took
  std::optional<Clock::Instant> stalled_since;
  Clock::Instant deadline = Clock::Instant::max();
  Clock::Instant start_deadline = Clock::Instant::max();  // while it waits
  std::optional<Error> failure;  // of this step; ends the request at the step's end

  // Of prompt and answer.
  std::int32_t max_tokens() const { return prompt_tokens() + request.max_tokens; }
  std::int32_t prompt_tokens() const { return prompt_size; }
  bool in_prefill() const { return prefilled < prompt_tokens(); }
  // Where the chunk that comes next has to end at the latest.
  std::int32_t next_stop() const {
    const auto stop = std::upper_bound(stops.begin(), stops.end(), prefilled);
    return stop == stops.end() ? prompt_tokens() : *stop;
  }
  std::int32_t live_choices() const {
    std::int32_t live = 0;
    for (const Choice& choice : choices) live += choice.ended ? 0 : 1;
    return live;
  }
  // The reader has dropped the channel: nobody else can get hold of it again.
  bool is_abandoned() const { return events.use_count() == 1; }
};

}  // namespace tessera::engine
