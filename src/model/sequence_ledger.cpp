#include "model/sequence_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace tessera::model {
namespace {

// Blocks whose books are ready from the start.
constexpr std::int64_t kReservedBlocks = 1 << 20;

}  // namespace

SequenceLedger::SequenceLedger(const Sizes& sizes) : sizes_(sizes) {
  CHECK(sizes.block_tokens > 0);
  const auto ready = static_cast<std::size_t>(std::min(capacity(0), kReservedBlocks));
  references_.reserve(ready);
  free_.reserve(ready);
}

std::int64_t SequenceLedger::capacity(std::size_t states) const {
  if (sizes_.block_bytes == 0) return 0;
  const std::size_t for_states = states * sizes_.state_bytes;
  if (for_states >= sizes_.budget_bytes) return 0;
  constexpr std::size_t kMost = std::numeric_limits<BlockId>::max();
  return static_cast<std::int64_t>(
      std::min((sizes_.budget_bytes - for_states) / sizes_.block_bytes, kMost));
}

SequenceLedger::Counts SequenceLedger::counts() const {
  Counts counts;
  counts.promised = promised_;
  counts.running = running_;
  counts.cached = cached_;
  counts.sequences = sequences_;
  counts.checkpoints = checkpoints_;
  const auto states = static_cast<std::size_t>(std::int64_t{sequences_} + checkpoints_);
  counts.free = capacity(states) - running_ - cached_;
  counts.taken_bytes = static_cast<std::size_t>(running_ + cached_) * sizes_.block_bytes +
                       states * sizes_.state_bytes;
  return counts;
}

std::size_t SequenceLedger::used_bytes() const {
  return static_cast<std::size_t>(running_ + cached_ + promised_) * sizes_.block_bytes +
         static_cast<std::size_t>(std::int64_t{sequences_} + checkpoints_) * sizes_.state_bytes;
}

// For so many more of each; one state at most.
Result<void> SequenceLedger::check_room(std::int64_t blocks, std::int32_t states,
                                        const char* what) const {
  const std::int64_t most =
      capacity(static_cast<std::size_t>(std::int64_t{sequences_} + checkpoints_ + states));
  const std::int64_t spoken_for = running_ + cached_ + promised_;
  const std::size_t left = sizes_.budget_bytes - used_bytes();
  const bool has_state = states == 0 || left >= sizes_.state_bytes;
  if (has_state && blocks <= most - spoken_for) return {};
  if (blocks == 0 || !has_state) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("{} needs {} bytes of recurrent state; {} of {} are not spoken for",
                            what, sizes_.state_bytes, left, sizes_.budget_bytes));
  }
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("{} needs {} blocks of keys and values; {} of {} are not spoken for",
                          what, blocks, std::max<std::int64_t>(most - spoken_for, 0), most));
}

// Room for what is to come, and for the list of what is freed with it.
void SequenceLedger::make_ready(std::vector<BlockId>& blocks, std::int64_t count) {
  blocks.reserve(static_cast<std::size_t>(count));
  freed_.reserve(static_cast<std::size_t>(count));
}

Result<Holding> SequenceLedger::open(std::int32_t max_tokens) {
  const std::int64_t blocks = blocks_for(max_tokens);
  TRY(check_room(blocks, 1, "a new sequence"));
  Holding holding;
  make_ready(holding.blocks, blocks);
  holding.promised = blocks;
  promised_ += blocks;
  ++sequences_;
  return holding;
}

Result<Holding> SequenceLedger::freeze(const Holding& sequence, std::int32_t seen) {
  const auto blocks = static_cast<std::size_t>(blocks_for(seen));
  CHECK(!sequence.is_checkpoint && blocks <= sequence.blocks.size());
  TRY(check_room(0, 1, "a checkpoint"));
  Holding holding;
  holding.is_checkpoint = true;
  make_ready(holding.blocks, static_cast<std::int64_t>(blocks));
  ++checkpoints_;
  for (std::size_t i = 0; i < blocks; ++i) share(holding, sequence.blocks[i]);
  return holding;
}

