// Cuts text into pre-tokens: the pieces within which byte pairs are merged, and never across. The
// pattern is the checkpoint's own; PCRE2 with its JIT compiler runs it. A splitter is immutable and
// may be used from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"

namespace tessera::text {

class PreTokenSplitter {
 public:
  enum class Engine {
    kFast,  // the JIT compiler where the machine has one, and shortcuts for plain ASCII words and
            // digits
    kInterpreter,  // the pattern alone, interpreted: for tests of the other
  };
  static Result<std::shared_ptr<const PreTokenSplitter>> create(PreTokenizer kind,
                                                                Engine engine = Engine::kFast);
  virtual ~PreTokenSplitter() = default;

  // The end of the pre-token that begins at `begin` < text.size(). `text` is valid UTF-8, `begin`
  // the start of one of its code points. Every code point belongs to a pre-token, so the walk from
  // 0 to text.size() covers all of it.
  virtual std::size_t find_end(std::string_view text, std::size_t begin) const = 0;
};

}  // namespace tessera::text
