// Bytes that wait to be written to one socket, in order. Small pieces are put together, large ones
// are moved in, so that one gather write takes many of them. An empty queue keeps no memory: of
// thousands of streams each writes seldom, and what malloc gives is in the caches, where a buffer
// of its own is not. Used on the connection's strand.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::http {

class OutputQueue {
 public:
  void append(std::string_view bytes) { append({bytes}); }
  void append(std::initializer_list<std::string_view> parts);
  void append(std::string&& bytes);
  void append(const char* bytes) { append(std::string_view(bytes)); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The first pieces, as many as `pieces` holds; how many those are.
  std::size_t gather(std::span<std::string_view> pieces) const;
  // Drops the first `bytes` bytes.
  void consume(std::size_t bytes);

 private:
  std::string front_;
  std::vector<std::string> behind_;
  std::size_t front_offset_ = 0;  // of front_, written already
  std::size_t size_ = 0;
};

}  // namespace tessera::http
