#include "http/output_queue.h"

#include <algorithm>

#include "base/check.h"

namespace tessera::http {
namespace {
constexpr std::size_t kPieceBytes = 16384;
constexpr std::size_t kIdleBytes = 2048;  // more memory than this is not kept by an empty queue
}  // namespace

void OutputQueue::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (pieces_.empty() || pieces_.back().size() + bytes.size() > kPieceBytes) pieces_.emplace_back();
  pieces_.back().append(bytes);
  size_ += bytes.size();
}

void OutputQueue::append(std::string&& bytes) {
  if (bytes.size() < kPieceBytes) return append(std::string_view(bytes));
  size_ += bytes.size();
  pieces_.push_back(std::move(bytes));
}

std::size_t OutputQueue::gather(std::span<std::string_view> pieces) const {
  const std::size_t count = std::min(pieces.size(), pieces_.size());
  std::copy_n(pieces_.begin(), count, pieces.begin());
  if (count != 0) pieces[0].remove_prefix(front_offset_);
  return count;
}

void OutputQueue::consume(std::size_t bytes) {
  CHECK(bytes <= size_);
  size_ -= bytes;
  while (bytes != 0) {
    const std::size_t left = pieces_.front().size() - front_offset_;
    if (bytes < left) {
      front_offset_ += bytes;
      return;
    }
    bytes -= left;
    front_offset_ = 0;
    // The last small piece keeps its memory for the next frame.
    if (pieces_.size() == 1 && pieces_.front().capacity() <= kIdleBytes) {
      pieces_.front().clear();
      return;
    }
    pieces_.pop_front();
  }
}

}  // namespace tessera::http
