// What can be wrong with a schema or a set of tools, and the fuel that compiling one may burn.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"

namespace tessera::grammar {

enum class GrammarErrorCode : std::uint8_t {
  kUnsupportedSchema,  // well formed, but not something that we can enforce
  kInvalidSchema,      // malformed, or nothing can satisfy it
  kInvalidRegex,
  kUnsupportedGrammar,  // of a custom tool's input: as of schemas
  kInvalidGrammar,
  kSchemaTooComplex,  // over the limits of CompileLimits
};

// `path` is a JSON pointer into the schema; `message` names the keyword.
struct GrammarError {
  GrammarErrorCode code = GrammarErrorCode::kInvalidSchema;
  std::string message;
  std::string path;
};

inline Unexpected<GrammarError> fail(GrammarErrorCode code, std::string message,
                                     std::string path = {}) {
  return Unexpected<GrammarError>{{code, std::move(message), std::move(path)}};
}

// Steps are counted, never timed: the same schema is refused on every machine. One step is some
// nanoseconds.
struct CompileLimits {
  std::int64_t steps = 5'000'000;
  std::int64_t bytes = 32 << 20;
};

// What is left of the limits. Running out is sticky: who burns fuel stops early, and who asked for
// the work looks at exhausted() before it uses the result.
class Budget {
 public:
  explicit Budget(const CompileLimits& limits) : steps_(limits.steps), bytes_(limits.bytes) {}
  bool spend(std::size_t steps) {
    steps_ -= static_cast<std::int64_t>(steps);
    return !exhausted();
  }
  bool take(std::size_t bytes) {
    bytes_ -= static_cast<std::int64_t>(bytes);
    return !exhausted();
  }
  // No more than this is left.
  void keep(const CompileLimits& limits) {
    steps_ = std::min(steps_, limits.steps);
    bytes_ = std::min(bytes_, limits.bytes);
  }
  // What another one has spent; its memory only if that is kept.
  void pay(const Budget& before, const Budget& after) {
    const bool kept = !after.exhausted();
    steps_ -= std::min(before.steps_ - after.steps_, before.steps_);
    bytes_ -= kept ? before.bytes_ - after.bytes_ : 0;
  }
  void exhaust() { steps_ = -1; }
  bool exhausted() const { return steps_ < 0 || bytes_ < 0; }

 private:
  std::int64_t steps_;
  std::int64_t bytes_;
};

}  // namespace tessera::grammar
