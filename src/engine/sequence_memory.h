// The memory that requests live in: their sequences, and the prefix cache that fills what they
// leave.
//
// Nothing that runs is ever put out. A request reserves its prompt and the first piece of its
// answer; further pieces follow as it writes, for max_tokens is mostly the whole context and
// answers mostly are short. Admission and every further piece keep to the banker's order (E. W.
// Dijkstra, EWD 623): there is an order in which all that run can have the most they may need, each
// with what those before it give back. So the one that needs least can always go on; others may
// have to wait for a piece, in the middle of their answer, until one ends.
//
// Entries of the cache go for requests, least valuable first, but only where that makes one fit.
// Checkpoints of a prompt are saved as it is
// computed and enter the cache once its logits were found sound; what a request has put there
// goes again if a number of its is not finite later. Owned by EngineCore; the engine thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/live_request.h"
#include "engine/prefix_cache.h"
#include "engine/request_ledger.h"
#include "engine/sequence_pool.h"
#include "model/backend.h"

namespace tessera::engine {

class SequenceMemory {
 public:
  using Running = std::span<const std::unique_ptr<LiveRequest>>;

  // `cache_bytes`: of checkpoints and the KV that only they hold; 0: no cache. `counters` gets the
  // sequences and what the cache does.
  // `piece`: tokens of an answer, reserved at a time.
  SequenceMemory(model::Backend& backend, std::int32_t piece, std::int64_t cache_bytes,
                 const Clock& clock, EngineCounters& counters);

  // Makes the request's choices and their sequences; behind what the cache has of the prompt, which
  // then is prefilled. On an error nothing is left behind.
  // kResourceExhausted also where the banker says no.
  Result<void> reserve(LiveRequest& request, Running running);
  // Room for what the choice puts into its sequence next. False: it has to wait.
  bool make_room(const LiveRequest& request, Choice& choice, Running running);
  // The prompt is computed: sequences for the other choices in place of what was reserved for them.
  Result<void> copy_prompt(LiveRequest& request);
  // The prompt has advanced, perhaps to a place whose state is kept.
  void keep_place(LiveRequest& request);
  // Its logits are sound: what was kept can be found from now on.
  void publish_places(LiveRequest& request);
  // A choice has ended, its sequence is still there: the whole answer, for requests that say so.
  void keep_answer(LiveRequest& request, Choice& choice);
  // It failed with numbers that are not finite.
  void forget(const LiveRequest& request) { cache_.forget(request.id); }

  // How often memory was given back.
  std::int64_t releases() const { return sequences_.releases(); }
  std::int32_t live_sequences() const { return sequences_.live(); }
  // CHECKs, the backend's own included. `pending`: checkpoints that requests hold.
  void check_integrity(std::int32_t pending) const;
  // After each step, and when there was none to compute: what has ended may have left the cache
  // more than its cap. Counts for others.
  void settle();

 private:
  std::optional<PrefixCache::Hit> find(const LiveRequest& request);
  // What running sequences need at most beyond what they have, and give back at least.
  struct Claim {
    std::int64_t need = 0;
    std::int64_t gives = 0;
  };

  Result<void> make_choices(LiveRequest& request);
  template <class Make>
  Result<SequenceHandle> evict_for(std::int32_t tokens, const CheckpointHandle* spared, Make make);
  bool would_fit(std::int32_t tokens) const;
  std::int64_t bytes_of(std::int64_t blocks, std::int64_t states) const;
  std::int64_t blocks_for(std::int64_t tokens) const;
  std::int64_t available() const;
  void add_claims(const LiveRequest& request, std::vector<Claim>& claims) const;
  // Whether there is a banker's order for all that run, and `newcomer` (may be null).
  bool is_safe(std::int64_t available, Running running, const LiveRequest* newcomer) const;
  std::optional<CheckpointHandle> save(const SequenceHandle& sequence);
  AccountId scope_of(const LiveRequest& request, std::int32_t length) const;

  model::Backend& backend_;
  const model::BackendLimits limits_;
  const std::int32_t piece_;
  const std::int64_t cache_bytes_;
  const std::int32_t least_;  // tokens that a checkpoint saves at least
  EngineCounters& counters_;
  SequencePool sequences_;
  PrefixCache cache_;  // its handles are the pool's
};

}  // namespace tessera::engine
