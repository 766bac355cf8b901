#include "http/body_memory.h"

namespace tessera::http {

bool BodyMemory::Share::grow_to(std::size_t bytes) {
  if (bytes <= bytes_) return true;
  if (!memory_->take(owner_, bytes - bytes_)) return false;
  bytes_ = bytes;
  return true;
}

bool BodyMemory::has_room(const std::string& owner, std::size_t bytes) const {
  const std::lock_guard lock(mutex_);
  return fits(owner, bytes);
}

std::size_t BodyMemory::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

bool BodyMemory::fits(const std::string& owner, std::size_t bytes) const {
  const std::size_t free = limit_bytes_ - bytes_;
  const auto held = of_owner_.find(owner);
  const std::size_t own = held == of_owner_.end() ? 0 : held->second;
  return bytes <= free && own + bytes <= free - bytes;
}

bool BodyMemory::take(const std::string& owner, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (!fits(owner, bytes)) return false;
  of_owner_[owner] += bytes;
  bytes_ += bytes;
  return true;
}

void BodyMemory::give_back(const std::string& owner, std::size_t bytes) {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const auto held = of_owner_.find(owner);
  held->second -= bytes;
  if (held->second == 0) of_owner_.erase(held);
  bytes_ -= bytes;
}

}  // namespace tessera::http
