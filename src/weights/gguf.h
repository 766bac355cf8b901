// GGUF files, read through a memory map: metadata and named tensors whose data stay in the file.
//
// The reader trusts nothing: checked arithmetic, counts believed only against the bytes that
// remain, every tensor inside the file, aligned, disjoint, of a known type. Each refusal names the
// tensor or key and the numbers. A GgufFile is immutable after open() and may be read from any
// thread; it owns the mapping, so spans and views into it live as long as it does. Format: GGUF
// version 2 and 3, little endian, split files ("-00001-of-0000N.gguf").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "weights/tensor_type.h"

namespace tessera::weights {

// Metadata arrays hold one element type; numbers are widened: any integer to int64 (u64 above 2^63
// is refused), any float to double.
using MetadataArray = std::variant<std::vector<std::int64_t>, std::vector<double>,
                                   std::vector<bool>, std::vector<std::string_view>>;
using MetadataValue = std::variant<std::int64_t, double, bool, std::string_view, MetadataArray>;

struct MetadataEntry {
  std::string_view key;
  MetadataValue value;
  std::span<const std::byte> raw;  // type and value as in the file, for GgufWriter::copy_entry
};

// A tensor in the file. Dimensions as GGUF has them: the contiguous (input) one first.
struct TensorView {
  std::string_view name;
  TensorType type = TensorType::kF32;
  std::vector<std::uint64_t> dims;  // 1 to 4, each >= 1
  const std::byte* data = nullptr;
  std::size_t bytes = 0;

  std::uint64_t elements() const;
  std::uint64_t row_elements() const { return dims[0]; }
  std::uint64_t rows() const { return elements() / dims[0]; }
};

// What to do about tensors of a type that this build does not read: refuse the file, or list them
// (for `inspect`) with `type` holding the unknown id, no data and no bytes.
enum class UnknownTypes { kRefuse, kList };

class GgufFile {
 public:
  // Opens a file, or all parts of a split file when `path` names its first part.
  static Result<std::shared_ptr<const GgufFile>> open(
      const std::string& path, UnknownTypes unknown_types = UnknownTypes::kRefuse);
  // The same on bytes in memory (kept alive by the caller, aligned to 8): the embedded demo model,
  // tests, fuzzing. Single part.
  static Result<std::shared_ptr<const GgufFile>> from_memory(
      std::span<const std::byte> bytes, std::string name,
      UnknownTypes unknown_types = UnknownTypes::kRefuse);

  virtual ~GgufFile() = default;

  // For messages: the path, or the name given.
  virtual const std::string& name() const = 0;
  // In the file's order. Split files: the metadata of the first part, the tensors of all.
  virtual std::span<const MetadataEntry> metadata() const = 0;
  virtual std::span<const TensorView> tensors() const = 0;
  virtual std::uint64_t file_bytes() const = 0;
  // True once a page of the file was found gone (truncated while mapped): what was computed with it
  // since is worthless. Any thread.
  virtual bool damaged() const = 0;

  // Null when absent.
  virtual const MetadataValue* find_metadata(std::string_view key) const = 0;
  virtual const TensorView* find_tensor(std::string_view name) const = 0;

  // The value of a key as a type; an error that names the key when absent or of another type.
  Result<std::int64_t> integer(std::string_view key) const;
  Result<double> number(std::string_view key) const;  // integers too
  Result<std::string_view> string(std::string_view key) const;
};

}  // namespace tessera::weights
