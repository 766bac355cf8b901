// Ownership of the backend's sequences and checkpoints: a handle frees what it holds when it goes,
// so that no path through the engine can leak one. The engine thread.
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

template <class Id>
class Handle {
 public:
  Handle() = default;
  Handle(Handle&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), id_(other.id_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      pool_ = std::exchange(other.pool_, nullptr);
      id_ = other.id_;
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  bool holds() const { return pool_ != nullptr; }
  Id id() const {
    DCHECK(holds());
    return id_;
  }
  // Frees what it holds.
  inline void reset();

 private:
  friend class SequencePool;
  Handle(SequencePool* pool, Id id) : pool_(pool), id_(id) {}

  SequencePool* pool_ = nullptr;
  Id id_;
};

using SequenceHandle = Handle<SequenceId>;
using CheckpointHandle = Handle<CheckpointId>;

// Outlives its handles. `live` counts the handles that hold a sequence, for other threads to read.
class SequencePool {
 public:
  SequencePool(model::Backend& backend, std::atomic<std::int32_t>& live)
      : backend_(backend), live_(live) {}
  SequencePool(const SequencePool&) = delete;
  SequencePool& operator=(const SequencePool&) = delete;
  ~SequencePool() { CHECK(live_ == 0 && checkpoints_ == 0); }

  Result<SequenceHandle> create(std::int32_t max_tokens) {
    return hold(backend_.create_sequence(max_tokens));
  }
  Result<SequenceHandle> create_from(const CheckpointHandle& past, std::int32_t max_tokens) {
    return hold(backend_.create_sequence_from(past.id(), max_tokens));
  }
  Result<SequenceHandle> copy(const SequenceHandle& source) {
    return hold(backend_.copy_sequence(source.id()));
  }
  Result<void> extend(const SequenceHandle& sequence, std::int32_t max_tokens) {
    return backend_.extend_sequence(sequence.id(), max_tokens);
  }
  Result<CheckpointHandle> save(const SequenceHandle& source) {
    TRY_ASSIGN(const CheckpointId id, backend_.save_checkpoint(source.id()));
    ++checkpoints_;
    return CheckpointHandle(this, id);
  }
  // Handles that hold a sequence now, or a checkpoint.
  std::int32_t live() const { return live_; }
  std::int32_t checkpoints() const { return checkpoints_; }
  // How often memory was given back.
  std::int64_t releases() const { return releases_; }

 private:
  template <class Id>
  friend class Handle;

  Result<SequenceHandle> hold(Result<SequenceId> id) {
    if (!id) return fail(id.error().code, std::move(id.error().message));
    ++live_;
    return SequenceHandle(this, *id);
  }
  void free(SequenceId id) {
    backend_.free_sequence(id);
    --live_;
    ++releases_;
  }
  void free(CheckpointId id) {
    backend_.free_checkpoint(id);
    --checkpoints_;
    ++releases_;
  }

  model::Backend& backend_;
  std::atomic<std::int32_t>& live_;
  std::int32_t checkpoints_ = 0;
  std::int64_t releases_ = 0;
};

template <class Id>
inline void Handle<Id>::reset() {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->free(id_);
}

}  // namespace tessera::engine
