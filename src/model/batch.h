// What one step of a backend computes: tokens of some sequences, each at known positions.
#pragma once

#include <cstdint>
#include <span>

#include "base/ids.h"

namespace tessera::model {

enum class LogitsWanted : std::uint8_t { kNone, kLast, kAll };

// Some tokens of one sequence: a chunk of its prompt, or the one token it decodes. A sequence
// occurs at most once in a batch; its tokens follow directly on those it has already seen.
struct BatchItem {
  SequenceId sequence;
  std::int32_t position = 0;  // of tokens[0]: the number of tokens that the sequence has seen
  std::span<const TokenId> tokens;
  LogitsWanted logits = LogitsWanted::kLast;
};

struct Batch {
  std::span<const BatchItem> items;
};

// The logits of the last forward(): one row a wanted token, in the order of the batch. Valid until
// the next call.
struct LogitsView {
  const float* data = nullptr;  // [rows, vocabulary] f32
  std::int64_t rows = 0;
  std::int64_t vocabulary = 0;

  std::span<const float> row(std::int64_t index) const {
    return {data + index * vocabulary, static_cast<std::size_t>(vocabulary)};
  }
};

}  // namespace tessera::model
