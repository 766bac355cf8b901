#include "engine/sequence_memory.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/check.h"
#include "engine/contained.h"

namespace tessera::engine {
namespace {

constexpr std::size_t kMaxEntries = 4096;
// A checkpoint saves this many tokens at least, or one for each 64 whose KV is as large as its
// state: 98 of Qwen3.6-35B-A3B with 8 bits.
constexpr std::int32_t kLeastTokens = 16;
constexpr std::size_t kStateShare = 64;

std::int32_t least_tokens(const model::BackendLimits& limits) {
  if (limits.kv_bytes_per_token == 0) return kLeastTokens;
  const std::size_t of_state =
      limits.state_bytes_per_sequence / limits.kv_bytes_per_token / kStateShare;
  return std::max(kLeastTokens, static_cast<std::int32_t>(std::min<std::size_t>(of_state, 4096)));
}

std::size_t block_bytes(const model::BackendLimits& limits) {
  return limits.kv_bytes_per_token * static_cast<std::size_t>(limits.kv_block_tokens);
}

}  // namespace

SequenceMemory::SequenceMemory(model::Backend& backend, std::int32_t piece,
                               std::int64_t cache_bytes, const Clock& clock,
                               EngineCounters& counters)
    : backend_(backend),
      limits_(backend.limits()),
      piece_(piece),
      cache_bytes_(cache_bytes),
      least_(least_tokens(limits_)),
      counters_(counters),
      sequences_(backend, counters.sequences),
      cache_({limits_.state_bytes_per_sequence, limits_.kv_bytes_per_token,
              cache_bytes > 0 ? kMaxEntries : 0},
             clock) {}

std::optional<PrefixCache::Hit> SequenceMemory::find(const LiveRequest& request) {
  const std::vector<TokenId>& prompt = request.request.prompt;
  const std::int32_t most = request.prompt_tokens() - 1;  // the last one's logits are wanted
  auto own = cache_.find(request.request.account, prompt, most);
  auto shared =
      cache_.find(PrefixCache::kShared, prompt, std::min(most, request.request.shared_tokens));
  return !own || (shared && shared->tokens > own->tokens) ? shared : own;
}

Result<void> SequenceMemory::reserve(LiveRequest& request, Running running) {
  Result<void> made;
  const Result<void> returned = contained("an admission", [&] {
    made = make_choices(request);
    if (!made) return;
    if (!is_safe(available(), running, &request))
      made = fail(ErrorCode::kResourceExhausted, "no memory for all that the answer may need");
  });
  if (!returned) made = returned;
  if (!made) {
    request.choices.clear();
    request.stops.clear();
    request.prefilled = request.cached = 0;
    return made;
  }
  (request.cached > 0 ? counters_.cache_hits : counters_.cache_misses) += 1;
  counters_.cached_tokens += request.cached;
  return {};
}

Result<void> SequenceMemory::make_choices(LiveRequest& request) {
  const std::int32_t tokens = request.first_reserve;
  std::optional<PrefixCache::Hit> hit = find(request);
  Result<SequenceHandle> first = evict_for(tokens, hit ? hit->checkpoint : nullptr, [&] {
    return hit ? sequences_.create_from(*hit->checkpoint, tokens) : sequences_.create(tokens);
  });
  if (!first && hit) {  // the entry itself may be what is in the way
    hit.reset();
    first = evict_for(tokens, nullptr, [&] { return sequences_.create(tokens); });
  }
  if (!first) return Unexpected{first.error()};
  const std::int32_t cached = hit ? hit->tokens : 0;
  request.choices.reserve(static_cast<std::size_t>(request.request.choices));
  request.choices.emplace_back(request.request, 0).sequence = *std::move(first);
  // Copies share the prompt's whole blocks.
  const std::int32_t of_copy =
      std::min(tokens, tokens - request.prompt_tokens() + limits_.kv_block_tokens);
  for (std::int32_t number = 1; number < request.request.choices; ++number) {
    Result<SequenceHandle> copy =
        evict_for(of_copy, nullptr, [&] { return sequences_.create(of_copy); });
    if (!copy) return Unexpected{copy.error()};
    request.choices.emplace_back(request.request, number).sequence = *std::move(copy);
  }
  request.prefilled = request.cached = cached;
  if (cache_bytes_ > 0)
    request.stops =
        plan_checkpoints(request.prompt_tokens(), request.request.boundaries, cached, least_);
  for (Choice& choice : request.choices) choice.reserved = tokens;
  return {};
}

template <class Make>
Result<SequenceHandle> SequenceMemory::evict_for(std::int32_t tokens,
                                                 const CheckpointHandle* spared, Make make) {
  for (;;) {
    Result<SequenceHandle> made = make();
    if (made || made.error().code != ErrorCode::kResourceExhausted) return made;
    if (!would_fit(tokens) || !cache_.evict_one(spared)) return made;
  }
}

// A sequence of so many tokens, if the cache were empty.
bool SequenceMemory::would_fit(std::int32_t tokens) const {
  return sequences_.live() < limits_.max_sequences &&
         bytes_of(blocks_for(tokens), 1) <= available();
}

std::int64_t SequenceMemory::bytes_of(std::int64_t blocks, std::int64_t states) const {
  return blocks * static_cast<std::int64_t>(block_bytes(limits_)) +
         states * static_cast<std::int64_t>(limits_.state_bytes_per_sequence);
}

std::int64_t SequenceMemory::blocks_for(std::int64_t tokens) const {
  return limits_.kv_block_tokens == 0 ? 0 : (tokens - 1) / limits_.kv_block_tokens + 1;
}

// Neither taken nor promised, if the cache were empty.
std::int64_t SequenceMemory::available() const {
  const model::MemoryUse use = backend_.memory();
  return static_cast<std::int64_t>(limits_.sequence_memory_bytes) -
         static_cast<std::int64_t>(use.state_bytes) - bytes_of(use.kv_blocks_promised, 0) +
         bytes_of(use.kv_blocks_cached, static_cast<std::int64_t>(cache_.entries()));
}

// Of the prompt's blocks nothing is counted on: others may share them.
void SequenceMemory::add_claims(const LiveRequest& request, std::vector<Claim>& claims) const {
  const std::int64_t of_prompt =
      limits_.kv_block_tokens == 0 ? 0 : request.prompt_tokens() / limits_.kv_block_tokens;
  for (const Choice& choice : request.choices) {
    if (choice.ended) continue;
    const std::int64_t has = blocks_for(choice.reserved);
    claims.push_back(
        {bytes_of(blocks_for(request.max_tokens()) - has, 0), bytes_of(has - of_prompt, 1)});
  }
}

bool SequenceMemory::is_safe(std::int64_t available, Running running,
                             const LiveRequest* newcomer) const {
  if (available < 0) return false;
  // Where the longest sequence there can be would fit, whoever is first ends, and gives its own.
  if (available >= bytes_of(blocks_for(limits_.max_context), 0)) return true;
  std::vector<Claim> claims;
  for (const auto& each : running) add_claims(*each, claims);
  if (newcomer != nullptr) add_claims(*newcomer, claims);
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return a.need < b.need; });
  for (const Claim& claim : claims) {
    if (claim.need > available) return false;
    available += claim.gives;
  }
  return true;
}

