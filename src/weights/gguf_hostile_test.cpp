// Damage done systematically: a small file truncated at every byte and flipped at every byte of its
// header must be read or refused, in bounded memory and time. Run under the preset asan, this is
// the proof that nothing is read outside.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <vector>

#include "weights/gguf.h"
#include "weights/gguf_writer.h"

namespace {

// Bytes asked of operator new since a test last set it to zero. One thread only.
std::size_t g_allocated = 0;

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && \
    !__has_feature(thread_sanitizer)
void* operator new(std::size_t bytes) {
  g_allocated += bytes;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace tessera::weights {
namespace {

using Bytes = std::vector<std::byte>;

// Every metadata type, tokenizer-like arrays, a tensor of every type.
GgufWriter make_victim() {
  GgufWriter writer;
  writer.add("general.architecture", "qwen35moe");
  writer.add("general.alignment", std::uint32_t{32});
  writer.add("a", std::uint8_t{1});
  writer.add("b", std::int16_t{-1});
  writer.add("c", std::uint64_t{7});
  writer.add("d", 0.25F);
  writer.add("e", 0.125);
  writer.add("f", true);
  writer.add_array("tokenizer.ggml.tokens", std::vector<std::string>{"!", "\xc4\xa0t", "</think>"});
  writer.add_array("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 4});
  writer.add_array("g", std::vector<bool>{true, false});
  writer.add_array("h", std::vector<double>{1.0});
  for (const TensorType type : tensor_types()) {
    const std::uint64_t row = info(type).block_elements;
    writer.add_tensor(info(type).name, type, {row, 2}, Bytes(2 * row_bytes(type, row)));
  }
  return writer;
}

// Exactly `size` bytes on the heap, so that a sanitizer sees the first byte past the end.
class Exact {
 public:
  explicit Exact(std::span<const std::byte> bytes)
      : size_(bytes.size()), data_(new std::byte[size_]) {
    std::memcpy(data_.get(), bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  std::byte& operator[](std::size_t index) { return data_[index]; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> data_;
};

// Reads, and where that succeeds touches each byte of each tensor. True when the file was accepted.
bool survive(std::span<const std::byte> bytes, std::size_t header_bytes) {
  const std::string name = "hostile.gguf";
  g_allocated = 0;
  const auto file = GgufFile::from_memory(bytes, name);
  EXPECT_LE(g_allocated, (std::size_t{512} << 10) + 32 * header_bytes);
  if (!file) {
    EXPECT_FALSE(file.error().message.empty());
    return false;
  }
  unsigned sum = 0;
  for (const TensorView& tensor : (*file)->tensors()) {
    for (std::size_t i = 0; i < tensor.bytes; ++i) sum += static_cast<unsigned>(tensor.data[i]);
    std::vector<float> row(tensor.row_elements());
    dequantise_row(tensor.type, tensor.data, row);
  }
  return sum != 0xffffffffu;
}

TEST(GgufHostile, TruncatedAtEveryByte) {
  const GgufWriter writer = make_victim();
  const Bytes bytes = writer.to_bytes();
  const std::size_t header = writer.header().size();
  // Up to the last tensor's last byte, each cut must be noticed.
  const std::size_t last = 2 * info(tensor_types().back()).block_bytes;
  const std::size_t needed = bytes.size() - (32 - last % 32) % 32;
  for (std::size_t size = 0; size < needed; ++size) {
    const Exact cut(std::span(bytes).first(size));
    ASSERT_FALSE(survive(cut.bytes(), header)) << "cut to " << size << " of " << bytes.size();
  }
  EXPECT_TRUE(survive(bytes, header));
}

TEST(GgufHostile, EveryHeaderByteFlipped) {
  const GgufWriter writer = make_victim();
  const Bytes bytes = writer.to_bytes();
  const std::size_t header = writer.header().size();
  for (std::size_t at = 0; at < header; ++at) {
    for (const int pattern : {0xff, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x7f}) {
      Exact flipped(bytes);
      flipped[at] ^= static_cast<std::byte>(pattern);
      survive(flipped.bytes(), header);
    }
  }
}

TEST(GgufHostile, EveryHeaderWordReplaced) {
  const GgufWriter writer = make_victim();
  const Bytes bytes = writer.to_bytes();
  const std::size_t header = writer.header().size();
  for (std::size_t at = 0; at + 8 <= header; ++at) {
    for (const std::uint64_t word :
         {std::uint64_t{0}, std::uint64_t{1} << 31, std::uint64_t{1} << 63, ~std::uint64_t{0},
          std::uint64_t{bytes.size()}}) {
      Exact changed(bytes);
      std::memcpy(&changed[at], &word, sizeof word);
      survive(changed.bytes(), header);
    }
  }
}

// Memory stays near the header's size for headers of one kind of thing each.
TEST(GgufHostile, MemoryIsBoundedByTheHeader) {
  GgufWriter bytes_array;
  bytes_array.add_array("a", std::vector<std::uint8_t>(1 << 20, 7));
  EXPECT_TRUE(survive(bytes_array.to_bytes(), bytes_array.header().size()));
  GgufWriter strings;
  strings.add_array("a", std::vector<std::string>(1 << 17));
  EXPECT_TRUE(survive(strings.to_bytes(), strings.header().size()));
  GgufWriter keys;
  for (int i = 0; i < 10000; ++i) keys.add(std::to_string(i), std::uint8_t{1});
  EXPECT_TRUE(survive(keys.to_bytes(), keys.header().size()));
  GgufWriter tensors;
  for (int i = 0; i < 10000; ++i) {
    tensors.add_tensor(std::to_string(i), TensorType::kF32, {1}, std::vector<float>{1});
  }
  EXPECT_TRUE(survive(tensors.to_bytes(), tensors.header().size()));
  GgufWriter many_keys;
  for (int i = 0; i < 65537; ++i) many_keys.add(std::to_string(i), std::uint8_t{1});
  EXPECT_FALSE(survive(many_keys.to_bytes(), many_keys.header().size()));
}

// The same on a file that another program wrote, with a whole tokenizer in it.
TEST(GgufHostile, SharedGoldenFile) {
  std::ifstream in("../shared/golden/nano-Q8_0.gguf", std::ios::binary);
  if (!in) GTEST_SKIP() << "../shared/golden/nano-Q8_0.gguf is absent";
  const std::vector<char> chars((std::istreambuf_iterator<char>(in)), {});
  Bytes bytes(chars.size());
  std::memcpy(bytes.data(), chars.data(), chars.size());
  ASSERT_TRUE(survive(bytes, bytes.size()));
  std::size_t header = 0;
  {
    const auto file = GgufFile::from_memory(bytes, "golden");
    header = static_cast<std::size_t>((*file)->tensors()[0].data - bytes.data());
  }
  for (std::size_t size = 0; size < header; ++size) {
    ASSERT_FALSE(GgufFile::from_memory(std::span(bytes).first(size), "cut")) << size;
  }
  for (std::size_t at = 0; at < header; ++at) {
    for (const int pattern : {0xff, 0x01, 0x80}) {
      bytes[at] ^= static_cast<std::byte>(pattern);
      (void)GgufFile::from_memory(bytes, "flipped");
      bytes[at] ^= static_cast<std::byte>(pattern);
    }
  }
}

}  // namespace
}  // namespace tessera::weights
