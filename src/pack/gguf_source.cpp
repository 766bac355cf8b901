#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "model/tensor_table.h"
#include "pack/source.h"
#include "weights/gguf.h"

namespace tessera::pack {
namespace {

// What is written anew, or no longer true of another file.
bool left_out(std::string_view key) {
  constexpr std::array<std::string_view, 3> kKeys = {"general.alignment", "general.file_type",
                                                     "general.quantization_version"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end() || key.starts_with("split.") ||
         key.starts_with("quantize.imatrix.");
}

class GgufSource final : public Source {
 public:
  explicit GgufSource(model::TensorTable table) : table_(std::move(table)) {
    for (const weights::TensorView& view : table_.file->tensors()) {
      tensors_.push_back({std::string(view.name), view.dims,
                          std::string(weights::info(view.type).name), view.type, view.data});
    }
  }

  const std::string& name() const override { return table_.file->name(); }
  std::int32_t layers() const override { return table_.config.layers; }
  std::span<const SourceTensor> tensors() const override { return tensors_; }
  bool damaged() const override { return table_.file->damaged(); }

  void write_metadata(weights::GgufWriter& writer) const override {
    for (const weights::MetadataEntry& entry : table_.file->metadata()) {
      if (!left_out(entry.key)) writer.copy_entry(entry);
    }
  }

  void read_rows(std::size_t tensor, std::uint64_t first, std::uint64_t count,
                 float* out) const override {
    const SourceTensor& from = tensors_[tensor];
    CHECK(from.type.has_value());  // as all tensors of a GGUF file have
    const std::size_t row_bytes = weights::row_bytes(*from.type, from.dims[0]);
    weights::dequantise_row(*from.type, from.blocks + first * row_bytes,
                            {out, count * from.dims[0]});
  }

 private:
  model::TensorTable table_;
  std::vector<SourceTensor> tensors_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_gguf_source(const std::string& path) {
  TRY_ASSIGN(auto file, weights::GgufFile::open(path));
  TRY_ASSIGN(model::TensorTable table, model::load_tensor_table(std::move(file)));
  return std::unique_ptr<Source>(std::make_unique<GgufSource>(std::move(table)));
}

}  // namespace tessera::pack
