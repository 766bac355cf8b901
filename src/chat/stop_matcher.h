// Stop strings in a stream of text. What may belong to a match is held back, so that no part of a
// stop string ever goes out; everything else goes out at once.
//
// The first match to be complete wins; of those that end at the same byte, the longest. So the
// outcome does not depend on how the text was cut. One object a stream; one thread. Linear:
// Knuth-Morris-Pratt, one automaton a stop string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::chat {

class StopMatcher {
 public:
  // None empty (the API refuses those). None at all: text goes straight through.
  explicit StopMatcher(const std::vector<std::string>& stops);

  // Appends what may go out now to `out`; true once a stop string has matched. From then on nothing
  // goes out any more. Where `text` is whole code points, so is what goes out.
  bool append(std::string_view text, std::string& out);
  // The stream, or this stretch of it, is over: what was held back goes out, and no match reaches
  // across.
  void flush(std::string& out);

  bool stopped() const { return stopped_; }

 private:
  struct Automaton {
    std::string pattern;
    std::vector<std::uint32_t> border;  // [i]: longest proper border of pattern[0, i]
    std::size_t matched = 0;            // bytes of the pattern that the stream ends with
  };
  static void step(Automaton& automaton, char byte);

  std::vector<Automaton> automata_;
  std::string held_;  // the stream's last bytes: the longest `matched` of all
  bool stopped_ = false;
};

}  // namespace tessera::chat
