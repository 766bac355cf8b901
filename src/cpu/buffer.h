// Zeroed memory straight from the system: page aligned, committed page by page as it is touched,
// given back at once when the buffer goes. For state and scratch; never in a decode step.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tessera::cpu {

class Buffer {
 public:
  Buffer() = default;
  // `what` names the memory in the error: "the KV pool".
  static Result<Buffer> allocate(std::size_t bytes, const char* what);
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  float* floats() const { return static_cast<float*>(data_); }
  std::size_t bytes() const { return bytes_; }

  // The pages that lie wholly in [offset, offset + bytes) go back to the system and read as zero
  // from now on.
  void discard(std::size_t offset, std::size_t bytes);

 private:
  void release();

  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Rows of floats, [count, columns], and the pointers to them that matmuls take.
class Rows {
 public:
  Rows() = default;
  static Result<Rows> allocate(std::size_t count, std::size_t columns, const char* what);

  float* operator[](std::size_t row) const { return pointers_[row]; }
  float* const* pointers() const { return pointers_.data(); }
  std::size_t count() const { return pointers_.size(); }
  std::size_t columns() const { return columns_; }
  std::size_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
  std::size_t columns_ = 0;
  std::vector<float*> pointers_;
};

// Rows of int8 inputs (Int8Layout), [count, columns].
class Int8Rows {
 public:
  Int8Rows() = default;
  static Result<Int8Rows> allocate(std::size_t count, std::size_t columns, const char* what);

  bool empty() const { return pointers_.empty(); }
  std::byte* operator[](std::size_t row) const { return pointers_[row]; }
  // Null where there are none.
  const std::byte* const* pointers() const { return empty() ? nullptr : pointers_.data(); }

 private:
  Buffer buffer_;
  std::vector<std::byte*> pointers_;
};

}  // namespace tessera::cpu
