#include "cpu/cpu_backend.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "cpu/forward.h"
#include "cpu/memory_plan.h"
#include "fmt/format.h"

namespace tessera::cpu {
namespace {

using model::LogitsWanted;

// What a thread copies at a time.
constexpr std::size_t kCopyBytes = 1 << 20;

model::SequenceLedger::Sizes ledger_sizes(const MemoryPlan& plan, const StateLayout& layout) {
  model::SequenceLedger::Sizes sizes;
  sizes.budget_bytes = plan.sequence_bytes;
  sizes.block_tokens = static_cast<std::int32_t>(kKeysPerBlock);
  sizes.block_bytes = layout.block_bytes();
  sizes.state_bytes = layout.recurrent_floats() * sizeof(float);
  return sizes;
}

class CpuBackend final : public model::Backend {
 public:
  static Result<std::unique_ptr<model::Backend>> make(model::TensorTable table, CpuOptions options,
                                                      const Kernels& kernels);

  std::string_view name() const override { return name_; }
  const model::ModelConfig& config() const override { return table_.config; }
  model::BackendLimits limits() const override;
  model::MemoryUse memory() const override;
  Result<SequenceId> create_sequence(std::int32_t max_tokens) override;
  Result<SequenceId> copy_sequence(SequenceId source) override;
  void free_sequence(SequenceId id) override;
  Result<CheckpointId> save_checkpoint(SequenceId id) override;
  Result<SequenceId> create_sequence_from(CheckpointId id, std::int32_t max_tokens) override;
  Result<void> extend_sequence(SequenceId id, std::int32_t max_tokens) override;
  void free_checkpoint(CheckpointId id) override;
  Result<model::LogitsView> forward(const model::Batch& batch) override;
  void check_integrity() const override;
  void synchronise() override {}

 private:
  CpuBackend(model::TensorTable table, const CpuOptions& options, const MemoryPlan& plan)
      : table_(std::move(table)),
        options_(options),
        plan_(plan),
        layout_(table_.config, options_.kv_type),
        ledger_(ledger_sizes(plan_, layout_)) {}

  Result<void> allocate(const Kernels& kernels);
  void prepare_tables();
  Sequence& find(SequenceId id);
  void begin_step(const model::Batch& batch);
  Result<void> check_slot(std::int32_t max_tokens) const;
  Result<Buffer> allocate_state() const;
  Result<SequenceId> resume(const Past& past, std::int32_t max_tokens);
  void copy_state(const Buffer& from, const Buffer& to);
  void close(Past& past);
  Result<model::LogitsView> compute_logits(Context& c);

