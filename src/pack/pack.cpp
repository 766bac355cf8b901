#include "pack/pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/thread_team.h"
#include "model/tensor_table.h"
#include "pack/output_file.h"
#include "weights/gguf.h"

namespace tessera::pack {
namespace {

using weights::TensorType;

constexpr std::uint64_t kChunkElements = std::uint64_t{1} << 18;
// The largest scale that a half holds, times the smallest number of steps on one side (MXFP4 apart,
// which has exponents of its own).
constexpr float kLargest = 65504.0F;

// Errors from several threads: the first one stays.
class FirstError {
 public:
  void keep(Error error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  bool any() const {
    const std::lock_guard lock(mutex_);
    return error_.has_value();
  }
  Result<void> result() const {
    const std::lock_guard lock(mutex_);
    if (error_) return Unexpected<Error>{*error_};
    return {};
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

struct Chunk {
  std::uint64_t first, rows;
};

struct Sums {
  double error = 0, size = 0;
};

// A relative error that no set of numbers gives unless something went wrong, with room above what
// the formats' coarseness can do to a whole tensor.
double worst_error(TensorType type) {
  const weights::TensorTypeInfo& info = weights::info(type);
  const double bits =
      8.0 * static_cast<double>(info.block_bytes) / static_cast<double>(info.block_elements);
  if (info.block_elements == 1) return std::exp2(-7.0);
  return std::min(0.6, 4 * std::exp2(-bits + 1));
}

class Packer {
 public:
  Packer(const Source& source, const PackOptions& options)
      : source_(source), options_(options), team_(options.threads) {}

  Result<PackReport> run();

 private:
  void plan();
  Result<void> write(const OutputFile& file);
  Result<void> write_tensor(const OutputFile& file, std::size_t index);
  Result<void> write_chunk(const OutputFile& file, std::size_t index, Chunk chunk) const;
  Result<void> check(const OutputFile& file);
  Result<double> check_tensor(std::size_t index, const weights::TensorView& written);
  Sums compare(std::size_t index, const weights::TensorView& written, Chunk chunk) const;
  // function(chunk) for all rows of a tensor, by all threads.
  template <class F>
  void for_chunks(std::size_t index, F&& function);

  bool cancelled() const { return options_.cancelled != nullptr && *options_.cancelled; }
  Result<void> go_on() const {
    if (!cancelled()) return {};
    return fail(ErrorCode::kCancelled, fmt::format("{}: interrupted", options_.path));
  }
  bool copied(std::size_t index) const {
    return source_.tensors()[index].type == report_.tensors[index].to;
  }
  Unexpected<Error> error(ErrorCode code, std::size_t index, const std::string& what) const {
    return fail(code, fmt::format("{}: tensor {}: {}", source_.name(),
                                  source_.tensors()[index].name, what));
  }
  void tell(Phase phase, std::size_t index, std::uint64_t& done) const {
    done += report_.tensors[index].bytes;
    if (options_.progress) {
      options_.progress(phase, report_.tensors[index].name, done, writer_.data_bytes());
    }
  }

  const Source& source_;
  const PackOptions& options_;
  ThreadTeam team_;
  weights::GgufWriter writer_;
  std::vector<std::byte> header_;
  PackReport report_;
};

template <class F>
void Packer::for_chunks(std::size_t index, F&& function) {
  const SourceTensor& tensor = source_.tensors()[index];
  const std::uint64_t rows = tensor.rows();
  const std::uint64_t step = std::max<std::uint64_t>(1, kChunkElements / tensor.dims[0]);
  const std::uint64_t chunks = (rows + step - 1) / step;
  team_.for_each(chunks, 1, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end && !cancelled(); ++i) {
      const std::uint64_t first = i * step;
      function(Chunk{first, std::min(step, rows - first)});
    }
  });
}

void Packer::plan() {
  source_.write_metadata(writer_);
  writer_.add("general.file_type", options_.mix.file_type);
  writer_.add("general.quantization_version", std::uint32_t{2});
  const auto tensors = source_.tensors();
  const bool has_output = std::any_of(tensors.begin(), tensors.end(), [](const SourceTensor& t) {
    return t.name == "output.weight";
  });
  for (const SourceTensor& tensor : tensors) {
    PackedTensor packed;
    packed.name = tensor.name;
    packed.from = tensor.stored_as;
    packed.to = type_of(options_.mix, tensor.name, tensor.dims, source_.layers(), has_output);
    packed.bytes = tensor.rows() * weights::row_bytes(packed.to, tensor.dims[0]);
    writer_.declare_tensor(tensor.name, packed.to, tensor.dims);
    report_.tensors.push_back(std::move(packed));
  }
  header_ = writer_.header();
  report_.file_bytes = header_.size() + writer_.data_bytes();
}

Result<void> Packer::write_chunk(const OutputFile& file, std::size_t index, Chunk chunk) const {
  const SourceTensor& tensor = source_.tensors()[index];
  const TensorType type = report_.tensors[index].to;
  const std::size_t row_bytes = weights::row_bytes(type, tensor.dims[0]);
  const std::uint64_t offset =
      header_.size() + writer_.data_offset(index) + chunk.first * row_bytes;
  if (copied(index)) {
    return file.write_at(offset, {tensor.blocks + chunk.first * row_bytes, chunk.rows * row_bytes});
  }
  std::vector<float> values(chunk.rows * tensor.dims[0]);
  source_.read_rows(index, chunk.first, chunk.rows, values.data());
  const bool wide = type == TensorType::kF32 || type == TensorType::kBF16;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float magnitude = std::fabs(values[i]);
    if (std::isfinite(magnitude) && (wide || magnitude <= kLargest)) continue;
    return error(ErrorCode::kNumerical, index,
                 fmt::format("row {} holds {}, which {} cannot", chunk.first + i / tensor.dims[0],
                             values[i], weights::info(type).name));
  }
  std::vector<std::byte> blocks(chunk.rows * row_bytes);
  weights::quantise_row(type, values, blocks.data());
  return file.write_at(offset, blocks);
}

Result<void> Packer::write_tensor(const OutputFile& file, std::size_t index) {
  FirstError first;
  for_chunks(index, [&](Chunk chunk) {
    if (first.any()) return;
    if (auto written = write_chunk(file, index, chunk); !written) first.keep(written.error());
  });
  TRY(first.result());
  TRY(go_on());
  if (source_.damaged()) {
    return error(ErrorCode::kCorrupt, index, "the source was cut off while it was read");
  }
  return {};
}

Result<void> Packer::write(const OutputFile& file) {
  TRY(file.write_at(0, header_));
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < report_.tensors.size(); ++i) {
    TRY(write_tensor(file, i));
    tell(Phase::kWriting, i, done);
  }
  return file.sync();
}

Sums Packer::compare(std::size_t index, const weights::TensorView& written, Chunk chunk) const {
  const std::uint64_t columns = written.dims[0];
  const std::size_t row_bytes = weights::row_bytes(written.type, columns);
  const std::byte* blocks = written.data + chunk.first * row_bytes;
  if (copied(index)) {
    const std::byte* wanted = source_.tensors()[index].blocks + chunk.first * row_bytes;
    return {std::memcmp(blocks, wanted, chunk.rows * row_bytes) == 0 ? 0.0 : HUGE_VAL, 1};
  }
  std::vector<float> wanted(chunk.rows * columns), got(wanted.size());
  source_.read_rows(index, chunk.first, chunk.rows, wanted.data());
  weights::dequantise_row(written.type, blocks, got);
  Sums sums;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double difference = double{wanted[i]} - got[i];
    sums.error += difference * difference;
    sums.size += double{wanted[i]} * wanted[i];
  }
  return sums;
}

