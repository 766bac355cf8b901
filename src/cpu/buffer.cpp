#include "cpu/buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "cpu/kernels.h"
#include "fmt/format.h"

namespace tessera::cpu {

Result<Buffer> Buffer::allocate(std::size_t bytes, const char* what) {
  Buffer buffer;
  if (bytes == 0) return buffer;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("no {} bytes of memory for {}: {}", bytes, what, std::strerror(errno)));
  }
  madvise(data, bytes,
          MADV_HUGEPAGE);  // a wish: fewer faults and look-ups where the system grants it
  buffer.data_ = data;
  buffer.bytes_ = bytes;
  return buffer;
}

void Buffer::release() {
  if (data_ != nullptr) munmap(data_, bytes_);
  data_ = nullptr;
  bytes_ = 0;
}

void Buffer::discard(std::size_t offset, std::size_t bytes) {
  CHECK(offset <= bytes_ && bytes <= bytes_ - offset);
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t begin = (offset + page - 1) / page * page;
  const std::size_t end = (offset + bytes) / page * page;
  if (begin < end) madvise(data() + begin, end - begin, MADV_DONTNEED);
}

Result<Rows> Rows::allocate(std::size_t count, std::size_t columns, const char* what) {
  Rows rows;
  TRY_ASSIGN(rows.buffer_, Buffer::allocate(count * columns * sizeof(float), what));
  rows.columns_ = columns;
  rows.pointers_.resize(count);
  for (std::size_t i = 0; i < count; ++i) rows.pointers_[i] = rows.buffer_.floats() + i * columns;
  return rows;
}

Result<Int8Rows> Int8Rows::allocate(std::size_t count, std::size_t columns, const char* what) {
  Int8Rows rows;
  const std::size_t row_bytes = Int8Layout(columns).bytes;
  TRY_ASSIGN(rows.buffer_, Buffer::allocate(count * row_bytes, what));
  rows.pointers_.resize(count);
  for (std::size_t i = 0; i < count; ++i) rows.pointers_[i] = rows.buffer_.data() + i * row_bytes;
  return rows;
}

}  // namespace tessera::cpu
