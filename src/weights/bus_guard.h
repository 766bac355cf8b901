// Mapped files whose pages go away under us: truncated in place, or on a disk that fails. Reading
// such a page raises SIGBUS, which by default ends the process, and with it every other request.
// For mappings that are guarded, the page is replaced by zeros and the mapping marked as damaged;
// whoever computes with it asks afterwards and fails what it was doing. Any other SIGBUS goes where
// it always went.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera::weights {

// Read by the signal handler, so atomics alone.
struct GuardedMapping {
  std::atomic<std::uintptr_t> begin{0};  // 0: the slot is free
  std::atomic<std::size_t> bytes{0};
  std::atomic<bool> damaged{false};
};

// Installs the handler when first called. Null when all slots are taken: the mapping is then not
// guarded. Any thread.
GuardedMapping* guard_mapping(std::span<const std::byte> bytes);
// Before the mapping is undone; null is fine.
void release_mapping(GuardedMapping* mapping);

}  // namespace tessera::weights
