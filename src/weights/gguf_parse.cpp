#include "weights/gguf_parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/utf8.h"
#include "weights/gguf_format.h"
#include "weights/printable.h"

namespace tessera::weights {
namespace {

// Bounds far above what real files have (the 35B model: 50 entries, 733 tensors, 11 MB of header).
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxEntries = 65'536;
constexpr std::uint64_t kMaxTensors = 1'048'576;
constexpr std::uint64_t kMaxKeyBytes = 65'535;  // the format's own limit
constexpr std::uint64_t kMaxNameBytes = 255;    // the format says 64; some tools write more
constexpr std::uint32_t kMaxDims = 4;
// The least bytes that one of each takes: a count is believed only if so many fit in what remains.
constexpr std::uint64_t kLeastEntryBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
// Vectors grow past this by doubling, so that a false count costs no memory.
constexpr std::uint64_t kReserve = 1024;

bool multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& product) {
  return !__builtin_mul_overflow(a, b, &product);
}
bool add(std::uint64_t a, std::uint64_t b, std::uint64_t& sum) {
  return !__builtin_add_overflow(a, b, &sum);
}

// Reads the header front to back and never past its end. The first failure sticks in the Result
// that carries it out.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes.first(std::min<std::size_t>(bytes.size(), kMaxHeaderBytes))),
        cut_(bytes.size() > kMaxHeaderBytes),
        name_(name) {}

  std::uint64_t offset() const { return offset_; }
  std::uint64_t remaining() const { return bytes_.size() - offset_; }
  std::span<const std::byte> since(std::uint64_t begin) const {
    return bytes_.subspan(begin, offset_ - begin);
  }

  Unexpected<Error> error(ErrorCode code, const std::string& what) const {
    return fail(code, fmt::format("{}: {}", name_, what));
  }
  Unexpected<Error> corrupt(const std::string& what) const {
    return error(ErrorCode::kCorrupt, fmt::format("{} (at byte {})", what, offset_));
  }
  Unexpected<Error> ends_in(std::string_view what, std::uint64_t wanted) const {
    if (cut_) {
      return error(ErrorCode::kOutOfRange,
                   fmt::format("the header is longer than {} bytes, the limit (in {})",
                               kMaxHeaderBytes, what));
    }
    return corrupt(
        fmt::format("the file ends in {}: {} bytes wanted, {} remain", what, wanted, remaining()));
  }

  template <class T>
  Result<T> read(std::string_view what) {
    if (remaining() < sizeof(T)) return ends_in(what, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof value);
    offset_ += sizeof value;
    return value;
  }

  // A count of things of which each takes at least `least_bytes`.
  Result<std::uint64_t> read_count(std::string_view what, std::uint64_t least_bytes) {
    TRY_ASSIGN(const auto count, read<std::uint64_t>(what));
    if (count > remaining() / least_bytes) {
      return corrupt(fmt::format("{} is {}, but only {} bytes of header can follow", what, count,
                                 remaining()));
    }
    return count;
  }

  Result<std::string_view> read_string(std::string_view what,
                                       std::uint64_t limit = kMaxHeaderBytes) {
    TRY_ASSIGN(const auto length, read<std::uint64_t>(what));
    if (length > limit) {
      return corrupt(fmt::format("{} is {} bytes long, the limit is {}", what, length, limit));
    }
    if (length > remaining()) return ends_in(what, length);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + offset_), length);
    offset_ += length;
    return text;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  bool cut_;  // the file goes on behind bytes_
  const std::string& name_;
};

