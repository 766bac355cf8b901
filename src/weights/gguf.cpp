#include "weights/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "weights/gguf_parse.h"
#include "weights/mapped_file.h"
#include "weights/printable.h"

namespace tessera::weights {
namespace {

constexpr std::int64_t kMaxParts = 4096;

// Indices of `items`, sorted by their names, for look-ups that a hostile file cannot slow down.
template <class Item>
std::vector<std::uint32_t> sorted_by_name(const std::vector<Item>& items,
                                          std::string_view Item::* name) {
  std::vector<std::uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::invoke(name, items[a]) < std::invoke(name, items[b]);
  });
  return order;
}

template <class Item>
const Item* find_by_name(const std::vector<Item>& items, const std::vector<std::uint32_t>& order,
                         std::string_view Item::* name, std::string_view wanted) {
  const auto found = std::lower_bound(order.begin(), order.end(), wanted,
                                      [&](std::uint32_t index, std::string_view text) {
                                        return std::invoke(name, items[index]) < text;
                                      });
  if (found == order.end() || std::invoke(name, items[*found]) != wanted) return nullptr;
  return &items[*found];
}

class LoadedGguf final : public GgufFile {
 public:
  LoadedGguf(std::string name, std::vector<MappedFile> mappings,
             std::vector<MetadataEntry> metadata, std::vector<TensorView> tensors,
             std::uint64_t file_bytes)
      : name_(std::move(name)),
        mappings_(std::move(mappings)),
        metadata_(std::move(metadata)),
        tensors_(std::move(tensors)),
        metadata_order_(sorted_by_name(metadata_, &MetadataEntry::key)),
        tensor_order_(sorted_by_name(tensors_, &TensorView::name)),
        file_bytes_(file_bytes) {}

  const std::string& name() const override { return name_; }
  std::span<const MetadataEntry> metadata() const override { return metadata_; }
  std::span<const TensorView> tensors() const override { return tensors_; }
  std::uint64_t file_bytes() const override { return file_bytes_; }
  bool damaged() const override {
    return std::any_of(mappings_.begin(), mappings_.end(),
                       [](const MappedFile& mapping) { return mapping.damaged(); });
  }

  const MetadataValue* find_metadata(std::string_view key) const override {
    const auto* entry = find_by_name(metadata_, metadata_order_, &MetadataEntry::key, key);
    return entry == nullptr ? nullptr : &entry->value;
  }
  const TensorView* find_tensor(std::string_view name) const override {
    return find_by_name(tensors_, tensor_order_, &TensorView::name, name);
  }

 private:
  std::string name_;
  std::vector<MappedFile> mappings_;  // what all views point into; empty for from_memory
  std::vector<MetadataEntry> metadata_;
  std::vector<TensorView> tensors_;
  std::vector<std::uint32_t> metadata_order_;
  std::vector<std::uint32_t> tensor_order_;
  std::uint64_t file_bytes_;
};

// "model-00001-of-00003.gguf" in its pieces.
struct SplitName {
  std::string prefix;  // "model"
  std::int64_t number = 0;
  std::int64_t count = 0;

  std::string part(std::int64_t index) const {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, index, count);
  }
};

std::optional<std::int64_t> parse_five_digits(std::string_view text) {
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<SplitName> parse_split_name(std::string_view path) {
  constexpr std::string_view kPattern = "-00001-of-00003.gguf";
  if (path.size() < kPattern.size()) return std::nullopt;
  const std::string_view tail = path.substr(path.size() - kPattern.size());
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") {
    return std::nullopt;
  }
  const auto number = parse_five_digits(tail.substr(1, 5));
  const auto count = parse_five_digits(tail.substr(10, 5));
  if (!number || !count) return std::nullopt;
  return SplitName{std::string(path.substr(0, path.size() - kPattern.size())), *number, *count};
}

// An integer of a part's own metadata, or nothing.
std::optional<std::int64_t> find_integer(const GgufPart& part, std::string_view key) {
  const MetadataValue* entry = find_entry(part.metadata, key);
  const auto* value = entry == nullptr ? nullptr : std::get_if<std::int64_t>(entry);
  if (value != nullptr) return *value;
  return std::nullopt;
}

struct OpenedPart {
  MappedFile mapping;
  GgufPart part;
};

Result<OpenedPart> open_part(const std::string& path, UnknownTypes unknown_types) {
  OpenedPart opened;
  TRY_ASSIGN(opened.mapping, MappedFile::open(path));
  TRY_ASSIGN(opened.part, parse_gguf_part(opened.mapping.bytes(), path, unknown_types));
  return opened;
}

// The first part says how many there are; the path must be of the form that names them all.
Result<SplitName> split_of_first_part(const std::string& path, const GgufPart& first,
                                      std::int64_t count) {
  const auto split = parse_split_name(path);
  if (!split || split->count != count) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: is one of {} parts (split.count) but not named "
                            "\"...-00001-of-{:05}.gguf\", so the others cannot be found",
                            path, count, count));
  }
  const std::int64_t number = find_integer(first, "split.no").value_or(-1);
  if (number != 0 || split->number != 1) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: is part {} of {} (split.no {}); open the first part, {}", path,
                            split->number, count, number, split->part(1)));
  }
  return *split;
}

