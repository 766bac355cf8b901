// Sizes for people.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

// In binary units: "512 B", "1.25 MiB", "19.71 GiB".
std::string human_bytes(std::uint64_t bytes);

}  // namespace tessera