// Names reach messages, tables and look-ups: text without control characters.
bool is_clean_name(std::string_view name) {
  return !name.empty() && is_valid_utf8(name) && name.find("../") == std::string_view::npos &&
         std::none_of(name.begin(), name.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// ---- metadata values

template <class T>
Result<std::int64_t> to_int64(HeaderReader& reader, std::string_view key, T value) {
  if (!std::in_range<std::int64_t>(value)) {
    return reader.corrupt(fmt::format("{}: {} is above 2^63 - 1", printable(key), value));
  }
  return static_cast<std::int64_t>(value);
}

template <class T>
Result<std::int64_t> read_integer(HeaderReader& reader, std::string_view key) {
  TRY_ASSIGN(const T value, reader.read<T>(key));
  return to_int64(reader, key, value);
}

Result<bool> read_bool(HeaderReader& reader, std::string_view key) {
  TRY_ASSIGN(const auto value, reader.read<std::uint8_t>(key));
  if (value > 1) {
    return reader.corrupt(fmt::format("{}: a boolean holds {}, not 0 or 1", printable(key), value));
  }
  return value == 1;
}

Result<std::string_view> read_text(HeaderReader& reader, std::string_view key) {
  return reader.read_string(key);
}

template <class T>
Result<double> read_float(HeaderReader& reader, std::string_view key) {
  TRY_ASSIGN(const T value, reader.read<T>(key));
  return static_cast<double>(value);
}

// Calls `visit` with the reader function of a type and the bytes that its smallest value takes;
// false for arrays and unknown types. Thus scalars and array elements share one table.
template <class Visit>
bool visit_scalar(std::uint32_t type, const Visit& visit) {
  switch (static_cast<MetadataType>(type)) {
    case MetadataType::kU8:
      return visit(read_integer<std::uint8_t>, 1), true;
    case MetadataType::kI8:
      return visit(read_integer<std::int8_t>, 1), true;
    case MetadataType::kU16:
      return visit(read_integer<std::uint16_t>, 2), true;
    case MetadataType::kI16:
      return visit(read_integer<std::int16_t>, 2), true;
    case MetadataType::kU32:
      return visit(read_integer<std::uint32_t>, 4), true;
    case MetadataType::kI32:
      return visit(read_integer<std::int32_t>, 4), true;
    case MetadataType::kU64:
      return visit(read_integer<std::uint64_t>, 8), true;
    case MetadataType::kI64:
      return visit(read_integer<std::int64_t>, 8), true;
    case MetadataType::kF32:
      return visit(read_float<float>, 4), true;
    case MetadataType::kF64:
      return visit(read_float<double>, 8), true;
    case MetadataType::kBool:
      return visit(read_bool, 1), true;
    case MetadataType::kString:
      return visit(read_text, 8), true;
    case MetadataType::kArray:
      break;
  }
  return false;
}

template <class ReadElement>
Result<MetadataValue> read_elements(HeaderReader& reader, std::string_view key,
                                    ReadElement read_element, std::uint64_t least_bytes) {
  using Element =
      typename std::invoke_result_t<ReadElement, HeaderReader&, std::string_view>::value_type;
  TRY_ASSIGN(const std::uint64_t count, reader.read_count(key, least_bytes));
  std::vector<Element> elements;
  elements.reserve(std::min(count, kReserve));
  for (std::uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(Element element, read_element(reader, key));
    elements.push_back(element);
  }
  return MetadataValue(MetadataArray(std::move(elements)));
}

Result<MetadataValue> read_array(HeaderReader& reader, std::string_view key) {
  TRY_ASSIGN(const auto type, reader.read<std::uint32_t>(key));
  Result<MetadataValue> result = MetadataValue(false);
  const bool known = visit_scalar(type, [&](auto read_element, std::uint64_t least_bytes) {
    result = read_elements(reader, key, read_element, least_bytes);
  });
  if (!known) {
    return reader.corrupt(fmt::format("{}: an array of {}", printable(key),
                                      type == static_cast<std::uint32_t>(MetadataType::kArray)
                                          ? std::string("arrays: not read")
                                          : fmt::format("type {}", type)));
  }
  return result;
}

Result<MetadataValue> read_value(HeaderReader& reader, std::string_view key) {
  TRY_ASSIGN(const auto type, reader.read<std::uint32_t>(key));
  if (type == static_cast<std::uint32_t>(MetadataType::kArray)) return read_array(reader, key);
  Result<MetadataValue> result = MetadataValue(false);
  const bool known = visit_scalar(type, [&](auto read_scalar, std::uint64_t) {
    auto scalar = read_scalar(reader, key);
    if (scalar) {
      result = MetadataValue(*scalar);
    } else {
      result = Unexpected{std::move(scalar).error()};
    }
  });
  if (!known) {
    return reader.corrupt(fmt::format("{}: unknown metadata type {}", printable(key), type));
  }
  return result;
}

Result<std::vector<MetadataEntry>> read_metadata(HeaderReader& reader, std::uint64_t count) {
  std::vector<MetadataEntry> entries;
  entries.reserve(std::min(count, kReserve));
  for (std::uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const auto key, reader.read_string("a metadata key", kMaxKeyBytes));
    if (!is_clean_name(key)) {
      return reader.corrupt(
          fmt::format("metadata key \"{}\" is empty or not clean text", printable(key)));
    }
    const std::uint64_t begin = reader.offset();
    TRY_ASSIGN(auto value, read_value(reader, key));
    entries.push_back({key, std::move(value), reader.since(begin)});
  }
  const auto key_of = [](const MetadataEntry& entry) { return entry.key; };
  if (const auto key = find_duplicate(entries, key_of); !key.empty()) {
    return reader.corrupt(fmt::format("metadata key {} occurs twice", printable(key)));
  }
  return entries;
}

// ---- tensors

// A tensor as its info has it; offset counts from the start of the data.
struct TensorInfo {
  TensorView view;
  std::uint64_t offset = 0;
};

std::string dims_text(const std::vector<std::uint64_t>& dims) {
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

Result<std::vector<std::uint64_t>> read_dims(HeaderReader& reader, std::string_view name) {
  TRY_ASSIGN(const auto count, reader.read<std::uint32_t>(name));
  if (count < 1 || count > kMaxDims) {
    return reader.corrupt(
        fmt::format("tensor {} has {} dimensions, not 1 to {}", printable(name), count, kMaxDims));
  }
  std::vector<std::uint64_t> dims;
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY_ASSIGN(const auto dim, reader.read<std::uint64_t>(name));
    dims.push_back(dim);
    if (dim == 0 || dim > std::numeric_limits<std::int64_t>::max() ||
        !multiply(elements, dim, elements)) {
      return reader.corrupt(
          fmt::format("tensor {} has the dimensions {}", printable(name), dims_text(dims)));
    }
  }
  return dims;
}

// The bytes of a tensor from its dimensions and type.
Result<std::uint64_t> size_in_bytes(const HeaderReader& reader, const TensorView& tensor) {
  const TensorTypeInfo& type = info(tensor.type);
  if (tensor.dims[0] % type.block_elements != 0) {
    return reader.corrupt(fmt::format("tensor {} has rows of {} elements, no multiple of {}'s {}",
                                      printable(tensor.name), tensor.dims[0], type.name,
                                      type.block_elements));
  }
  std::uint64_t bytes = 0;
  if (!multiply(tensor.elements() / type.block_elements, type.block_bytes, bytes)) {
    return reader.corrupt(fmt::format("tensor {} with dimensions {} of {} is too large",
                                      printable(tensor.name), dims_text(tensor.dims), type.name));
  }
  return bytes;
}

Result<TensorInfo> read_tensor_info(HeaderReader& reader, UnknownTypes unknown_types) {
  TensorInfo tensor;
  TRY_ASSIGN(tensor.view.name, reader.read_string("a tensor name", kMaxNameBytes));
  const std::string_view name = tensor.view.name;
  if (!is_clean_name(name)) {
    return reader.corrupt(
        fmt::format("tensor name \"{}\" is empty or not clean text", printable(name)));
  }
  TRY_ASSIGN(tensor.view.dims, read_dims(reader, name));
  TRY_ASSIGN(const auto type_id, reader.read<std::uint32_t>(name));
  TRY_ASSIGN(tensor.offset, reader.read<std::uint64_t>(name));
  tensor.view.type = static_cast<TensorType>(type_id);
  if (find_tensor_type(type_id) != nullptr) {
    TRY_ASSIGN(tensor.view.bytes, size_in_bytes(reader, tensor.view));
  } else if (unknown_types == UnknownTypes::kRefuse) {
    return reader.error(
        ErrorCode::kUnsupported,
        fmt::format("tensor {} has type {} ({}), which this build does not read; it "
                    "reads {}",
                    printable(name), type_id, name_of_unknown_type(type_id), tensor_type_names()));
  }
  return tensor;
}

Result<std::vector<TensorInfo>> read_tensor_infos(HeaderReader& reader, std::uint64_t count,
                                                  UnknownTypes unknown_types) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(std::min(count, kReserve));
  for (std::uint64_t i = 0; i < count; ++i) {
    TRY_ASSIGN(auto tensor, read_tensor_info(reader, unknown_types));
    tensors.push_back(std::move(tensor));
  }
  const auto name_of = [](const TensorInfo& tensor) { return tensor.view.name; };
  if (const auto name = find_duplicate(tensors, name_of); !name.empty()) {
    return reader.corrupt(fmt::format("tensor {} occurs twice", printable(name)));
  }
  return tensors;
}

