// What the next token of a choice may be: structured output, calls, an end to the thinking. The
// engine asks before each token and says after each what it became.
//
// Owned by one choice and called by one thread at a time, though not always the same: what is
// forced and what a token became on the engine thread, between the logits of one step and the next;
// next() on any of the engine's threads, while the model computes the row that it is for. What
// several constraints share (an automaton, a vocabulary) is immutable or takes care of itself, and
// is made before the request is submitted.
//
// A choice may go from free text to constrained and back: each next() decides anew. An answer ends
// where an end token is allowed, so a mask has those of EngineRequest::end_tokens only where the
// output is complete. Forced tokens are tokens like all others: they go through the model, are
// published and count against max_tokens. What is forced at once, before the model was asked, goes
// through it together with the token before, in one step, and only the last one's row is computed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/ids.h"
#include "base/result.h"

namespace tessera::engine {

struct NextToken {
  enum class Kind : std::uint8_t {
    kFree,    // anything
    kMasked,  // what the mask allows
    kForced,  // `token`, whatever the model, a ban or a bias says
  };
  Kind kind = Kind::kFree;
  TokenId token = 0;

  static NextToken free() { return {}; }
  static NextToken masked() { return {Kind::kMasked, 0}; }
  static NextToken forced(TokenId token) { return {Kind::kForced, token}; }
};

class Constraint {
 public:
  virtual ~Constraint() = default;

  // The next token where it is known without looking: a few microseconds.
  // Nothing: next() will say. The same however often it is asked.
  virtual std::optional<TokenId> forced() { return std::nullopt; }
  // Asked once before each token that forced() does not tell: microseconds, a millisecond at most.
  // kMasked: all words of `mask` are written; token i is allowed if
  // bit i % 32 of word i / 32 is set (bits behind the vocabulary mean nothing). Otherwise its words
  // may hold anything. An error fails this request alone: kDeadEnd where no token can go on. So
  // does an exception, from any of these.
  virtual Result<NextToken> next(std::span<std::uint32_t> mask) = 0;
  // The choice would go on with `token`: an allowed one, never an end token. It goes on with what
  // is returned: mostly the same, or what the constraint puts in its place; an end token ends it.
  virtual TokenId accept(TokenId token) = 0;
  // Asked where max_tokens ends the choice: the output is whole, nothing was cut off.
  virtual bool is_complete() const { return false; }
};

// One for each choice, made on the engine thread when the request is admitted: cheap.
using ConstraintFactory = std::function<std::unique_ptr<Constraint>(std::int32_t choice)>;

constexpr std::size_t mask_words(std::int32_t vocabulary) {
  return (static_cast<std::size_t>(vocabulary) + 31) / 32;
}

}  // namespace tessera::engine
