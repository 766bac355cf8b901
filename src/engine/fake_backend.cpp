#include "engine/fake_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/check.h"

namespace tessera::engine {
namespace {

// The finaliser of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom
// number generators", OOPSLA 2014).
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

model::ModelConfig fake_config(const model::BackendLimits& limits) {
  model::ModelConfig config;
  config.name = "fake";
  config.vocabulary = limits.vocabulary;
  config.max_context = limits.max_context;
  return config;
}

model::SequenceLedger make_ledger(const FakeOptions& options) {
  const std::size_t token_bytes = options.limits.kv_bytes_per_token;
  const auto tokens = static_cast<std::size_t>(options.max_reserved_tokens);
  constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max();
  CHECK(token_bytes > 0);
  return model::SequenceLedger(
      {.budget_bytes = tokens > kMost / token_bytes ? kMost : tokens * token_bytes,
       .block_tokens = options.limits.kv_block_tokens,
       .block_bytes = static_cast<std::size_t>(options.limits.kv_block_tokens) * token_bytes,
       .state_bytes = options.limits.state_bytes_per_sequence});
}

FakeOptions with_memory_limits(FakeOptions options) {
  const model::SequenceLedger ledger = make_ledger(options);
  options.limits.sequence_memory_bytes = ledger.sizes().budget_bytes;
  options.limits.kv_blocks = ledger.capacity(1);
  return options;
}

}  // namespace

void write_one_hot(TokenId token, std::span<float> logits) {
  CHECK(token >= 0 && std::cmp_less(token, logits.size()));
  std::fill(logits.begin(), logits.end(), 0.0f);
  logits[static_cast<std::size_t>(token)] = 20;
}

FakeScript script_responses(std::vector<std::vector<TokenId>> responses, TokenId end_token) {
  CHECK(!responses.empty());
  return [responses = std::move(responses), end_token](const FakeContext& context,
                                                       std::span<float> logits) {
    const auto& response =
        responses[static_cast<std::size_t>(context.prompt_number) % responses.size()];
    const std::size_t written = context.generated().size();
    write_one_hot(written < response.size() ? response[written] : end_token, logits);
  };
}

FakeScript script_echo(TokenId end_token) {
  return [end_token](const FakeContext& context, std::span<float> logits) {
    const std::size_t written = context.generated().size();
    write_one_hot(written < context.prompt_tokens ? context.history[written] : end_token, logits);
  };
}

FakeScript script_count(TokenId first, std::int32_t count, TokenId end_token) {
  return [=](const FakeContext& context, std::span<float> logits) {
    const auto written = static_cast<std::int32_t>(context.generated().size());
    write_one_hot(written < count ? first + written : end_token, logits);
  };
}

FakeScript script_never_ends(TokenId token) {
  return [token](const FakeContext&, std::span<float> logits) { write_one_hot(token, logits); };
}

FakeScript script_hash(std::uint64_t seed) {
  return [seed](const FakeContext& context, std::span<float> logits) {
    std::uint64_t state = mix(seed + 0x9E3779B97F4A7C15);
    for (const TokenId token : context.history)
      state = mix(state + static_cast<std::uint64_t>(token) + 1);
    for (std::size_t i = 0; i < logits.size(); ++i)
      logits[i] =
          static_cast<float>(mix(state + (i + 1) * 0x9E3779B97F4A7C15) >> 40) * 0x1p-20f - 8;
  };
}

FakeBackend::FakeBackend(FakeOptions options)
    : options_(with_memory_limits(std::move(options))),
      config_(fake_config(options_.limits)),
      ledger_(make_ledger(options_)) {
  CHECK(options_.script != nullptr);
}

FakeBackend::~FakeBackend() {
  CHECK(sequences_.empty() && checkpoints_.empty());
}

model::MemoryUse FakeBackend::memory() const {
  const model::SequenceLedger::Counts counts = ledger_.counts();
  return {.weight_bytes = 0,
          .state_bytes = counts.taken_bytes,
          .scratch_bytes = logits_.size() * sizeof(float),
          .kv_blocks_free = counts.free,
          .kv_blocks_promised = counts.promised,
          .kv_blocks_running = counts.running,
          .kv_blocks_cached = counts.cached,
          .states_running = counts.sequences,
          .states_cached = counts.checkpoints};
}

FakeBackend::Sequence& FakeBackend::find(SequenceId id) {
  const auto found = sequences_.find(id);
  CHECK(found != sequences_.end());
  return found->second;
}

Result<void> FakeBackend::check_slot() const {
  if (std::cmp_less(sequences_.size(), options_.limits.max_sequences)) return {};
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("all {} sequences are taken", options_.limits.max_sequences));
}

SequenceId FakeBackend::add(Sequence sequence) {
  const SequenceId id{++last_id_};
  ledger_.keep_in(sequences_, id, std::move(sequence));
  ++live_;
  return id;
}

Result<SequenceId> FakeBackend::create_sequence(std::int32_t max_tokens) {
  CHECK(max_tokens > 0 && max_tokens <= options_.limits.max_context);
  TRY(check_slot());
  Sequence sequence;
  sequence.max_tokens = max_tokens;
  TRY_ASSIGN(sequence.holding, ledger_.open(max_tokens));
  return add(std::move(sequence));
}