// The relative error, or why it cannot be right.
Result<double> Packer::check_tensor(std::size_t index, const weights::TensorView& written) {
  const SourceTensor& tensor = source_.tensors()[index];
  if (written.name != tensor.name || written.dims != tensor.dims ||
      written.type != report_.tensors[index].to) {
    return error(ErrorCode::kCorrupt, index, "came back from the file as another");
  }
  std::mutex mutex;
  Sums sums;
  for_chunks(index, [&](Chunk chunk) {
    const Sums part = compare(index, written, chunk);
    const std::lock_guard lock(mutex);
    sums.error += part.error;
    sums.size += part.size;
  });
  TRY(go_on());
  // Numbers below what a half's steps tell apart may all become 0.
  const double tiny = 1e-7 * std::sqrt(static_cast<double>(written.elements()));
  const double limit = worst_error(written.type);
  if (!(std::sqrt(sums.error) <= limit * std::sqrt(sums.size) + tiny)) {
    return error(
        ErrorCode::kCorrupt, index,
        fmt::format("came back from the file with an error of {:.3g} of its size; for {} "
                    "at most {:.3g} is believed",
                    std::sqrt(sums.error / sums.size), weights::info(written.type).name, limit));
  }
  return sums.size > 0 ? std::sqrt(sums.error / sums.size) : 0.0;
}

Result<void> Packer::check(const OutputFile& file) {
  TRY_ASSIGN(auto written, weights::GgufFile::open(file.partial_path()));
  if (written->tensors().size() != report_.tensors.size() ||
      written->file_bytes() != report_.file_bytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} tensors in {} bytes came back of {} in {}", written->name(),
                            written->tensors().size(), written->file_bytes(),
                            report_.tensors.size(), report_.file_bytes));
  }
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < report_.tensors.size(); ++i) {
    TRY_ASSIGN(report_.tensors[i].relative_error, check_tensor(i, written->tensors()[i]));
    tell(Phase::kChecking, i, done);
  }
  TRY(model::load_tensor_table(written));
  if (written->damaged() || source_.damaged()) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: cut off while it was read back", written->name()));
  }
  return {};
}

Result<PackReport> Packer::run() {
  plan();
  TRY_ASSIGN(OutputFile file,
             OutputFile::create(options_.path, report_.file_bytes, options_.overwrite));
  TRY(write(file));
  TRY(check(file));
  TRY(file.finish());
  return std::move(report_);
}

}  // namespace

Result<PackReport> pack(const Source& source, const PackOptions& options) {
  return Packer(source, options).run();
}

}  // namespace tessera::pack
