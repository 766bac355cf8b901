#include "weights/safetensors.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "weights/printable.h"
#include "weights/tensor_type.h"

namespace tessera::weights {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{256} << 20;
constexpr std::size_t kMaxDims = 8;

struct TypeRow {
  SafeType type;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array kTypes = {
    TypeRow{SafeType::kF32, "F32", 4},
    TypeRow{SafeType::kF16, "F16", 2},
    TypeRow{SafeType::kBF16, "BF16", 2},
    TypeRow{SafeType::kF8E4M3, "F8_E4M3", 1},
};

// Reads one entry of the header.
class EntryReader {
 public:
  EntryReader(const std::string& path, std::string_view name, std::span<const std::byte> data)
      : path_(path), name_(name), data_(data) {}

  Result<SafeTensor> read(const json::Value& entry) const {
    SafeTensor tensor;
    tensor.name = name_;
    const json::Value* dtype = entry.find("dtype");
    const std::string* type_name = dtype == nullptr ? nullptr : dtype->if_string();
    if (type_name == nullptr) return corrupt("has no dtype");
    TRY_ASSIGN(tensor.shape, integers(entry, "shape"));
    TRY_ASSIGN(const auto place, integers(entry, "data_offsets"));
    if (place.size() != 2 || place[0] > place[1] || place[1] > data_.size()) {
      return corrupt(fmt::format("lies at [{}] of {} bytes of data: truncated?",
                                 fmt::join(place, ", "), data_.size()));
    }
    for (const TypeRow& row : kTypes) {
      if (row.name == *type_name) tensor.type = row.type;
    }
    if (tensor.type == SafeType::kOther) return tensor;  // perhaps of a part that nobody wants
    std::uint64_t bytes = safe_type_bytes(tensor.type);
    for (const std::uint64_t size : tensor.shape) {
      if (__builtin_mul_overflow(bytes, size, &bytes)) return corrupt("is too large");
    }
    if (tensor.shape.size() > kMaxDims || bytes != place[1] - place[0]) {
      return corrupt(fmt::format("is {} [{}], but has {} bytes", *type_name,
                                 fmt::join(tensor.shape, ", "), place[1] - place[0]));
    }
    tensor.data = data_.data() + place[0];
    return tensor;
  }

 private:
  Unexpected<Error> corrupt(const std::string& what) const {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: tensor {} {}", path_, printable(name_), what));
  }

  Result<std::vector<std::uint64_t>> integers(const json::Value& entry,
                                              std::string_view key) const {
    const json::Value* value = entry.find(key);
    const json::Array* items = value == nullptr ? nullptr : value->if_array();
    if (items == nullptr) return corrupt(fmt::format("has no array {}", key));
    std::vector<std::uint64_t> numbers;
    for (const json::Value& item : *items) {
      const std::optional<std::int64_t> number = item.as_int64();
      if (!number || *number < 0) return corrupt(fmt::format("has a bad number in {}", key));
      numbers.push_back(static_cast<std::uint64_t>(*number));
    }
    return numbers;
  }

  const std::string& path_;
  std::string_view name_;
  std::span<const std::byte> data_;
};

}  // namespace

std::string_view safe_type_name(SafeType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return "?";
}

std::size_t safe_type_bytes(SafeType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.bytes;
  }
  return 0;
}

std::uint64_t SafeTensor::elements() const {
  std::uint64_t count = 1;
  for (const std::uint64_t size : shape) count *= size;
  return count;
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  SafetensorsFile result;
  TRY_ASSIGN(result.file_, MappedFile::open(path));
  const std::span<const std::byte> bytes = result.file_.bytes();
  std::uint64_t length = 0;
  if (bytes.size() >= sizeof length) std::memcpy(&length, bytes.data(), sizeof length);
  if (length == 0 || length > bytes.size() - sizeof length || length > kMaxHeaderBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: is no safetensors file: a header of {} bytes in {} (at most {})",
                            path, length, bytes.size(), kMaxHeaderBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data() + sizeof length), length);
  const auto header = json::parse(text);
  const json::Object* entries = header ? header->if_object() : nullptr;
  if (entries == nullptr) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: the header is no JSON object{}", path,
                                                 header ? "" : ": " + header.error().message));
  }
  const std::span<const std::byte> data = bytes.subspan(sizeof length + length);
  for (const auto& [name, entry] : *entries) {
    if (name == "__metadata__") continue;
    TRY_ASSIGN(SafeTensor tensor, EntryReader(path, name, data).read(entry));
    result.tensors_.push_back(std::move(tensor));
  }
  return result;
}

float f8e4m3_to_float(std::uint8_t bits) {
  const int exponent = (bits >> 3) & 15, fraction = bits & 7;
  if (exponent == 15 && fraction == 7) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(fraction), -9)
                              : std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
  return bits >= 128 ? -magnitude : magnitude;
}

void read_elements(const SafeTensor& tensor, std::uint64_t first, std::uint64_t count, float* out) {
  static const std::array<float, 256> kEight = [] {
    std::array<float, 256> table{};
    for (unsigned i = 0; i < 256; ++i) table[i] = f8e4m3_to_float(static_cast<std::uint8_t>(i));
    return table;
  }();
  const std::byte* from = tensor.data + first * safe_type_bytes(tensor.type);
  const auto half_at = [&](std::uint64_t i) {
    std::uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    return bits;
  };
  switch (tensor.type) {
    case SafeType::kF32:
      std::memcpy(out, from, count * sizeof *out);
      return;
    case SafeType::kF16:
      for (std::uint64_t i = 0; i < count; ++i) out[i] = half_to_float(half_at(i));
      return;
    case SafeType::kBF16:
      for (std::uint64_t i = 0; i < count; ++i) out[i] = bfloat16_to_float(half_at(i));
      return;
    case SafeType::kF8E4M3:
      for (std::uint64_t i = 0; i < count; ++i) out[i] = kEight[static_cast<std::uint8_t>(from[i])];
      return;
    case SafeType::kOther:
      CHECK(tensor.type != SafeType::kOther);  // whoever reads has looked at the type
  }
}

}  // namespace tessera::weights
