// Builds a GGUF file: metadata and tensors in the order they were added. Either whole in memory,
// or, for what does not fit there, the header alone: tensors are declared without data, which their
// owner then puts at data_offset(). For tests and `tessera pack`.
//
// Not thread safe. Misuse (a wrong size, a name twice) is a CHECK: what is written is ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "weights/gguf.h"
#include "weights/gguf_format.h"
#include "weights/tensor_type.h"

namespace tessera::weights {

class GgufWriter {
 public:
  // A power of two from 8. Other than 32, it is also written to the metadata.
  explicit GgufWriter(std::uint32_t alignment = kGgufDefaultAlignment);

  // A metadata entry; its GGUF type follows from T: bool, float, double, an integer of 8 to 64
  // bits, or a string.
  template <class T>
  void add(std::string_view key, const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      begin_entry(key, MetadataType::kString);
      put_string(value);
    } else {
      begin_entry(key, metadata_type<T>());
      put(value);
    }
  }

  template <class T>
  void add_array(std::string_view key, const std::vector<T>& values) {
    begin_entry(key, MetadataType::kArray);
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      put(MetadataType::kString);
      put(std::uint64_t{values.size()});
      for (const T& value : values) put_string(value);
    } else {
      put(metadata_type<T>());
      put(std::uint64_t{values.size()});
      for (const T value : values) put(value);
    }
  }

  // An entry of another file as it stood there.
  void copy_entry(const MetadataEntry& entry);

  // A tensor whose data somebody else writes. The file is then header() and data_bytes() behind it.
  void declare_tensor(std::string_view name, TensorType type, std::vector<std::uint64_t> dims);
  // Where in the data the tensor added as number `index` begins, and how long all of it is.
  std::uint64_t data_offset(std::size_t index) const { return tensors_[index].offset; }
  std::uint64_t data_bytes() const { return data_bytes_; }

  // Blocks of `type` as they go into the file. dims as in GGUF, the contiguous one first.
  void add_tensor(std::string_view name, TensorType type, std::vector<std::uint64_t> dims,
                  std::vector<std::byte> data);
  // The same from floats, rounded to `type`.
  void add_tensor(std::string_view name, TensorType type, std::vector<std::uint64_t> dims,
                  std::span<const float> values);

  // The bytes before the tensor data, and the whole file.
  std::vector<std::byte> header() const;
  std::vector<std::byte> to_bytes() const;
  Result<void> write(const std::string& path) const;

 private:
  struct Tensor {
    std::string name;
    TensorType type;
    std::vector<std::uint64_t> dims;
    std::uint64_t offset;
    std::uint64_t bytes;
    std::vector<std::byte> data;  // empty: declared
  };

  template <class T>
  static constexpr MetadataType metadata_type() {
    if constexpr (std::is_same_v<T, bool>) return MetadataType::kBool;
    if constexpr (std::is_same_v<T, float>) return MetadataType::kF32;
    if constexpr (std::is_same_v<T, double>) return MetadataType::kF64;
    if constexpr (std::is_same_v<T, std::uint8_t>) return MetadataType::kU8;
    if constexpr (std::is_same_v<T, std::int8_t>) return MetadataType::kI8;
    if constexpr (std::is_same_v<T, std::uint16_t>) return MetadataType::kU16;
    if constexpr (std::is_same_v<T, std::int16_t>) return MetadataType::kI16;
    if constexpr (std::is_same_v<T, std::uint32_t>) return MetadataType::kU32;
    if constexpr (std::is_same_v<T, std::int32_t>) return MetadataType::kI32;
    if constexpr (std::is_same_v<T, std::uint64_t>) return MetadataType::kU64;
    if constexpr (std::is_same_v<T, std::int64_t>) return MetadataType::kI64;
  }

  template <class T>
  void put(const T& value) {
    append(entries_, &value, sizeof value);
  }
  void put_string(std::string_view text);
  void begin_entry(std::string_view key, MetadataType type);
  static void append(std::vector<std::byte>& out, const void* data, std::size_t bytes);
  static void append_string(std::vector<std::byte>& out, std::string_view text);
  void pad(std::vector<std::byte>& out) const;

  std::uint32_t alignment_;
  std::uint64_t entry_count_ = 0;
  std::vector<std::byte> entries_;
  std::vector<Tensor> tensors_;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace tessera::weights
