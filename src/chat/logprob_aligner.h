// Which log probabilities go out with which piece of content.
//
// There are two rows of bytes. The source is the text of all tokens, as it came. The content is
// what the parser takes out of it for content; stop strings and trimming then decide what of that
// is shown. A token belongs to the answer if at least one byte of its text is shown; its entry goes
// out once the last such byte is. One object a choice; one thread; amortised linear in the entries.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "chat/service.h"

namespace tessera::chat {

class LogprobAligner {
 public:
  // A further token, whose text is the source's [begin, end). No end yet: it ends inside a code
  // point, and close() will tell.
  void add(ContentLogprob entry, std::size_t begin, std::optional<std::size_t> end);
  void close(std::size_t end);

  // The source's [begin, begin + bytes) is the content's next.
  void map(std::size_t begin, std::size_t bytes);
  // What of the content so far lies at `position` or behind is not shown.
  void cut(std::size_t position);

  // The entries that can go out when the content's first `shown` bytes are shown (or cut). Forgets
  // those that are no content, as far as the source is decided: what is not mapped before `decided`
  // never will be.
  std::vector<ContentLogprob> take(std::size_t shown, std::size_t decided);

 private:
  struct Range {
    std::size_t begin;
    std::size_t end;
  };
  struct Entry {
    ContentLogprob logprob;
    std::size_t begin;  // in the source
    std::optional<std::size_t> end;
    std::optional<Range> content;  // its first and behind its last byte there
  };

  std::deque<Entry> entries_;  // in the order of the tokens
  std::size_t mapped_ = 0;     // bytes of content so far
};

}  // namespace tessera::chat