  const model::TensorTable table_;
  const CpuOptions options_;
  const MemoryPlan plan_;
  const StateLayout layout_;
  std::string name_;
  std::unique_ptr<Compute> compute_;
  Scratch scratch_;
  Rows logits_;  // grown when a step wants more rows than any before
  model::SequenceLedger ledger_;
  BlockMemory blocks_;
  std::vector<double> frequencies_;               // of the rotation: [rope_dims / 2]
  std::vector<std::vector<float>> conv_weights_;  // per GDN layer: [conv_kernel, conv_channels]
  std::unordered_map<SequenceId, Sequence> sequences_;
  std::unordered_map<CheckpointId, Past> checkpoints_;
  std::uint64_t next_id_ = 1;
  Step step_;
};

Result<std::unique_ptr<model::Backend>> CpuBackend::make(model::TensorTable table,
                                                         CpuOptions options,
                                                         const Kernels& kernels) {
  TRY_ASSIGN(const MemoryPlan plan,
             plan_memory(table, options, StateLayout(table.config, options.kv_type)));
  options.max_sequences = plan.max_sequences;
  std::unique_ptr<CpuBackend> backend(new CpuBackend(std::move(table), options, plan));
  TRY(backend->allocate(kernels));
  backend->prepare_tables();
  return std::unique_ptr<model::Backend>(std::move(backend));
}

Result<void> CpuBackend::allocate(const Kernels& kernels) {
  const model::ModelConfig& c = table_.config;
  name_ = fmt::format("cpu/{}", isa_name(kernels.isa));
  TRY_ASSIGN(compute_, Compute::create(kernels, options_.threads, longest_row(table_),
                                       static_cast<std::size_t>(c.experts) + 4));
  TRY_ASSIGN(scratch_,
             Scratch::allocate(c, static_cast<std::size_t>(options_.max_batch_tokens),
                               static_cast<std::size_t>(options_.max_context), options_.threads,
                               options_.activations == Activations::kInt8));
  TRY_ASSIGN(logits_, Rows::allocate(static_cast<std::size_t>(options_.max_sequences),
                                     static_cast<std::size_t>(c.vocabulary), "logits"));
  TRY_ASSIGN(blocks_, BlockMemory::create(static_cast<std::size_t>(ledger_.capacity(1)),
                                          layout_.block_bytes()));
  sequences_.reserve(static_cast<std::size_t>(options_.max_sequences));
  step_.items.reserve(static_cast<std::size_t>(options_.max_sequences));
  step_.tokens.reserve(static_cast<std::size_t>(options_.max_batch_tokens));
  step_.wanted.reserve(static_cast<std::size_t>(options_.max_batch_tokens));
  return {};
}

void CpuBackend::prepare_tables() {
  const model::ModelConfig& c = table_.config;
  for (std::int32_t i = 0; i < c.rope_dims / 2; ++i) {
    frequencies_.push_back(std::pow(c.rope_base, -2.0 * i / c.rope_dims));
  }
  const std::size_t kernel = static_cast<std::size_t>(c.conv_kernel);
  const std::size_t channels = static_cast<std::size_t>(c.conv_channels());
  for (const model::LayerTensors& layer : table_.layers) {
    if (layer.kind != model::LayerKind::kGatedDeltaNet) continue;
    std::vector<float>& transposed = conv_weights_.emplace_back(kernel * channels);
    const float* weights = floats(*layer.gdn.conv);
    for (std::size_t channel = 0; channel < channels; ++channel) {
      for (std::size_t j = 0; j < kernel; ++j) {
        transposed[j * channels + channel] = weights[channel * kernel + j];
      }
    }
  }
}

model::BackendLimits CpuBackend::limits() const {
  model::BackendLimits limits;
  limits.vocabulary = table_.config.vocabulary;
  limits.max_context = options_.max_context;
  limits.max_sequences = options_.max_sequences;
  limits.max_batch_tokens = options_.max_batch_tokens;
  limits.kv_bytes_per_token = layout_.block_bytes() / kKeysPerBlock;
  limits.state_bytes_per_sequence = layout_.recurrent_floats() * sizeof(float);
  limits.kv_block_tokens = static_cast<std::int32_t>(kKeysPerBlock);
  limits.kv_blocks = ledger_.capacity(1);
  limits.sequence_memory_bytes = ledger_.sizes().budget_bytes;
  limits.batch_invariant = true;
  return limits;
}

model::MemoryUse CpuBackend::memory() const {
  model::MemoryUse use;
  use.weight_bytes = plan_.weight_bytes;
  const model::SequenceLedger::Counts counts = ledger_.counts();
  use.state_bytes = counts.taken_bytes;
  use.kv_blocks_free = counts.free;
  use.kv_blocks_promised = counts.promised;
  use.kv_blocks_running = counts.running;
  use.kv_blocks_cached = counts.cached;
  use.states_running = counts.sequences;
  use.states_cached = counts.checkpoints;
  use.scratch_bytes = plan_.scratch_bytes;
  return use;
}

Sequence& CpuBackend::find(SequenceId id) {
  const auto found = sequences_.find(id);
  CHECK(found != sequences_.end());
  return found->second;
}

Result<void> CpuBackend::check_slot(std::int32_t max_tokens) const {
  CHECK(max_tokens >= 1);
  if (max_tokens > options_.max_context) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("a sequence of {} tokens does not fit the context of {}", max_tokens,
                            options_.max_context));
  }
  if (std::ssize(sequences_) >= options_.max_sequences) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("all {} sequences are in use", options_.max_sequences));
  }
  return {};
}

