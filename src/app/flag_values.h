// What a flag's value may be, where CLI11's own checks let too much pass or say too little. A check
// changes nothing but what it says; its message follows the flag's name.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>

namespace tessera::app {

// CLI::Range for numbers with a fraction: CLI11's own lets "nan" pass.
CLI::Validator between(double least, double most);

// A number of bytes, like 20GiB, 500M or 1048576 (units are powers of 1024): becomes the number.
CLI::Validator byte_count(std::uint64_t least, std::uint64_t most);

// For names and files: --model "$MODEL" with a variable that is not set names nothing.
CLI::Validator not_empty();

}  // namespace tessera::app
