// Tokens to text in a stream: what comes out is always whole code points. One object a stream; one
// thread.
#pragma once

#include <memory>
#include <string>

#include "text/tokenizer.h"

namespace tessera::text {

class Detokenizer {
 public:
  explicit Detokenizer(std::shared_ptr<const Tokenizer> tokenizer);

  // The text that became complete with `token`: valid UTF-8, possibly empty. Bytes that can no
  // longer become a code point come out as U+FFFD.
  std::string append(TokenId token);
  // The last token ended inside a code point.
  bool is_holding() const { return !held_.empty(); }
  // What was held back at the end of the stream: a cut sequence as U+FFFD, or nothing.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string held_;  // at most 3 bytes of an unfinished code point
};

}  // namespace tessera::text
