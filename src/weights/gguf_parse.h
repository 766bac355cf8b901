// One GGUF part, parsed and checked in itself: what gguf.cpp builds a GgufFile from. Internal to
// weights/.
//
// Memory: all that is allocated is at most a small constant (about ten) times the bytes of the
// header, whatever counts the header claims.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "weights/gguf.h"

namespace tessera::weights {

struct GgufPart {
  std::vector<MetadataEntry> metadata;
  std::vector<TensorView> tensors;  // in the file's order
  std::uint64_t data_start = 0;     // offset of the tensor data in the file
};

// Views in the result point into `bytes`. `name` is for messages.
Result<GgufPart> parse_gguf_part(std::span<const std::byte> bytes, const std::string& name,
                                 UnknownTypes unknown_types);

// The value of a key in one part's metadata, or null.
const MetadataValue* find_entry(std::span<const MetadataEntry> metadata, std::string_view key);

// The first name that occurs twice, or an empty view. Sorts: no hash table that a hostile file
// could degrade.
template <class Item, class NameOf>
std::string_view find_duplicate(const std::vector<Item>& items, NameOf name_of) {
  std::vector<std::string_view> names(items.size());
  std::transform(items.begin(), items.end(), names.begin(), name_of);
  std::sort(names.begin(), names.end());
  const auto found = std::adjacent_find(names.begin(), names.end());
  return found == names.end() ? std::string_view() : *found;
}

}  // namespace tessera::weights
