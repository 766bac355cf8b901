#include "model/reference_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "model/reference_forward.h"

namespace tessera::model {
namespace {

std::int64_t blocks_beside(const BackendLimits& limits, std::int32_t states) {
  if (limits.kv_bytes_per_token == 0) return 0;
  const std::size_t bytes = static_cast<std::size_t>(states) * limits.state_bytes_per_sequence;
  return static_cast<std::int64_t>((limits.sequence_memory_bytes - bytes) /
                                   limits.kv_bytes_per_token);
}

class ReferenceBackend final : public Backend {
 public:
  ReferenceBackend(TensorTable table, const ReferenceOptions& options)
      : table_(std::move(table)), options_(options) {
    if (options_.max_context == 0) options_.max_context = table_.config.max_context;
    limits_ = compute_limits();
  }

  std::string_view name() const override { return "reference"; }
  const ModelConfig& config() const override { return table_.config; }
  BackendLimits limits() const override { return limits_; }
  MemoryUse memory() const override;

  Result<SequenceId> create_sequence(std::int32_t max_tokens) override;
  Result<SequenceId> copy_sequence(SequenceId source) override;
  void free_sequence(SequenceId sequence) override { CHECK(sequences_.erase(sequence) == 1); }
  Result<CheckpointId> save_checkpoint(SequenceId sequence) override;
  Result<SequenceId> create_sequence_from(CheckpointId checkpoint,
                                          std::int32_t max_tokens) override;
  Result<void> extend_sequence(SequenceId id, std::int32_t max_tokens) override;
  void free_checkpoint(CheckpointId checkpoint) override {
    CHECK(checkpoints_.erase(checkpoint) == 1);
  }
  Result<LogitsView> forward(const Batch& batch) override;
  void check_integrity() const override;
  void synchronise() override {}

 private:
  // Also a checkpoint: max_tokens are then those that it has seen.
  struct Sequence {
    std::int32_t max_tokens = 0;
    std::int32_t seen = 0;
    ReferenceState state;
  };

  Sequence& find(SequenceId id) {
    const auto found = sequences_.find(id);
    CHECK(found != sequences_.end());
    return found->second;
  }
  BackendLimits compute_limits() const;
  std::size_t bytes_of(std::int32_t tokens) const {
    return static_cast<std::size_t>(tokens) * limits_.kv_bytes_per_token +
           limits_.state_bytes_per_sequence;
  }
  std::size_t reserved_bytes() const;
  Result<void> check_slot() const;
  Result<void> check_memory(std::int32_t tokens) const;
  SequenceId add(Sequence sequence);
  void check_batch(const Batch& batch);
  void run(const BatchItem& item);

  TensorTable table_;
  ReferenceOptions options_;
  BackendLimits limits_;
  std::unordered_map<SequenceId, Sequence> sequences_;
  std::unordered_map<CheckpointId, Sequence> checkpoints_;
  std::uint64_t next_id_ = 1;
  std::vector<float> logits_;  // [rows, vocabulary] of the last forward()
};

// Nothing is shared here: a copy is a copy, and a block is a token.
BackendLimits ReferenceBackend::compute_limits() const {
  const ModelConfig& c = table_.config;
  std::size_t attention_layers = 0;
  for (std::int32_t layer = 0; layer < c.layers; ++layer) {
    if (c.kind(layer) == LayerKind::kAttention) ++attention_layers;
  }
  BackendLimits limits;
  limits.vocabulary = c.vocabulary;
  limits.max_context = options_.max_context;
  limits.max_sequences = options_.max_sequences;
  limits.max_batch_tokens = options_.max_batch_tokens;
  limits.kv_bytes_per_token = attention_layers * 2 * sizeof(float) *
                              static_cast<std::size_t>(c.kv_heads) *
                              static_cast<std::size_t>(c.head_dim);
  for (const LayerState& layer : make_reference_state(c).layers) {
    limits.state_bytes_per_sequence += layer.bytes();
  }
  limits.kv_block_tokens = 1;
  limits.sequence_memory_bytes =
      static_cast<std::size_t>(options_.max_sequences) *
      (static_cast<std::size_t>(options_.max_context) * limits.kv_bytes_per_token +
       limits.state_bytes_per_sequence);
  limits.kv_blocks = blocks_beside(limits, 1);
  limits.batch_invariant = true;
  return limits;
}

MemoryUse ReferenceBackend::memory() const {
  MemoryUse use;
  for (const TensorView& tensor : table_.file->tensors()) use.weight_bytes += tensor.bytes;
  const auto count = [&use](const Sequence& sequence, std::int64_t& blocks, std::int32_t& states) {
    for (const LayerState& layer : sequence.state.layers) use.state_bytes += layer.bytes();
    blocks += sequence.seen;
    ++states;
  };
  for (const auto& [id, sequence] : sequences_) {
    count(sequence, use.kv_blocks_running, use.states_running);
    use.kv_blocks_promised += sequence.max_tokens - sequence.seen;
  }
  for (const auto& [id, checkpoint] : checkpoints_) {
    count(checkpoint, use.kv_blocks_cached, use.states_cached);
  }
  use.kv_blocks_free = blocks_beside(limits_, use.states_running + use.states_cached) -
                       use.kv_blocks_running - use.kv_blocks_cached;
  use.scratch_bytes = logits_.capacity() * sizeof(float);
  return use;
}

Result<void> ReferenceBackend::check_slot() const {
  if (std::ssize(sequences_) < options_.max_sequences) return {};
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("all {} sequences are in use", options_.max_sequences));
}

std::size_t ReferenceBackend::reserved_bytes() const {
  std::size_t sum = 0;
  for (const auto& [id, sequence] : sequences_) sum += bytes_of(sequence.max_tokens);
  for (const auto& [id, checkpoint] : checkpoints_) sum += bytes_of(checkpoint.max_tokens);
  return sum;
}

Result<void> ReferenceBackend::check_memory(std::int32_t tokens) const {
  const std::size_t left = limits_.sequence_memory_bytes - reserved_bytes();
  if (bytes_of(tokens) <= left) return {};
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("{} tokens need {} bytes; {} of {} are not spoken for", tokens,
                          bytes_of(tokens), left, limits_.sequence_memory_bytes));
}