bool SequenceMemory::make_room(const LiveRequest& request, Choice& choice, Running running) {
  const std::int32_t wanted = request.prompt_tokens() + choice.generated;
  if (wanted <= choice.reserved) return true;
  const std::int32_t before = choice.reserved;
  const std::int32_t tokens = static_cast<std::int32_t>(
      std::min<std::int64_t>(std::int64_t{wanted} + piece_ - 1, request.max_tokens()));
  choice.reserved = tokens;
  bool extended = false;
  (void)contained("reserving for an answer", [&] {
    if (!is_safe(available() - bytes_of(blocks_for(tokens) - blocks_for(before), 0), running,
                 nullptr))
      return;
    while (!(extended = sequences_.extend(choice.sequence, tokens).has_value()))
      if (!cache_.evict_one()) return;
  });
  if (!extended) choice.reserved = before;
  return extended;
}

Result<void> SequenceMemory::copy_prompt(LiveRequest& request) {
  const SequenceHandle& prompt = request.choices.front().sequence;
  for (Choice& choice : request.choices) {
    if (choice.number == 0 || choice.ended) continue;
    choice.sequence.reset();
    TRY_ASSIGN(choice.sequence, sequences_.copy(prompt));
  }
  return {};
}

std::optional<CheckpointHandle> SequenceMemory::save(const SequenceHandle& sequence) {
  for (;;) {
    Result<CheckpointHandle> saved = sequences_.save(sequence);
    if (saved) return *std::move(saved);
    if (!cache_.evict_one()) return std::nullopt;
  }
}