Result<Buffer> CpuBackend::allocate_state() const {
  return Buffer::allocate(layout_.recurrent_floats() * sizeof(float), "a recurrent state");
}

Result<SequenceId> CpuBackend::create_sequence(std::int32_t max_tokens) {
  TRY(check_slot(max_tokens));
  Sequence sequence;
  sequence.max_tokens = max_tokens;
  TRY_ASSIGN(sequence.recurrent, allocate_state());
  TRY_ASSIGN(sequence.holding, ledger_.open(max_tokens));
  const SequenceId id{next_id_++};
  ledger_.keep_in(sequences_, id, std::move(sequence));
  return id;
}

Result<SequenceId> CpuBackend::copy_sequence(SequenceId source) {
  const Sequence& from = find(source);
  CHECK(!from.failed);
  return resume(from, from.max_tokens);
}

Result<SequenceId> CpuBackend::create_sequence_from(CheckpointId id, std::int32_t max_tokens) {
  const auto found = checkpoints_.find(id);
  CHECK(found != checkpoints_.end());
  return resume(found->second, max_tokens);
}

Result<SequenceId> CpuBackend::resume(const Past& past, std::int32_t max_tokens) {
  TRY(check_slot(max_tokens));
  Sequence sequence;
  sequence.max_tokens = max_tokens;
  sequence.seen = past.seen;
  TRY_ASSIGN(sequence.recurrent, allocate_state());
  TRY_ASSIGN(sequence.holding, ledger_.resume(past.holding, past.seen, max_tokens));
  copy_state(past.recurrent, sequence.recurrent);
  const std::vector<model::BlockId>& blocks = sequence.holding.blocks;
  if (static_cast<std::size_t>(past.seen) % kKeysPerBlock != 0 && !blocks.empty()) {
    std::memcpy(blocks_[blocks.back()], blocks_[past.holding.blocks[blocks.size() - 1]],
                layout_.block_bytes());
  }
  const SequenceId id{next_id_++};
  ledger_.keep_in(sequences_, id, std::move(sequence));
  return id;
}

Result<void> CpuBackend::extend_sequence(SequenceId id, std::int32_t max_tokens) {
  CHECK(max_tokens <= options_.max_context);
  Sequence& sequence = find(id);
  if (max_tokens <= sequence.max_tokens) return {};
  TRY(ledger_.extend(sequence.holding, max_tokens));
  sequence.max_tokens = max_tokens;
  return {};
}

Result<CheckpointId> CpuBackend::save_checkpoint(SequenceId id) {
  const Sequence& sequence = find(id);
  CHECK(!sequence.failed);
  Past checkpoint;
  checkpoint.seen = sequence.seen;
  TRY_ASSIGN(checkpoint.recurrent, allocate_state());
  TRY_ASSIGN(checkpoint.holding, ledger_.freeze(sequence.holding, sequence.seen));
  copy_state(sequence.recurrent, checkpoint.recurrent);
  const CheckpointId saved{next_id_++};
  ledger_.keep_in(checkpoints_, saved, std::move(checkpoint));
  return saved;
}

void CpuBackend::copy_state(const Buffer& from, const Buffer& to) {
  const std::size_t pieces = (from.bytes() + kCopyBytes - 1) / kCopyBytes;
  compute_->for_each(pieces, 1, [&](std::size_t piece, std::size_t, int) {
    const std::size_t at = piece * kCopyBytes;
    std::memcpy(to.data() + at, from.data() + at, std::min(kCopyBytes, from.bytes() - at));
  });
}

void CpuBackend::free_sequence(SequenceId id) {
  close(find(id));
  sequences_.erase(id);
}

void CpuBackend::free_checkpoint(CheckpointId id) {
  const auto found = checkpoints_.find(id);
  CHECK(found != checkpoints_.end());
  close(found->second);
  checkpoints_.erase(found);
}