Result<OpenedPart> open_later_part(const SplitName& split, std::int64_t number,
                                   UnknownTypes unknown_types) {
  const std::string path = split.part(number);
  auto opened = open_part(path, unknown_types);
  if (!opened) {
    if (opened.error().code != ErrorCode::kNotFound) return opened;
    return fail(ErrorCode::kNotFound, fmt::format("part {} of {} is missing: {}", number,
                                                  split.count, opened.error().message));
  }
  const auto no = find_integer(opened->part, "split.no");
  const auto count = find_integer(opened->part, "split.count");
  if (no != number - 1 || count != split.count) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: says it is part {} of {} (split.no, split.count), its name says "
                            "{} of {}",
                            path, no.value_or(-1) + 1, count.value_or(-1), number, split.count));
  }
  return opened;
}

}  // namespace

Result<std::shared_ptr<const GgufFile>> GgufFile::open(const std::string& path,
                                                       UnknownTypes unknown_types) {
  TRY_ASSIGN(OpenedPart first, open_part(path, unknown_types));
  const std::int64_t count = find_integer(first.part, "split.count").value_or(1);
  const std::int64_t declared = find_integer(first.part, "split.tensors.count").value_or(-1);
  if (count < 0 || count > kMaxParts) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: split.count is {}, the limit is {}", path, count, kMaxParts));
  }
  std::uint64_t file_bytes = first.mapping.bytes().size();
  std::vector<MappedFile> mappings;
  mappings.push_back(std::move(first.mapping));
  std::vector<TensorView> tensors = std::move(first.part.tensors);
  if (count > 1) {
    TRY_ASSIGN(const SplitName split, split_of_first_part(path, first.part, count));
    for (std::int64_t number = 2; number <= count; ++number) {
      TRY_ASSIGN(OpenedPart later, open_later_part(split, number, unknown_types));
      file_bytes += later.mapping.bytes().size();
      mappings.push_back(std::move(later.mapping));
      std::move(later.part.tensors.begin(), later.part.tensors.end(), std::back_inserter(tensors));
    }
    if (declared >= 0 && static_cast<std::uint64_t>(declared) != tensors.size()) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}: split.tensors.count is {}, the {} parts hold {}", path, declared,
                              count, tensors.size()));
    }
    const auto name_of = [](const TensorView& tensor) { return tensor.name; };
    if (const auto name = find_duplicate(tensors, name_of); !name.empty()) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}: tensor {} is in two parts", path, printable(name)));
    }
  }
  return std::shared_ptr<const GgufFile>(std::make_shared<LoadedGguf>(
      path, std::move(mappings), std::move(first.part.metadata), std::move(tensors), file_bytes));
}

Result<std::shared_ptr<const GgufFile>> GgufFile::from_memory(std::span<const std::byte> bytes,
                                                              std::string name,
                                                              UnknownTypes unknown_types) {
  CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0);
  TRY_ASSIGN(GgufPart part, parse_gguf_part(bytes, name, unknown_types));
  const std::int64_t parts = find_integer(part, "split.count").value_or(1);
  if (parts > 1) {
    return fail(
        ErrorCode::kUnsupported,
        fmt::format("{}: is one of {} parts; a model in memory is a single one", name, parts));
  }
  return std::shared_ptr<const GgufFile>(std::make_shared<LoadedGguf>(
      std::move(name), std::vector<MappedFile>(), std::move(part.metadata), std::move(part.tensors),
      bytes.size()));
}

std::uint64_t TensorView::elements() const {
  return std::accumulate(dims.begin(), dims.end(), std::uint64_t{1}, std::multiplies<>());
}

namespace {

Result<const MetadataValue*> require(const GgufFile& file, std::string_view key) {
  const MetadataValue* value = file.find_metadata(key);
  if (value != nullptr) return value;
  return fail(ErrorCode::kCorrupt, fmt::format("{}: metadata key {} is missing", file.name(), key));
}

Unexpected<Error> not_a(const GgufFile& file, std::string_view key, std::string_view kind) {
  return fail(ErrorCode::kCorrupt, fmt::format("{}: {} is no {}", file.name(), key, kind));
}

}  // namespace

Result<std::int64_t> GgufFile::integer(std::string_view key) const {
  TRY_ASSIGN(const MetadataValue* value, require(*this, key));
  if (const auto* integer = std::get_if<std::int64_t>(value)) return *integer;
  return not_a(*this, key, "integer");
}

Result<double> GgufFile::number(std::string_view key) const {
  TRY_ASSIGN(const MetadataValue* value, require(*this, key));
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* integer = std::get_if<std::int64_t>(value)) return static_cast<double>(*integer);
  return not_a(*this, key, "number");
}

Result<std::string_view> GgufFile::string(std::string_view key) const {
  TRY_ASSIGN(const MetadataValue* value, require(*this, key));
  if (const auto* text = std::get_if<std::string_view>(value)) return *text;
  return not_a(*this, key, "string");
}

}  // namespace tessera::weights