// A power of two, so that rounding up is a mask; at least 8, as the format asks for a multiple of 8
// (and floats in the data must be aligned).
Result<std::uint64_t> read_alignment(const HeaderReader& reader,
                                     const std::vector<MetadataEntry>& metadata) {
  const MetadataValue* entry = find_entry(metadata, kGgufAlignmentKey);
  if (entry == nullptr) return kGgufDefaultAlignment;
  const auto* value = std::get_if<std::int64_t>(entry);
  if (value == nullptr) {
    return reader.error(ErrorCode::kCorrupt, fmt::format("{} is no integer", kGgufAlignmentKey));
  }
  if (*value < 8 || !std::has_single_bit(static_cast<std::uint64_t>(*value))) {
    return reader.error(ErrorCode::kCorrupt, fmt::format("{} is {}, not a power of two from 8",
                                                         kGgufAlignmentKey, *value));
  }
  return static_cast<std::uint64_t>(*value);
}

// Every tensor inside the file and on its alignment; then no two on the same bytes.
Result<void> place_tensors(const HeaderReader& reader, std::span<const std::byte> bytes,
                           std::uint64_t alignment, std::uint64_t data_start,
                           std::vector<TensorInfo>& tensors) {
  for (TensorInfo& tensor : tensors) {
    if (tensor.offset % alignment != 0) {
      return reader.error(
          ErrorCode::kCorrupt,
          fmt::format("tensor {} is at data offset {}, no multiple of the alignment {}",
                      printable(tensor.view.name), tensor.offset, alignment));
    }
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    if (!add(data_start, tensor.offset, begin) || !add(begin, tensor.view.bytes, end) ||
        end > bytes.size()) {
      return reader.error(
          ErrorCode::kCorrupt,
          fmt::format("tensor {} has {} bytes at data offset {} (data begins at byte {}), but the "
                      "file ends at byte {}: truncated?",
                      printable(tensor.view.name), tensor.view.bytes, tensor.offset, data_start,
                      bytes.size()));
    }
    if (tensor.view.bytes > 0) tensor.view.data = bytes.data() + begin;
  }
  std::vector<const TensorInfo*> by_offset(tensors.size());
  std::transform(tensors.begin(), tensors.end(), by_offset.begin(),
                 [](const TensorInfo& tensor) { return &tensor; });
  std::sort(by_offset.begin(), by_offset.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    const TensorInfo& before = *by_offset[i - 1];
    if (before.offset + before.view.bytes > by_offset[i]->offset) {
      return reader.error(
          ErrorCode::kCorrupt,
          fmt::format("tensors {} ({} bytes at data offset {}) and {} (at {}) overlap",
                      printable(before.view.name), before.view.bytes, before.offset,
                      printable(by_offset[i]->view.name), by_offset[i]->offset));
    }
  }
  return {};
}

