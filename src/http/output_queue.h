// Bytes that wait to be written to one socket, in order. Small pieces are put together, large ones
// are moved in, so that one gather write takes many of them. Used on the connection's strand.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>

namespace tessera::http {

class OutputQueue {
 public:
  void append(std::string_view bytes);
  void append(std::string&& bytes);
  void append(const char* bytes) { append(std::string_view(bytes)); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The first pieces, as many as `pieces` holds; how many those are.
  std::size_t gather(std::span<std::string_view> pieces) const;
  // Drops the first `bytes` bytes.
  void consume(std::size_t bytes);

 private:
  std::deque<std::string> pieces_;
  std::size_t front_offset_ = 0;  // of pieces_.front(), written already
  std::size_t size_ = 0;
};

}  // namespace tessera::http
