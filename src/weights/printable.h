// Text from a file as a person may read it: no control characters reach a terminal or a log.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tessera::weights {

// Control characters and invalid UTF-8 as \n, \t or \xNN; cut after about `max_bytes` bytes with
// "..." behind.
std::string printable(std::string_view text, std::size_t max_bytes = 80);

}  // namespace tessera::weights