void CpuBackend::close(Past& past) {
  ledger_.close(std::move(past.holding));
  for (const model::BlockId block : ledger_.freed()) blocks_.discard(block);
}

void CpuBackend::check_integrity() const {
  std::vector<const model::Holding*> holdings;
  for (const auto& [id, sequence] : sequences_) {
    holdings.push_back(&sequence.holding);
    CHECK(std::cmp_equal(sequence.holding.blocks.size(), ledger_.blocks_for(sequence.seen)));
  }
  for (const auto& [id, checkpoint] : checkpoints_) holdings.push_back(&checkpoint.holding);
  ledger_.check_integrity(holdings);
}

void CpuBackend::begin_step(const model::Batch& batch) {
  step_.items.clear();
  step_.tokens.clear();
  step_.wanted.clear();
  for (const model::BatchItem& item : batch.items) {
    Sequence& sequence = find(item.sequence);
    for (const StepItem& other : step_.items) CHECK(other.sequence != &sequence);
    CHECK(!sequence.failed);
    CHECK(!item.tokens.empty());
    CHECK(item.position == sequence.seen);
    CHECK(std::ssize(item.tokens) <= sequence.max_tokens - sequence.seen);
    CHECK(step_.tokens.size() + item.tokens.size() <=
          static_cast<std::size_t>(options_.max_batch_tokens));
    step_.items.push_back({&sequence, step_.tokens.size(), item.tokens.size(), item.position});
    for (std::size_t t = 0; t < item.tokens.size(); ++t) {
      CHECK(item.tokens[t] >= 0 && item.tokens[t] < table_.config.vocabulary);
      const bool last = t + 1 == item.tokens.size();
      if (item.logits == LogitsWanted::kAll || (item.logits == LogitsWanted::kLast && last)) {
        step_.wanted.push_back(step_.tokens.size());
      }
      step_.tokens.push_back(
          {item.tokens[t], item.position + static_cast<std::int32_t>(t), step_.items.size() - 1});
    }
    ledger_.grow(sequence.holding, sequence.seen + static_cast<std::int32_t>(item.tokens.size()));
  }
}

Result<model::LogitsView> CpuBackend::forward(const model::Batch& batch) {
  begin_step(batch);
  Context c{table_.config, layout_, blocks_, *compute_, scratch_, step_};
  Result<model::LogitsView> logits = model::LogitsView{nullptr, 0, table_.config.vocabulary};
  if (!step_.tokens.empty()) {
    embed(c, *table_.token_embedding);
    prepare_rotation(c, frequencies_);
    std::size_t attention_layer = 0, gdn_layer = 0;
    for (const model::LayerTensors& layer : table_.layers) {
      rms_norm(c, *layer.attn_norm, false);
      if (layer.kind == model::LayerKind::kAttention) {
        gated_attention(c, layer.attention, attention_layer++);
      } else {
        gated_delta_net(c, layer.gdn, conv_weights_[gdn_layer].data(), gdn_layer);
        ++gdn_layer;
      }
      rms_norm(c, *layer.post_attention_norm, true);
      mixture_of_experts(c, layer.moe);
    }
    logits = compute_logits(c);
  }
  if (table_.file->damaged()) {
    logits = fail(ErrorCode::kIo, "the model file was changed or lost while it was in use");
  }
  for (const StepItem& item : step_.items) {
    item.sequence->seen += static_cast<std::int32_t>(item.tokens);
    item.sequence->failed = !logits.has_value();
  }
  return logits;
}

