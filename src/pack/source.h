// What a file to be packed is made from: tensors by their GGUF names, whatever stands behind them.
//
// A source is immutable; any thread may read rows. Errors appear when it is opened; while it is
// read only the numbers themselves can be wrong, which pack() looks at, or pages may vanish
// (damaged()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_type.h"

namespace tessera::pack {

struct SourceTensor {
  std::string name;                 // as GGUF has it
  std::vector<std::uint64_t> dims;  // the contiguous one first
  std::string stored_as;            // "BF16": for the report
  // Where the source has blocks that can be taken over as they are.
  std::optional<weights::TensorType> type;
  const std::byte* blocks = nullptr;

  std::uint64_t rows() const {
    std::uint64_t rows = 1;
    for (std::size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
    return rows;
  }
};

class Source {
 public:
  virtual ~Source() = default;
  virtual const std::string& name() const = 0;  // for messages
  virtual std::int32_t layers() const = 0;      // main layers: mixes go by their places
  virtual std::span<const SourceTensor> tensors() const = 0;
  // Everything but general.file_type and general.quantization_version.
  virtual void write_metadata(weights::GgufWriter& writer) const = 0;
  // Rows first .. first + count - 1 of a tensor as floats.
  virtual void read_rows(std::size_t tensor, std::uint64_t first, std::uint64_t count,
                         float* out) const = 0;
  virtual bool damaged() const = 0;
};

// A GGUF file of any types that are read; split files by their first part.
Result<std::unique_ptr<Source>> open_gguf_source(const std::string& path);
// A directory as it comes from Hugging Face: config.json, tokenizer.json, *.safetensors in BF16,
// F16 or F32, or in FP8 with a scale for each block.
Result<std::unique_ptr<Source>> open_checkpoint_source(const std::string& directory);

}  // namespace tessera::pack