Result<SequenceId> FakeBackend::resume(const Past& past, const model::Holding& holding,
                                       std::int32_t max_tokens) {
  CHECK(max_tokens > 0 && max_tokens <= options_.limits.max_context);
  TRY(check_slot());
  Sequence sequence;
  sequence.max_tokens = max_tokens;
  sequence.past = past;
  TRY_ASSIGN(sequence.holding, ledger_.resume(holding, past.seen(), max_tokens));
  return add(std::move(sequence));
}

Result<SequenceId> FakeBackend::copy_sequence(SequenceId source) {
  const Sequence& original = find(source);
  CHECK(original.usable);
  return resume(original.past, original.holding, original.max_tokens);
}

Result<void> FakeBackend::extend_sequence(SequenceId id, std::int32_t max_tokens) {
  CHECK(max_tokens <= options_.limits.max_context);
  Sequence& sequence = find(id);
  if (max_tokens <= sequence.max_tokens) return {};
  TRY(ledger_.extend(sequence.holding, max_tokens));
  sequence.max_tokens = max_tokens;
  return {};
}

void FakeBackend::free_sequence(SequenceId sequence) {
  ledger_.close(std::move(find(sequence).holding));
  sequences_.erase(sequence);
  --live_;
}

Result<CheckpointId> FakeBackend::save_checkpoint(SequenceId sequence) {
  const Sequence& source = find(sequence);
  CHECK(source.usable);
  Checkpoint checkpoint;
  checkpoint.past = source.past;
  TRY_ASSIGN(checkpoint.holding, ledger_.freeze(source.holding, source.past.seen()));
  const CheckpointId id{++last_id_};
  ledger_.keep_in(checkpoints_, id, std::move(checkpoint));
  return id;
}

Result<SequenceId> FakeBackend::create_sequence_from(CheckpointId checkpoint,
                                                     std::int32_t max_tokens) {
  const auto found = checkpoints_.find(checkpoint);
  CHECK(found != checkpoints_.end());
  Past past;  // its prompt does not end where an earlier one's did
  past.history = found->second.past.history;
  return resume(past, found->second.holding, max_tokens);
}

void FakeBackend::free_checkpoint(CheckpointId checkpoint) {
  const auto found = checkpoints_.find(checkpoint);
  CHECK(found != checkpoints_.end());
  ledger_.close(std::move(found->second.holding));
  checkpoints_.erase(found);
}

void FakeBackend::check_integrity() const {
  std::vector<const model::Holding*> holdings;
  for (const auto& [id, sequence] : sequences_) {
    holdings.push_back(&sequence.holding);
    CHECK(std::cmp_equal(sequence.holding.blocks.size(), ledger_.blocks_for(sequence.past.seen())));
  }
  for (const auto& [id, checkpoint] : checkpoints_) holdings.push_back(&checkpoint.holding);
  ledger_.check_integrity(holdings);
}

Result<model::LogitsView> FakeBackend::forward(const model::Batch& batch) {
  const std::int64_t step = step_++;
  if (options_.on_forward) options_.on_forward(step, batch);
  if (options_.step_delay.count() > 0) std::this_thread::sleep_for(options_.step_delay);
  CHECK(!batch.items.empty());
  std::size_t tokens = 0;
  for (const model::BatchItem& item : batch.items) {
    Sequence& sequence = find(item.sequence);
    CHECK(sequence.usable);
    CHECK(std::exchange(sequence.last_step, step) != step);
    CHECK(!item.tokens.empty());
    CHECK(item.position == sequence.past.seen());
    CHECK(std::ssize(item.tokens) <= sequence.max_tokens - sequence.past.seen());
    for (const TokenId token : item.tokens) CHECK(token >= 0 && token < options_.limits.vocabulary);
    tokens += item.tokens.size();
  }
  CHECK(std::cmp_less_equal(tokens, options_.limits.max_batch_tokens));

  if (options_.fail_at_step == step) {
    for (const model::BatchItem& item : batch.items) find(item.sequence).usable = false;
    return fail(options_.failure,
                fmt::format("the fake backend fails at step {}, as ordered", step));
  }
  rows_ = 0;
  for (const model::BatchItem& item : batch.items) append(item);
  if (options_.nan_at_step == step)
    std::fill(logits_.begin(), logits_.end(), std::numeric_limits<float>::quiet_NaN());
  return model::LogitsView{logits_.data(), rows_, options_.limits.vocabulary};
}

void FakeBackend::append(const model::BatchItem& item) {
  Sequence& sequence = find(item.sequence);
  Past& past = sequence.past;
  ledger_.grow(sequence.holding, past.seen() + static_cast<std::int32_t>(item.tokens.size()));
  for (std::size_t i = 0; i < item.tokens.size(); ++i) {
    past.history.push_back(item.tokens[i]);
    const bool last = i + 1 == item.tokens.size();
    const bool wanted = item.logits == model::LogitsWanted::kAll ||
                        (last && item.logits == model::LogitsWanted::kLast);
    if (!wanted) continue;
    if (!past.prompt_tokens) {
      past.prompt_tokens = past.history.size();
      past.prompt_number = prompts_++;
    }
    options_.script({past.history, *past.prompt_tokens, past.prompt_number}, next_row());
  }
}

std::span<float> FakeBackend::next_row() {
  const auto vocabulary = static_cast<std::size_t>(options_.limits.vocabulary);
  const std::size_t begin = static_cast<std::size_t>(rows_++) * vocabulary;
  if (logits_.size() < begin + vocabulary) logits_.resize(begin + vocabulary);
  return std::span(logits_).subspan(begin, vocabulary);
}

}  // namespace tessera::engine