void SequenceMemory::keep_place(LiveRequest& request) {
  if (!std::binary_search(request.stops.begin(), request.stops.end(), request.prefilled)) return;
  const std::span<const TokenId> prefix =
      std::span(request.request.prompt).first(static_cast<std::size_t>(request.prefilled));
  if (cache_.contains(scope_of(request, request.prefilled), prefix)) return;
  if (auto checkpoint = save(request.choices.front().sequence))
    request.places.push_back({request.prefilled, *std::move(checkpoint)});
}

// Of a prompt that accounts may share, that part alone.
AccountId SequenceMemory::scope_of(const LiveRequest& request, std::int32_t length) const {
  return length <= request.request.shared_tokens ? PrefixCache::kShared : request.request.account;
}

void SequenceMemory::publish_places(LiveRequest& request) {
  if (request.places.empty()) return;
  const auto tokens = std::make_shared<const std::vector<TokenId>>(request.request.prompt);
  for (auto& [length, checkpoint] : request.places)
    cache_.add(scope_of(request, length), tokens, length, std::move(checkpoint), request.id);
  request.places.clear();
}

void SequenceMemory::keep_answer(LiveRequest& request, Choice& choice) {
  if (!request.request.keep_answer || cache_bytes_ == 0) return;
  const std::size_t computed = choice.answer.size() - choice.unread.size();
  if (std::cmp_less(computed, least_)) return;
  auto tokens = std::make_shared<std::vector<TokenId>>(request.request.prompt);
  tokens->insert(tokens->end(), choice.answer.begin(),
                 choice.answer.begin() + static_cast<std::ptrdiff_t>(computed));
  if (cache_.contains(request.request.account, *tokens)) return;
  const auto length = static_cast<std::int32_t>(tokens->size());
  if (auto checkpoint = save(choice.sequence)) {
    cache_.add(request.request.account, std::move(tokens), length, *std::move(checkpoint),
               request.id);
  }
}

void SequenceMemory::settle() {
  const auto is_over_cap = [&] {
    const model::MemoryUse use = backend_.memory();
    return std::cmp_greater(
        static_cast<std::size_t>(use.kv_blocks_cached) * block_bytes(limits_) +
            static_cast<std::size_t>(use.states_cached) * limits_.state_bytes_per_sequence,
        cache_bytes_);
  };
  while (is_over_cap() && cache_.evict_one()) {
  }
  const model::MemoryUse use = backend_.memory();
  counters_.kv_blocks_free = use.kv_blocks_free;
  counters_.kv_blocks_running = use.kv_blocks_running;
  counters_.kv_blocks_cached = use.kv_blocks_cached;
  counters_.cache_entries = static_cast<std::int64_t>(cache_.entries());
  counters_.cache_evictions = cache_.evictions();
}

void SequenceMemory::check_integrity(std::int32_t pending) const {
  cache_.check_integrity();
  backend_.check_integrity();
  CHECK(sequences_.live() <= limits_.max_sequences);
  CHECK(std::cmp_equal(sequences_.checkpoints(),
                       cache_.entries() + static_cast<std::size_t>(pending)));
}

}  // namespace tessera::engine
