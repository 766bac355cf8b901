#include "chat/logprob_aligner.h"

#include <algorithm>
#include <utility>

namespace tessera::chat {

void LogprobAligner::add(ContentLogprob entry, std::size_t begin, std::optional<std::size_t> end) {
  entries_.push_back({std::move(entry), begin, end, std::nullopt});
}

void LogprobAligner::close(std::size_t end) {
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && !entry->end; ++entry)
    entry->end = end;
}

void LogprobAligner::map(std::size_t begin, std::size_t bytes) {
  const std::size_t end = begin + bytes;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->end && *entry->end <= begin) break;  // and so do all before it
    const std::size_t first = std::max(entry->begin, begin);
    const std::size_t last = std::min(entry->end.value_or(end), end);
    if (first >= last) continue;
    const Range range{mapped_ + (first - begin), mapped_ + (last - begin)};
    entry->content = Range{entry->content ? entry->content->begin : range.begin, range.end};
  }
  mapped_ += bytes;
}

void LogprobAligner::cut(std::size_t position) {
  for (Entry& entry : entries_) {
    if (!entry.content) continue;
    if (entry.content->begin >= position) {
      entry.content.reset();
    } else {
      entry.content->end = std::min(entry.content->end, position);
    }
  }
}

std::vector<ContentLogprob> LogprobAligner::take(std::size_t shown, std::size_t decided) {
  std::vector<ContentLogprob> out;
  while (!entries_.empty()) {
    Entry& first = entries_.front();
    if (!first.end || *first.end > decided) break;
    if (first.content) {
      if (first.content->end > shown) break;
      out.push_back(std::move(first.logprob));
    }
    entries_.pop_front();
  }
  return out;
}

}  // namespace tessera::chat
