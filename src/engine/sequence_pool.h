// Ownership of the backend's sequences: a handle frees its sequence when it goes, so that no path
// through the engine can leak one. The engine thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/backend.h"

namespace tessera::engine {

class SequencePool;

class SequenceHandle {
 public:
  SequenceHandle() = default;
  SequenceHandle(SequenceHandle&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), id_(other.id_) {}
  SequenceHandle& operator=(SequenceHandle&& other) noexcept {
    if (this != &other) {
      reset();
      pool_ = std::exchange(other.pool_, nullptr);
      id_ = other.id_;
    }
    return *this;
  }
  SequenceHandle(const SequenceHandle&) = delete;
  SequenceHandle& operator=(const SequenceHandle&) = delete;
  ~SequenceHandle() { reset(); }

  bool holds() const { return pool_ != nullptr; }
  SequenceId id() const {
    DCHECK(holds());
    return id_;
  }
  // Frees the sequence.
  inline void reset();

 private:
  friend class SequencePool;
  SequenceHandle(SequencePool* pool, SequenceId id) : pool_(pool), id_(id) {}

  SequencePool* pool_ = nullptr;
  SequenceId id_;
};

// Outlives its handles. `live` counts the handles that hold a sequence, for other threads to read.
class SequencePool {
 public:
  SequencePool(model::Backend& backend, std::atomic<std::int32_t>& live)
      : backend_(backend), live_(live) {}
  SequencePool(const SequencePool&) = delete;
  SequencePool& operator=(const SequencePool&) = delete;
  ~SequencePool() { CHECK(live_ == 0); }

  Result<SequenceHandle> create(std::int32_t max_tokens) {
    TRY_ASSIGN(const SequenceId id, backend_.create_sequence(max_tokens));
    ++live_;
    return SequenceHandle(this, id);
  }
  Result<SequenceHandle> copy(const SequenceHandle& source) {
    TRY_ASSIGN(const SequenceId id, backend_.copy_sequence(source.id()));
    ++live_;
    return SequenceHandle(this, id);
  }
  // Handles that hold a sequence now.
  std::int32_t live() const { return live_; }

 private:
  friend class SequenceHandle;
  void free(SequenceId id) {
    backend_.free_sequence(id);
    --live_;
  }

  model::Backend& backend_;
  std::atomic<std::int32_t>& live_;
};

inline void SequenceHandle::reset() {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->free(id_);
}

}  // namespace tessera::engine
