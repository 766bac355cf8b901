// The numbers of the GGUF format that reader and writer share. Everything is little endian.
//
//   "GGUF" | u32 version | u64 tensors | u64 entries | entries | tensor infos | padding to the
//   alignment | data entry:       string key | u32 type | value             string: u64 length |
//   bytes array value: u32 element type | u64 count | elements tensor info: string name | u32 dims
//   count | u64 dims[] | u32 type | u64 offset, counted from the start of data
#pragma once

#include <cstdint>
#include <string_view>

namespace tessera::weights {

inline constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF"
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint32_t kGgufOldestVersion = 2;  // version 1 had 32-bit counts
inline constexpr std::uint64_t kGgufDefaultAlignment = 32;
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";

enum class MetadataType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

}  // namespace tessera::weights