SequenceId ReferenceBackend::add(Sequence sequence) {
  const SequenceId id{next_id_++};
  sequences_.emplace(id, std::move(sequence));
  return id;
}

Result<SequenceId> ReferenceBackend::create_sequence(std::int32_t max_tokens) {
  TRY(check_slot());
  if (max_tokens > options_.max_context) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("a sequence of {} tokens does not fit the context of {}", max_tokens,
                            options_.max_context));
  }
  TRY(check_memory(max_tokens));
  return add({max_tokens, 0, make_reference_state(table_.config)});
}

Result<SequenceId> ReferenceBackend::copy_sequence(SequenceId source) {
  TRY(check_slot());
  TRY(check_memory(find(source).max_tokens));
  return add(Sequence(find(source)));
}

Result<CheckpointId> ReferenceBackend::save_checkpoint(SequenceId sequence) {
  const Sequence& source = find(sequence);
  TRY(check_memory(source.seen));
  const CheckpointId id{next_id_++};
  checkpoints_.emplace(id, Sequence{source.seen, source.seen, source.state});
  return id;
}

Result<SequenceId> ReferenceBackend::create_sequence_from(CheckpointId checkpoint,
                                                          std::int32_t max_tokens) {
  const auto found = checkpoints_.find(checkpoint);
  CHECK(found != checkpoints_.end());
  CHECK(max_tokens >= found->second.seen);
  TRY_ASSIGN(const SequenceId id, create_sequence(max_tokens));
  Sequence& sequence = find(id);
  sequence.seen = found->second.seen;
  sequence.state = found->second.state;
  return id;
}

Result<void> ReferenceBackend::extend_sequence(SequenceId id, std::int32_t max_tokens) {
  CHECK(max_tokens <= options_.max_context);
  Sequence& sequence = find(id);
  if (max_tokens <= sequence.max_tokens) return {};
  const std::size_t more = bytes_of(max_tokens) - bytes_of(sequence.max_tokens);
  const std::size_t left = limits_.sequence_memory_bytes - reserved_bytes();
  if (more > left) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("a longer sequence needs {} bytes; {} of {} are not spoken for", more,
                            left, limits_.sequence_memory_bytes));
  }
  sequence.max_tokens = max_tokens;
  return {};
}

void ReferenceBackend::check_integrity() const {
  for (const auto& [id, sequence] : sequences_) CHECK(sequence.seen <= sequence.max_tokens);
  CHECK(std::ssize(sequences_) <= options_.max_sequences);
  CHECK(reserved_bytes() <= limits_.sequence_memory_bytes);
}

void ReferenceBackend::check_batch(const Batch& batch) {
  std::int64_t tokens = 0;
  std::unordered_set<SequenceId> in_batch;
  for (const BatchItem& item : batch.items) {
    const Sequence& sequence = find(item.sequence);
    CHECK(in_batch.insert(item.sequence).second);
    CHECK(!item.tokens.empty());
    CHECK(item.position == sequence.seen);
    CHECK(item.position + std::ssize(item.tokens) <= sequence.max_tokens);
    tokens += std::ssize(item.tokens);
  }
  CHECK(tokens <= options_.max_batch_tokens);
}

void ReferenceBackend::run(const BatchItem& item) {
  Sequence& sequence = find(item.sequence);
  Rows hidden = reference_hidden(table_, item.tokens, item.position, sequence.state);
  sequence.seen += static_cast<std::int32_t>(item.tokens.size());
  if (item.logits == LogitsWanted::kNone) return;
  if (item.logits == LogitsWanted::kLast) {
    Rows last(1, hidden.columns);
    std::copy(hidden[hidden.rows - 1].begin(), hidden[hidden.rows - 1].end(), last.values.begin());
    hidden = std::move(last);
  }
  const Rows logits = reference_logits(table_, hidden);
  logits_.insert(logits_.end(), logits.values.begin(), logits.values.end());
}

// NaN in the weights comes out as NaN in that sequence's rows alone: whoever samples a row looks at
// it.
Result<LogitsView> ReferenceBackend::forward(const Batch& batch) {
  check_batch(batch);
  logits_.clear();
  for (const BatchItem& item : batch.items) run(item);
  const std::int64_t vocabulary = table_.config.vocabulary;
  return LogitsView{logits_.data(), std::ssize(logits_) / vocabulary, vocabulary};
}

}  // namespace

std::unique_ptr<Backend> make_reference_backend(TensorTable table,
                                                const ReferenceOptions& options) {
  return std::make_unique<ReferenceBackend>(std::move(table), options);
}

}  // namespace tessera::model
