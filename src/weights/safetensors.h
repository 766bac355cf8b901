// A safetensors file, read through a memory map: named tensors whose data stay in the file.
//
// The reader trusts nothing: the header's length, each tensor's type, shape and place are checked
// against the file. Refusals name the file, the tensor and the numbers. Immutable after open(); any
// thread. Format: u64 length | JSON {name: {dtype, shape, data_offsets}} | data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "weights/mapped_file.h"

namespace tessera::weights {

enum class SafeType : std::uint8_t { kF32, kF16, kBF16, kF8E4M3, kOther };
std::string_view safe_type_name(SafeType type);
std::size_t safe_type_bytes(SafeType type);

struct SafeTensor {
  std::string name;
  SafeType type = SafeType::kOther;  // kOther: of no type that is read; `data` is null
  std::vector<std::uint64_t> shape;  // the contiguous one last
  const std::byte* data = nullptr;

  std::uint64_t elements() const;
};

class SafetensorsFile {
 public:
  static Result<SafetensorsFile> open(const std::string& path);

  std::span<const SafeTensor> tensors() const { return tensors_; }
  bool damaged() const { return file_.damaged(); }

 private:
  MappedFile file_;
  std::vector<SafeTensor> tensors_;
};

// Elements first .. first + count - 1 as floats.
void read_elements(const SafeTensor& tensor, std::uint64_t first, std::uint64_t count, float* out);

// The eight-bit float with four bits of exponent and no infinities (OCP, E4M3): exact.
float f8e4m3_to_float(std::uint8_t bits);

}  // namespace tessera::weights
