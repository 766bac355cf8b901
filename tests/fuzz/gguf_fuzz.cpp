// Any bytes as a GGUF file: read or refused, and what is read has its data inside the bytes.
// Accepted files go on to the configuration, the tensor table and `inspect`.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "model/inspect.h"
#include "model/tensor_table.h"
#include "weights/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  // A copy of exact size: aligned, and a sanitizer sees each read past its end.
  const std::unique_ptr<std::byte[]> copy(new std::byte[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const std::span<const std::byte> bytes(copy.get(), size);
  const auto listed = weights::GgufFile::from_memory(bytes, "fuzz", weights::UnknownTypes::kList);
  if (listed) (void)model::inspect(*listed);
  const auto file = weights::GgufFile::from_memory(bytes, "fuzz");
  CHECK(listed.has_value() || !file.has_value());
  if (!file) return 0;
  for (const weights::TensorView& tensor : (*file)->tensors()) {
    CHECK(tensor.data >= bytes.data() && tensor.bytes <= bytes.size() &&
          tensor.data + tensor.bytes <= bytes.data() + bytes.size());
    std::vector<float> row(tensor.row_elements());
    weights::dequantise_row(tensor.type, tensor.data, row);
  }
  return 0;
}
