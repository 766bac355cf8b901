// A backend that computes nothing: its logits come from a script, a function of the sequence so
// far. For the tests of the engine, and of the API on the real binary, with delays, limits and
// failures as ordered.
//
// It holds the engine to the contract of model/backend.h: unknown sequence, wrong position, a
// sequence twice in a batch, tokens outside the vocabulary or over a limit, use after an error are
// CHECKs; so are sequences and checkpoints left when it goes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "model/backend.h"
#include "model/sequence_ledger.h"

namespace tessera::engine {

// What a script knows when it is asked for the next token.
struct FakeContext {
  std::span<const TokenId> history;  // prompt and generated tokens, the last one included
  std::size_t prompt_tokens = 0;     // of history; the prompt ends where logits are first wanted
  std::int64_t prompt_number =
      0;  // prompts finished before this one; copies of a sequence share it

  std::span<const TokenId> prompt() const { return history.first(prompt_tokens); }
  std::span<const TokenId> generated() const { return history.subspan(prompt_tokens); }
};

// Fills a row of logits. A function of its arguments alone, so that a sequence's logits depend on
// nobody else.
using FakeScript = std::function<void(const FakeContext& context, std::span<float> logits)>;

// All mass on one token: 20 for it, 0 for the others. Sampled at temperature 0, or with top_k 1, it
// is always `token`.
void write_one_hot(TokenId token, std::span<float> logits);

// The k-th prompt gets responses[k % size], then `end_token` for ever.
FakeScript script_responses(std::vector<std::vector<TokenId>> responses, TokenId end_token);
// The prompt once more, then `end_token`.
FakeScript script_echo(TokenId end_token);
// first, first + 1, …: `count` tokens, then `end_token`.
FakeScript script_count(TokenId first, std::int32_t count, TokenId end_token);
// The same token for ever.
FakeScript script_never_ends(TokenId token);
// Logits in [-8, 8) from a hash of (seed, history, token): every change of the past changes them.
FakeScript script_hash(std::uint64_t seed);

struct FakeOptions {
  FakeScript script;
  model::BackendLimits limits{.vocabulary = 256,
                              .max_context = 4096,
                              .max_sequences = 8,
                              .max_batch_tokens = 512,
                              .kv_bytes_per_token = 1,
                              .state_bytes_per_sequence = 0,
                              .kv_block_tokens = 1,
                              .kv_blocks = 0,              // computed
                              .sequence_memory_bytes = 0,  // computed
                              .batch_invariant = true};
  // Of all sequences and checkpoints together; a recurrent state counts as the tokens whose keys
  // and values are as large.
  std::int64_t max_reserved_tokens = std::numeric_limits<std::int64_t>::max();
  std::chrono::microseconds step_delay{0};  // slept in each forward()
  std::optional<std::int64_t>
      nan_at_step;  // all rows of this forward() are NaN; steps count from 0
  std::optional<std::int64_t> fail_at_step;  // this forward() is an error
  ErrorCode failure = ErrorCode::kResourceExhausted;
  // Called first in each forward(), on the engine thread.
  std::function<void(std::int64_t step, const model::Batch& batch)> on_forward;
};

// From a JSON text, for tests that start the whole program:
//   {"responses": [[5, 6, 7], [8]], "end_token": 0}      script_responses
//   {"echo": true, "end_token": 0}                       script_echo
//   {"count": {"first": 10, "tokens": 5}, "end_token": 0}
//   {"never_ends": 42}
//   {"hash": 1}
// Exactly one of these, and any of: "vocabulary", "max_context", "max_sequences",
// "max_batch_tokens", "max_reserved_tokens", "kv_block_tokens", "state_tokens" (what a recurrent
// state counts for), "delay_us", "nan_at_step", "fail_at_step". Unknown
// members and tokens outside the vocabulary are errors.
Result<FakeOptions> parse_fake_script(std::string_view text);

class FakeBackend final : public model::Backend {
 public:
  explicit FakeBackend(FakeOptions options);
  ~FakeBackend() override;

  std::string_view name() const override { return "fake"; }
  const model::ModelConfig& config() const override { return config_; }
  model::BackendLimits limits() const override { return options_.limits; }
  model::MemoryUse memory() const override;
  Result<SequenceId> create_sequence(std::int32_t max_tokens) override;
  Result<SequenceId> copy_sequence(SequenceId source) override;
  void free_sequence(SequenceId sequence) override;
  Result<CheckpointId> save_checkpoint(SequenceId sequence) override;
  Result<SequenceId> create_sequence_from(CheckpointId checkpoint,
                                          std::int32_t max_tokens) override;
  Result<void> extend_sequence(SequenceId sequence, std::int32_t max_tokens) override;
  void free_checkpoint(CheckpointId checkpoint) override;
  Result<model::LogitsView> forward(const model::Batch& batch) override;
  void check_integrity() const override;
  void synchronise() override {}

  // Any thread.
  std::int32_t live_sequences() const { return live_.load(); }

 private:
  // What a sequence or a checkpoint has seen.
  struct Past {
    std::vector<TokenId> history;
    std::optional<std::size_t> prompt_tokens;
    std::int64_t prompt_number = 0;

    std::int32_t seen() const { return static_cast<std::int32_t>(history.size()); }
  };
  struct Sequence {
    std::int32_t max_tokens = 0;
    Past past;
    model::Holding holding;
    bool usable = true;           // until an error
    std::int64_t last_step = -1;  // finds a sequence that is twice in a batch
  };
  struct Checkpoint {
    Past past;
    model::Holding holding;
  };

  Sequence& find(SequenceId id);
  Result<void> check_slot() const;
  Result<SequenceId> resume(const Past& past, const model::Holding& holding,
                            std::int32_t max_tokens);
  SequenceId add(Sequence sequence);
  void append(const model::BatchItem& item);
  std::span<float> next_row();

  const FakeOptions options_;
  const model::ModelConfig config_;
  model::SequenceLedger ledger_;
  std::unordered_map<SequenceId, Sequence> sequences_;
  std::unordered_map<CheckpointId, Checkpoint> checkpoints_;
  std::atomic<std::int32_t> live_{0};  // sequences_.size(), for other threads
  std::uint64_t last_id_ = 0;
  std::int64_t step_ = 0;
  std::int64_t prompts_ = 0;
  std::vector<float> logits_;  // [rows_, vocabulary]
  std::int64_t rows_ = 0;
};

}  // namespace tessera::engine
