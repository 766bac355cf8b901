#include "chat/stop_matcher.h"

#include <algorithm>

#include "base/check.h"

namespace tessera::chat {

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    CHECK(!stop.empty());
    Automaton automaton{stop, std::vector<std::uint32_t>(stop.size(), 0), 0};
    std::uint32_t border = 0;
    for (std::size_t i = 1; i < stop.size(); ++i) {
      while (border > 0 && stop[i] != stop[border]) border = automaton.border[border - 1];
      if (stop[i] == stop[border]) ++border;
      automaton.border[i] = border;
    }
    automata_.push_back(std::move(automaton));
  }
}

void StopMatcher::step(Automaton& automaton, char byte) {
  const std::string& pattern = automaton.pattern;
  while (automaton.matched > 0 && pattern[automaton.matched] != byte) {
    automaton.matched = automaton.border[automaton.matched - 1];
  }
  if (pattern[automaton.matched] == byte) ++automaton.matched;
}

bool StopMatcher::append(std::string_view text, std::string& out) {
  if (stopped_) return true;
  if (automata_.empty()) {
    out += text;
    return false;
  }
  std::size_t longest_match = 0;
  std::size_t consumed = 0;
  while (consumed < text.size() && longest_match == 0) {
    for (Automaton& automaton : automata_) {
      step(automaton, text[consumed]);
      // Stepping past a full match is never needed: the first one ends the stream.
      if (automaton.matched == automaton.pattern.size()) {
        longest_match = std::max(longest_match, automaton.matched);
      }
    }
    ++consumed;
  }
  held_ += text.substr(0, consumed);
  stopped_ = longest_match > 0;
  std::size_t keep = longest_match;
  if (!stopped_) {
    for (const Automaton& automaton : automata_) keep = std::max(keep, automaton.matched);
  }
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, stopped_ ? held_.size() : held_.size() - keep);
  return stopped_;
}

void StopMatcher::flush(std::string& out) {
  out += held_;
  held_.clear();
  for (Automaton& automaton : automata_) automaton.matched = 0;
}

}  // namespace tessera::chat
