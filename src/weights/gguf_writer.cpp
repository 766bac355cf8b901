#include "weights/gguf_writer.h"

#include <fmt/format.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace tessera::weights {

GgufWriter::GgufWriter(std::uint32_t alignment) : alignment_(alignment) {
  CHECK(alignment >= 8 && std::has_single_bit(alignment));
  if (alignment != kGgufDefaultAlignment) add(kGgufAlignmentKey, alignment);
}

void GgufWriter::add_tensor(std::string_view name, TensorType type, std::vector<std::uint64_t> dims,
                            std::vector<std::byte> data) {
  declare_tensor(name, type, std::move(dims));
  CHECK(data.size() == tensors_.back().bytes);
  tensors_.back().data = std::move(data);
}

void GgufWriter::declare_tensor(std::string_view name, TensorType type,
                                std::vector<std::uint64_t> dims) {
  CHECK(!dims.empty());
  std::uint64_t rows = 1;
  for (std::size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
  const std::uint64_t bytes = rows * row_bytes(type, dims[0]);
  tensors_.push_back({std::string(name), type, std::move(dims), data_bytes_, bytes, {}});
  data_bytes_ += (bytes + alignment_ - 1) / alignment_ * alignment_;
}

void GgufWriter::add_tensor(std::string_view name, TensorType type, std::vector<std::uint64_t> dims,
                            std::span<const float> values) {
  CHECK(!dims.empty() && dims[0] > 0 && values.size() % dims[0] == 0);
  const std::size_t bytes_per_row = row_bytes(type, dims[0]);
  const std::size_t rows = values.size() / dims[0];
  std::vector<std::byte> data(rows * bytes_per_row);
  for (std::size_t row = 0; row < rows; ++row) {
    quantise_row(type, values.subspan(row * dims[0], dims[0]), data.data() + row * bytes_per_row);
  }
  add_tensor(name, type, std::move(dims), std::move(data));
}

std::vector<std::byte> GgufWriter::header() const {
  std::vector<std::byte> out;
  const auto put_value = [&](auto value) { append(out, &value, sizeof value); };
  put_value(kGgufMagic);
  put_value(kGgufVersion);
  put_value(std::uint64_t{tensors_.size()});
  put_value(entry_count_);
  append(out, entries_.data(), entries_.size());
  for (const Tensor& tensor : tensors_) {
    append_string(out, tensor.name);
    put_value(static_cast<std::uint32_t>(tensor.dims.size()));
    for (const std::uint64_t dim : tensor.dims) put_value(dim);
    put_value(static_cast<std::uint32_t>(tensor.type));
    put_value(tensor.offset);
  }
  pad(out);
  return out;
}

std::vector<std::byte> GgufWriter::to_bytes() const {
  std::vector<std::byte> out = header();
  for (const Tensor& tensor : tensors_) {
    CHECK(tensor.data.size() == tensor.bytes);  // not only declared
    append(out, tensor.data.data(), tensor.data.size());
    pad(out);
  }
  return out;
}

Result<void> GgufWriter::write(const std::string& path) const {
  const auto io_error = [&](const char* what) {
    return fail(ErrorCode::kIo,
                fmt::format("{}: {}: {}", path, what, std::generic_category().message(errno)));
  };
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return io_error("cannot create");
  const std::vector<std::byte> bytes = to_bytes();
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed) return io_error("cannot write");
  return {};
}

void GgufWriter::put_string(std::string_view text) {
  append_string(entries_, text);
}

void GgufWriter::begin_entry(std::string_view key, MetadataType type) {
  append_string(entries_, key);
  put(type);
  ++entry_count_;
}

void GgufWriter::copy_entry(const MetadataEntry& entry) {
  append_string(entries_, entry.key);
  append(entries_, entry.raw.data(), entry.raw.size());
  ++entry_count_;
}

void GgufWriter::append(std::vector<std::byte>& out, const void* data, std::size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  out.insert(out.end(), begin, begin + bytes);
}

void GgufWriter::append_string(std::vector<std::byte>& out, std::string_view text) {
  const std::uint64_t length = text.size();
  append(out, &length, sizeof length);
  append(out, text.data(), text.size());
}

void GgufWriter::pad(std::vector<std::byte>& out) const {
  out.resize((out.size() + alignment_ - 1) / alignment_ * alignment_);
}

}  // namespace tessera::weights