Result<void> check_magic_and_version(HeaderReader& reader) {
  TRY_ASSIGN(const auto magic, reader.read<std::uint32_t>("the magic number"));
  if (magic != kGgufMagic) {
    return reader.error(ErrorCode::kCorrupt,
                        fmt::format("is no GGUF file: begins with {:08x}, not {:08x} (\"GGUF\")",
                                    __builtin_bswap32(magic), __builtin_bswap32(kGgufMagic)));
  }
  TRY_ASSIGN(const auto version, reader.read<std::uint32_t>("the version"));
  const std::uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 0xffff) {
    return reader.error(ErrorCode::kUnsupported,
                        fmt::format("is a big-endian GGUF file (version {}); only little-endian "
                                    "ones are read: convert it",
                                    swapped));
  }
  if (version < kGgufOldestVersion || version > kGgufVersion) {
    return reader.error(ErrorCode::kUnsupported,
                        fmt::format("GGUF version {}; this build reads {} and {}", version,
                                    kGgufOldestVersion, kGgufVersion));
  }
  return {};
}

}  // namespace

const MetadataValue* find_entry(std::span<const MetadataEntry> metadata, std::string_view key) {
  const auto found = std::find_if(metadata.begin(), metadata.end(),
                                  [&](const MetadataEntry& entry) { return entry.key == key; });
  return found == metadata.end() ? nullptr : &found->value;
}

Result<GgufPart> parse_gguf_part(std::span<const std::byte> bytes, const std::string& name,
                                 UnknownTypes unknown_types) {
  HeaderReader reader(bytes, name);
  TRY(check_magic_and_version(reader));
  TRY_ASSIGN(const auto tensor_count, reader.read_count("the tensor count", kLeastTensorBytes));
  TRY_ASSIGN(const auto entry_count,
             reader.read_count("the metadata entry count", kLeastEntryBytes));
  if (tensor_count > kMaxTensors || entry_count > kMaxEntries) {
    return reader.error(ErrorCode::kOutOfRange,
                        fmt::format("{} tensors and {} metadata entries; the limits are {} and {}",
                                    tensor_count, entry_count, kMaxTensors, kMaxEntries));
  }
  GgufPart part;
  TRY_ASSIGN(part.metadata, read_metadata(reader, entry_count));
  TRY_ASSIGN(auto tensors, read_tensor_infos(reader, tensor_count, unknown_types));
  TRY_ASSIGN(const std::uint64_t alignment, read_alignment(reader, part.metadata));
  // No overflow: the header ends below kMaxHeaderBytes, the alignment is below 2^63.
  part.data_start = (reader.offset() + alignment - 1) & ~(alignment - 1);
  TRY(place_tensors(reader, bytes, alignment, part.data_start, tensors));
  part.tensors.reserve(tensors.size());
  for (TensorInfo& tensor : tensors) part.tensors.push_back(std::move(tensor.view));
  return part;
}

}  // namespace tessera::weights