Result<model::LogitsView> CpuBackend::compute_logits(Context& c) {
  const std::size_t rows = step_.wanted.size();
  const std::size_t vocabulary = static_cast<std::size_t>(table_.config.vocabulary);
  if (rows > logits_.count()) {
    TRY_ASSIGN(logits_, Rows::allocate(rows, vocabulary, "logits"));
  }
  const std::size_t hidden = static_cast<std::size_t>(table_.config.hidden);
  compute_->for_each(rows, 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      c.compute.kernels().rms_norm(scratch_.x[step_.wanted[i]], floats(*table_.output_norm), hidden,
                                   table_.config.rms_epsilon, scratch_.normed[i]);
      if (!scratch_.normed8.empty())
        c.compute.kernels().quantise_row(scratch_.normed[i], 0, hidden, hidden,
                                         scratch_.normed8[i]);
    }
  });
  if (rows > 0) {
    const Product head{Matrix::of(*table_.output),
                       {scratch_.normed.pointers(), scratch_.normed8.pointers()},
                       logits_.pointers(),
                       rows};
    compute_->multiply({&head, 1});
  }
  return model::LogitsView{rows > 0 ? logits_[0] : nullptr, static_cast<std::int64_t>(rows),
                           static_cast<std::int64_t>(vocabulary)};
}

// What the kernels ask of a checkpoint; each refusal names the number.
Result<void> check_shapes(const model::TensorTable& table) {
  const model::ModelConfig& c = table.config;
  const struct {
    const char* what;
    std::int32_t value;
  } lengths[] = {{"hidden size", c.hidden},
                 {"attention head size", c.head_dim},
                 {"Gated DeltaNet head size", c.gdn_head_dim},
                 {"expert FFN size", c.expert_ffn},
                 {"shared expert FFN size", c.shared_ffn}};
  for (const auto& length : lengths) {
    if (length.value <= 0 || length.value % static_cast<std::int32_t>(kLanes) != 0) {
      return fail(
          ErrorCode::kUnsupported,
          fmt::format("the CPU backend needs a {} that is a multiple of {}; this model's is {}",
                      length.what, kLanes, length.value));
    }
  }
  if (c.conv_kernel < 1 || c.conv_kernel > static_cast<std::int32_t>(kMaxConvKernel)) {
    return fail(
        ErrorCode::kUnsupported,
        fmt::format("the CPU backend knows convolutions of 1 to {} steps; this model's has {}",
                    kMaxConvKernel, c.conv_kernel));
  }
  if (c.heads / c.kv_heads > static_cast<std::int32_t>(kMaxHeadGroup)) {
    return fail(
        ErrorCode::kUnsupported,
        fmt::format(
            "the CPU backend lets up to {} query heads share a key/value head; this model has {}",
            kMaxHeadGroup, c.heads / c.kv_heads));
  }
  if (c.experts_used > static_cast<std::int32_t>(kMaxChosen)) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("the CPU backend takes up to {} experts a token; this model has {}",
                            kMaxChosen, c.experts_used));
  }
  for (const weights::TensorView& tensor : table.file->tensors()) {
    if (!kernels_support(tensor.type)) {
      return fail(ErrorCode::kUnsupported,
                  fmt::format("tensor {} is of type {}, which the CPU backend has no kernels for",
                              tensor.name, weights::info(tensor.type).name));
    }
  }
  return {};
}

Result<CpuOptions> complete(CpuOptions options, const model::ModelConfig& config) {
  constexpr int kMaxThreads = 1024;
  if (options.threads == 0)
    options.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (options.max_context == 0) options.max_context = config.max_context;
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return fail(ErrorCode::kOutOfRange,
                fmt::format("{} threads; 1 to {} are possible", options.threads, kMaxThreads));
  }
  if (options.max_context < 1 || options.max_sequences < (options.memory_bytes > 0 ? 0 : 1) ||
      options.max_batch_tokens < 1) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format(
            "a context of {} tokens, {} sequences, {} tokens a step: each must be at least 1",
            options.max_context, options.max_sequences, options.max_batch_tokens));
  }
  return options;
}

}  // namespace

Result<std::unique_ptr<model::Backend>> make_backend(model::TensorTable table,
                                                     const CpuOptions& options) {
  TRY(check_shapes(table));
  TRY_ASSIGN(const CpuOptions completed, complete(options, table.config));
  TRY_ASSIGN(const Isa isa, choose_isa(options.isa));
  return CpuBackend::make(std::move(table), completed, kernels(isa));
}

}  // namespace tessera::cpu
