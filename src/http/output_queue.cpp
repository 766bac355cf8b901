#include "http/output_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace tessera::http {
namespace {
constexpr std::size_t kPieceBytes = 16384;
}

void OutputQueue::append(std::initializer_list<std::string_view> parts) {
  std::size_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  if (bytes == 0) return;
  std::string* last = behind_.empty() ? &front_ : &behind_.back();
  if (!last->empty() && last->size() + bytes > kPieceBytes) last = &behind_.emplace_back();
  if (last->empty()) last->reserve(bytes);
  for (const std::string_view part : parts) last->append(part);
  size_ += bytes;
}

void OutputQueue::append(std::string&& bytes) {
  if (bytes.size() < kPieceBytes) return append(std::string_view(bytes));
  const std::size_t size = bytes.size();
  if (empty()) {
    front_ = std::move(bytes);
  } else {
    behind_.push_back(std::move(bytes));
  }
  size_ += size;
}

std::size_t OutputQueue::gather(std::span<std::string_view> pieces) const {
  if (pieces.empty() || empty()) return 0;
  pieces[0] = std::string_view(front_).substr(front_offset_);
  const std::size_t more = std::min(pieces.size() - 1, behind_.size());
  std::copy_n(behind_.begin(), more, pieces.begin() + 1);
  return more + 1;
}

void OutputQueue::consume(std::size_t bytes) {
  CHECK(bytes <= size_);
  size_ -= bytes;
  front_offset_ += bytes;
  auto next = behind_.begin();
  while (front_offset_ >= front_.size() && !front_.empty()) {
    front_offset_ -= front_.size();
    std::string after;
    if (next != behind_.end()) after = std::move(*next++);
    front_.swap(after);
  }
  behind_.erase(behind_.begin(), next);
}

}  // namespace tessera::http