Result<Holding> SequenceLedger::resume(const Holding& past, std::int32_t seen,
                                       std::int32_t max_tokens) {
  CHECK(seen <= max_tokens && std::cmp_less_equal(blocks_for(seen), past.blocks.size()));
  const std::int64_t wanted = blocks_for(max_tokens);
  const std::int64_t full = sizes_.block_bytes == 0 ? 0 : seen / sizes_.block_tokens;
  TRY(check_room(wanted - full, 1, "a sequence that goes on"));
  Holding holding;
  make_ready(holding.blocks, wanted);
  holding.promised = wanted - full;
  promised_ += holding.promised;
  ++sequences_;
  for (std::int64_t i = 0; i < full; ++i) {
    share(holding, past.blocks[static_cast<std::size_t>(i)]);
  }
  grow(holding, seen);
  return holding;
}

Result<void> SequenceLedger::extend(Holding& sequence, std::int32_t max_tokens) {
  CHECK(!sequence.is_checkpoint);
  const std::int64_t blocks = blocks_for(max_tokens);
  const std::int64_t more = blocks - std::ssize(sequence.blocks) - sequence.promised;
  if (more <= 0) return {};
  TRY(check_room(more, 0, "a longer sequence"));
  make_ready(sequence.blocks, blocks);
  sequence.promised += more;
  promised_ += more;
  return {};
}

void SequenceLedger::grow(Holding& sequence, std::int32_t tokens) {
  const std::int64_t blocks = blocks_for(tokens);
  while (std::cmp_less(sequence.blocks.size(), blocks)) {
    CHECK(sequence.promised > 0);
    --sequence.promised;
    --promised_;
    sequence.blocks.push_back(take());
  }
}

// For a sequence, within a promise.
BlockId SequenceLedger::take() {
  BlockId block = 0;
  if (free_.empty()) {
    block = static_cast<BlockId>(references_.size());
    CHECK(block < capacity(0));  // what is promised adds up to the budget at most
    references_.emplace_back();
  } else {
    block = free_.back();
    free_.pop_back();
  }
  references_[block].sequences = 1;
  ++running_;
  return block;
}

void SequenceLedger::share(Holding& holding, BlockId block) {
  References& references = references_[block];
  DCHECK(references.sequences + references.checkpoints > 0);
  if (holding.is_checkpoint) {
    ++references.checkpoints;
  } else if (references.sequences++ == 0) {
    --cached_;
    ++running_;
  }
  holding.blocks.push_back(block);
}

void SequenceLedger::close(Holding holding) {
  freed_.clear();
  for (const BlockId block : holding.blocks) {
    References& references = references_[block];
    std::uint32_t& mine = holding.is_checkpoint ? references.checkpoints : references.sequences;
    CHECK(mine > 0);
    --mine;
    if (references.sequences > 0) continue;
    if (!holding.is_checkpoint) {
      --running_;
      ++cached_;
    }
    if (references.checkpoints > 0) continue;
    --cached_;
    free_.push_back(block);
    freed_.push_back(block);
  }
  promised_ -= holding.promised;
  --(holding.is_checkpoint ? checkpoints_ : sequences_);
}

void SequenceLedger::check_integrity(std::span<const Holding* const> holdings) const {
  std::vector<References> found(references_.size());
  std::int64_t promised = 0, running = 0, cached = 0, unheld = 0;
  std::int32_t sequences = 0, checkpoints = 0;
  for (const Holding* holding : holdings) {
    ++(holding->is_checkpoint ? checkpoints : sequences);
    CHECK(holding->promised >= 0 && !(holding->is_checkpoint && holding->promised > 0));
    promised += holding->promised;
    for (const BlockId block : holding->blocks) {
      CHECK(block < found.size());
      ++(holding->is_checkpoint ? found[block].checkpoints : found[block].sequences);
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].sequences == references_[i].sequences);
    CHECK(found[i].checkpoints == references_[i].checkpoints);
    ++(found[i].sequences > 0 ? running : found[i].checkpoints > 0 ? cached : unheld);
  }
  CHECK(running == running_ && cached == cached_ && promised == promised_);
  CHECK(sequences == sequences_ && checkpoints == checkpoints_);
  CHECK(std::cmp_equal(unheld, free_.size()));
  for (const BlockId block : free_) CHECK(found[block].sequences + found[block].checkpoints == 0);
  CHECK(used_bytes() <= sizes_.budget_bytes);  // free blocks cover all promises
}

}  // namespace tessera::model
